"""Zones painted with the mouse: strokes become simple polygons, polygons become rules that the brain has to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from npc_sdk.demo.settings import WHO, Request

MOST_CORNERS = 8
_LEAST_AREA = 0.5  # m^2; less is a slip of the hand
_PREFIX = "painted_"
Corners = tuple[tuple[float, float], ...]


def outline(stroke: Sequence[tuple[float, float]]) -> Corners:
    """Return the hull of a stroke with at most MOST_CORNERS corners, counter-clockwise; () where it spans no area."""
    hull = _hull(sorted({(round(x, 2), round(y, 2)) for x, y in stroke}))
    while len(hull) > MOST_CORNERS:
        n = len(hull)
        least = min(range(n), key=lambda i: _area((hull[i - 1], hull[i], hull[(i + 1) % n])))
        hull = hull[:least] + hull[least + 1 :]
    return hull if _area(hull) >= _LEAST_AREA else ()


@dataclass(slots=True)
class Paint:
    """What has been painted in this match, and the stroke under the mouse."""

    stroke: list[tuple[float, float]] = field(default_factory=list)  # m, while the button is held
    waiting: dict[str, Corners] = field(default_factory=dict)  # by rule, asked for and not answered
    laws: dict[str, tuple[Corners, int]] = field(default_factory=dict)  # by rule: what binds, and since which tick
    _count: int = 0

    def __contains__(self, name: str) -> bool:
        """Whether a rule is one of these and still wanted."""
        return name in self.waiting or name in self.laws

    def request(self, corners: Corners) -> Request:
        """Return what asks for a zone as a rule."""
        self._count += 1
        name = f"{_PREFIX}{self._count}"
        self.waiting[name] = corners
        rule: Request = {"rule": "keep_out", "name": name, "polygon": [list(corner) for corner in corners]}
        return {"op": "add_rule", "rule": rule, "who": WHO}

    def confirmed(self, name: str, played: int) -> None:
        """The brain knows a zone."""
        if name in self.waiting:
            self.laws[name] = (self.waiting.pop(name), played)
        elif name in self.laws:  # a brain that was started again
            self.laws[name] = (self.laws[name][0], played)

    def refused(self, name: str) -> None:
        """The brain said no."""
        self.waiting.pop(name, None)

    def removal(self) -> list[Request]:
        """Return what takes all zones away, and forget them."""
        names = [*self.laws, *self.waiting]
        self.laws.clear()
        self.waiting.clear()
        self.stroke.clear()
        return [{"op": "remove_rule", "name": name, "who": WHO} for name in names]

    def bound(self, played: int, delay: int) -> tuple[Corners, ...]:
        """Return the zones that have been known for longer than `delay` played ticks."""
        return tuple(corners for corners, since in self.laws.values() if played - since > delay)

    @property
    def zones(self) -> tuple[Corners, ...]:
        """What is to be drawn: all that is known or asked for."""
        return (*(corners for corners, _ in self.laws.values()), *self.waiting.values())


def is_painted(name: str) -> bool:
    """Whether a rule is one of these."""
    return name.startswith(_PREFIX)


def _hull(points: Sequence[tuple[float, float]]) -> Corners:
    """Andrew's monotone chain over sorted points (Information Processing Letters 9(5), 1979)."""
    half: list[list[tuple[float, float]]] = []
    for side in (points, points[::-1]):
        chain: list[tuple[float, float]] = []
        for point in side:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        half.append(chain[:-1])
    return tuple(half[0] + half[1])


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _area(corners: Corners) -> float:
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    return 0.5 * abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs))
