"""The figures of a run: measured once, shown on the end card and written into the summary."""

from __future__ import annotations

from dataclasses import dataclass

from npc_sdk.demo import theme
from npc_sdk.demo.show import Show
from npc_sdk.demo.strip import HASH_DIGITS
from npc_sdk.demo.tally import percentile
from npc_sdk.demo.theme import Colour

_HIDDEN = "Out of sight: the ghost in the dashed ring is what they hunt."
_SEEN = "In sight, for now. Once you hide, they hunt a ghost in a dashed ring."


@dataclass(frozen=True, slots=True)
class Figures:
    """What the reel claims, as it came out in this run."""

    decisions: int
    decision_age_ms_p95: float | None
    rules_broken: int
    planned_fraction_led: float
    stale_steps: int
    zone_broken: int | None  # None: no zone was drawn
    control_zone_broken: int | None
    flip_verified: bool | None  # None: nothing was flipped
    model_sha256: str
    weights_sha256: str  # of the numbers in the brain's memory
    forecast: str


def measure(show: Show) -> Figures:
    """Read the figures off a show."""
    tally = show.tally
    age = percentile(tally.decision_age_ms, 95)
    return Figures(
        decisions=tally.decisions,
        decision_age_ms_p95=None if age is None else round(age, 3),
        rules_broken=show.broken,
        planned_fraction_led=round(tally.planned_fraction_led, 4),
        stale_steps=tally.stale_steps,
        zone_broken=show.zone_broken,
        control_zone_broken=show.control_zone_broken,
        flip_verified=show.flip_verified,
        model_sha256=show.model,
        weights_sha256=show.weights_sha256,
        forecast=show.forecast,
    )


def facts(show: Show, figures: Figures, before: str) -> dict[str, str]:
    """Return what captions may name in braces; `before` is the hash of the weights when the reel began."""
    return {
        "sight": _HIDDEN if any(not belief.seen for belief in show.scene(1.0).beliefs) else _SEEN,
        "weights": figures.weights_sha256[:HASH_DIGITS] or "none",
        "weights_before": before[:HASH_DIGITS] or "none",
        "zone_broken": _count(figures.zone_broken),
        "control_zone_broken": _count(figures.control_zone_broken),
        "stale": str(figures.stale_steps),
        "flip": {True: "Verified by deciding again.", False: "It did not.", None: ""}[figures.flip_verified],
    }


def card(figures: Figures) -> tuple[tuple[str, str, Colour], ...]:
    """Return the rows of the end card: label, value, and the colour that says how good it is."""
    age = figures.decision_age_ms_p95
    return (
        ("decisions", f"{figures.decisions}", theme.TEXT),
        ("decision age, p95", "-" if age is None else f"{age:.0f} ms", theme.TEXT),
        ("rules broken", str(figures.rules_broken), _good(figures.rules_broken == 0)),
        ("on a plan while the brain lives", f"{100.0 * figures.planned_fraction_led:.1f} %", theme.TEXT),
        ("stale plans executed", str(figures.stale_steps), _good(figures.stale_steps == 0)),
        ("law broken", _count(figures.zone_broken), _good(figures.zone_broken == 0)),
        ("mere wish broken", _count(figures.control_zone_broken), theme.TEXT),
        ("flip verified", {True: "yes", False: "no", None: "-"}[figures.flip_verified], _good(figures.flip_verified)),
        ("model file", figures.model_sha256[:HASH_DIGITS] or "none", theme.TEXT),
        ("weights in memory", figures.weights_sha256[:HASH_DIGITS] or "none", theme.TEXT),
        ("forecast", figures.forecast, theme.TEXT),
    )


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _good(value: bool | None) -> Colour:
    return theme.MUTED if value is None else theme.GOOD if value else theme.BAD
