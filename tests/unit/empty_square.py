"""Rules compiled for NPCs of one squad in an empty square: where tests of the shield ask about bodies and rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npc_sdk.constraints import Rule, RuleTables, compile_rules
from npc_sdk.experiments.zoo import Body


def square(rules: Sequence[Rule], body: Body, dt: float, half: float, n: int = 1) -> RuleTables:
    """NPCs 101, 102, ... with their homes in the middle of a square of `half` metres to each side."""
    return compile_rules(
        rules,
        ids=np.arange(101, 101 + n),
        squads=np.zeros(n),
        homes=np.zeros((n, 2)),
        kinematics=body,
        walls=[],
        bounds=(-half, -half, half, half),
        dt=dt,
    )
