"""Judges forecasts: was somebody where a plan expected him? A miss is nobody's fault, and no rule is broken by it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from npc_sdk.audit.trace import Trace


def missed(trace: Trace) -> Float[np.ndarray, "t a"]:
    """Returns how far inside its forecast's radius the other was at the end of each tick, m; infinite without one.

    Of several forecasts for one NPC and tick the worst tells.
    """
    margin = np.full(trace.driver.shape, np.inf)
    for forecast in trace.forecasts:
        rows = forecast.tick + 1 + np.arange(len(forecast.place))
        known = rows < len(trace.others)
        off = np.linalg.norm(trace.others[rows[known], forecast.other] - forecast.place[known], axis=-1)
        ticks = rows[known] - 1
        room = forecast.radius[known] - off
        margin[ticks, forecast.npc] = np.minimum(margin[ticks, forecast.npc], room)
    return margin
