"""A picture of every rule: what an NPC does without it and with it, played by the shield and judged by the audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from npc_sdk.experiments.pictures import attacks, forecasts, motion, others, places
from npc_sdk.experiments.pictures.view import Picture

PICTURES: Mapping[str, Callable[[], Picture]] = {
    **places.PICTURES,
    **motion.PICTURES,
    **others.PICTURES,
    **attacks.PICTURES,
    **forecasts.PICTURES,
}
"""By what a table's `rule` key calls them."""

__all__ = ["PICTURES", "Picture"]
