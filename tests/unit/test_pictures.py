"""The pictures of rules: one for every rule, and what they show is so, measured anew from what is drawn."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from documented import documented_keys, printed_keys
from numpy.typing import NDArray
from PIL import Image

from npc_sdk import cli
from npc_sdk.constraints import TYPES
from npc_sdk.experiments.pictures import PICTURES, Picture
from npc_sdk.experiments.pictures.paint import png
from npc_sdk.experiments.pictures.view import ASKED, KEPT, OTHER, Curves, Floor, Rows

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "reference" / "constraints.md").read_text(encoding="utf-8")
LARGEST = 25_000  # bytes
SHOWN = re.compile(
    r'<img src="\.\./images/rules/(\w+)\.png" width="400" '
    r'alt="\1: margin (\S+) ?(.*?) without the rule, (\S+) ?\3 with it">'
    r" \| \*\*`\1`\*\* (.+?) \|$",
    re.MULTILINE,
)
Floats = NDArray[np.float64]


@cache
def picture(rule: str) -> Picture:
    return PICTURES[rule]()


@pytest.mark.parametrize("rule", TYPES)
def test_every_rule_has_a_picture_in_the_docs_that_says_what_it_shows(rule: str) -> None:
    found = {name: (asked, unit, kept, says) for name, asked, unit, kept, says in SHOWN.findall(PAGE)}
    assert rule in found, f"docs/reference/constraints.md shows no picture of {rule}"
    asked, unit, kept, says = found[rule]
    shown, file = picture(rule), DOCS / "images" / "rules" / f"{rule}.png"
    assert (says, unit) == (shown.says, shown.unit)
    assert [float(asked), float(kept)] == pytest.approx([shown.asked, shown.kept], abs=0.02)
    assert file.stat().st_size < LARGEST
    with Image.open(file) as image:
        assert image.size == (800, 500)
        drawn = [float(number) for number in str(image.info["Description"]).split()]
    assert drawn == pytest.approx([shown.asked, shown.kept], abs=0.02), "drawn before the code changed: npc-sdk draw"


def test_no_picture_is_of_a_rule_that_is_none() -> None:
    assert set(PICTURES) == set(TYPES)
    assert {file.stem for file in (DOCS / "images" / "rules").iterdir()} == set(TYPES)


@pytest.mark.parametrize("rule", TYPES)
def test_what_is_asked_for_breaks_the_rule_and_what_is_certified_keeps_it(rule: str) -> None:
    assert picture(rule).asked < 0.0 <= picture(rule).kept < np.inf


def fine(points: Floats) -> Floats:
    """A way, 40 points to a tick."""
    along = np.arange(len(points), dtype=np.float64)
    dense = np.linspace(0.0, along[-1], 40 * len(points))
    return np.stack([np.interp(dense, along, points[:, k]) for k in range(2)], 1)


def ways(view: Floor, whose: str) -> list[Floats]:
    return [way.points for way in view.ways if way.whose == whose]


def within(points: Floats, corners: Floats) -> NDArray[np.bool_]:
    """By how often a ray to the right crosses the outline."""
    x, y = points.T[:, :, None]
    (ax, ay), (bx, by) = corners.T[:, None], np.roll(corners, -1, 0).T[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = ((ay > y) != (by > y)) & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return np.asarray(hit.sum(1) % 2 == 1)


def edge(corners: Floats) -> Floats:
    """An outline, 600 points to an edge."""
    share = np.linspace(0.0, 1.0, 600)[:, None, None]
    return np.asarray((corners + share * (np.roll(corners, -1, 0) - corners)).reshape(-1, 2))


def nearest(points: Floats, others: Floats) -> Floats:
    return np.array([np.hypot(*(others - point).T).min() for point in points])


def to_barred(view: Floor, whose: str) -> float:
    """How near a way comes to the grey part, less than 0 within it."""
    (area,) = view.areas
    points = fine(ways(view, whose)[0])[::8]
    free = np.any([within(points, corners) for corners in area.polygons], axis=0) == area.outside
    border = np.concatenate([edge(corners) for corners in area.polygons])
    if len(area.polygons) > 1:  # what separates two polygons of a mesh is no border
        aside = 1e-6 * np.stack([np.cos(np.arange(0.1, 6.3, 0.7)), np.sin(np.arange(0.1, 6.3, 0.7))], 1)
        around = [np.any([within(border + step, c) for c in area.polygons], axis=0) for step in aside]
        border = border[~np.all(around, axis=0)]
    gap = nearest(points, border)
    return float(np.where(free, gap, -gap).min())


@pytest.mark.parametrize("rule", ["keep_out", "keep_in", "navmesh"])
def test_a_body_is_as_near_to_what_is_barred_as_the_picture_says(rule: str) -> None:
    shown: Any = picture(rule)
    radius = shown.view.ways[0].radius
    assert radius > 0.0
    assert to_barred(shown.view, KEPT) - radius == pytest.approx(shown.kept, abs=0.01)
    assert to_barred(shown.view, ASKED) - radius < -0.3


def test_who_may_not_stop_in_a_doorway_rests_outside_it() -> None:
    shown: Any = picture("no_stop")
    corners = shown.view.areas[0].polygons[0]
    rest = {whose: ways(shown.view, whose)[0][-1:] for whose in (ASKED, KEPT)}
    assert within(rest[ASKED], corners)[0]
    assert not within(rest[KEPT], corners)[0]
    assert nearest(rest[KEPT], edge(corners))[0] == pytest.approx(shown.kept, abs=0.01)
    for whose in (ASKED, KEPT):
        assert (ways(shown.view, whose)[0][-1] == ways(shown.view, whose)[0][-2]).all(), "it rests"


@pytest.mark.parametrize(
    ("rule", "metres"), [("leash", 3.0), ("stay_near", 3.0), ("keep_away", -1.6), ("stay_clear", 0.0)]
)
def test_distances_from_home_and_from_others_are_as_the_picture_says(rule: str, metres: float) -> None:
    shown: Any = picture(rule)
    centre = ways(shown.view, OTHER)[0][0] if rule != "leash" else ways(shown.view, KEPT)[0][0]

    def margin(whose: str) -> float:
        way = ways(shown.view, whose)[0]
        if rule == "stay_clear":  # 1.5 m more than what a player at 4 m/s covers until each step of 0.1 s
            return float((np.hypot(*(way[1:] - centre).T) - 0.4 * np.arange(1, len(way))).min() - 1.5)
        far = np.hypot(*(fine(way) - centre).T)
        return float(metres - far.max() if metres > 0 else far.min() + metres)

    assert margin(KEPT) == pytest.approx(shown.kept, abs=0.01)
    assert margin(ASKED) == pytest.approx(shown.asked, abs=0.01)


def test_two_npcs_are_as_far_apart_as_the_picture_says() -> None:
    shown: Any = picture("ally_distance")
    for whose, margin in ((ASKED, shown.asked), (KEPT, shown.kept)):
        one, two = (fine(way) for way in ways(shown.view, whose))
        assert np.hypot(*(one - two).T).min() - 1.4 == pytest.approx(margin, abs=0.01)
    one, two = (np.mean(area.polygons[0][:-1], 0) for area in shown.view.areas)
    assert np.hypot(*(one - two)) >= 1.4, "the discs do not overlap"


def test_turns_speeds_changes_rounds_and_shares_are_as_the_pictures_say() -> None:
    turn: Any = picture("turn_limit")
    for whose, margin in ((ASKED, turn.asked), (KEPT, turn.kept)):
        step = np.diff(ways(turn.view, whose)[0], axis=0)
        angle = np.abs(np.diff(np.unwrap(np.arctan2(step[:, 1], step[:, 0]))))
        fast = np.hypot(*step.T)[:-1] * 30.0 > 1.5
        assert 2.0 / 30.0 - angle[fast].max() == pytest.approx(margin, abs=1e-3)
    for rule, limit in (("speed_limit", 2.5), ("acceleration_limit", 8.0)):
        shown: Any = picture(rule)
        assert limit - shown.view.asked.max() == pytest.approx(shown.asked, abs=1e-3)
        assert limit - shown.view.kept.max() == pytest.approx(shown.kept, abs=1e-3)
        assert shown.view.barred[0] == limit
    rounds: Any = picture("reserve")
    assert (rounds.view.asked.min() - 2.0, rounds.view.kept.min() - 2.0) == (rounds.asked, rounds.kept)
    share: Any = picture("share_limit")
    assert (0.2 - share.view.asked[-1], 0.2 - share.view.kept[-1]) == pytest.approx((share.asked, share.kept))


def test_what_a_player_did_is_known_as_late_as_the_picture_says() -> None:
    view: Any = picture("reaction_time").view
    lag = [int(np.argmax(known > 1.0)) for known in (view.asked, view.kept)]
    assert lag[1] - lag[0] == 9  # 0.3 s
    assert np.isnan(view.kept[:9]).all(), "nobody is known before the reaction time has passed"


def test_as_many_npcs_move_at_a_time_as_the_picture_says() -> None:
    view: Any = picture("move_in_turn").view
    assert (view.asked.max(), view.kept.max()) == (3.0, 1.0)
    assert view.barred[0] == 1.0
    assert (view.kept > 0.0).mean() > 0.7, "they do cross"


def times(rule: str) -> list[tuple[Floats, Floats]]:
    view: Any = picture(rule).view
    assert isinstance(view, Rows)
    return [(np.array(row.granted), np.array(row.refused)) for row in view.rows]


def test_attacks_are_granted_as_the_pictures_say() -> None:
    ((shots, refused),) = times("cooldown")
    assert np.diff(shots).min() >= 0.8 - 1e-9
    assert len(refused) > len(shots) > 2
    ((shots, refused),) = times("attack_limit")
    assert max(((shots >= t - 1e-9) & (shots < t + 2.0 - 1e-9)).sum() for t in shots) == 3
    assert len(refused) > 3
    ((shots, refused),) = times("hold_fire")
    truce: Any = picture("hold_fire").view
    ((first, last),) = truce.barred
    assert not ((shots > first - 1e-9) & (shots < last - 1e-9)).any()
    assert ((refused > first - 1e-9) & (refused < last - 1e-9)).all()
    holders = [shots for shots, _ in times("attack_tokens")]
    for now in np.arange(0.0, 4.0, 1 / 30) + 1e-6:
        assert sum(bool(((shots <= now) & (now < shots + 0.9)).any()) for shots in holders) <= 2
    assert all(len(shots) >= 2 for shots in holders)


def test_whoever_is_spared_is_out_of_the_way_at_every_granted_attack() -> None:
    cone: Any = picture("friendly_fire").view
    burst: Any = picture("splash").view
    for view, clearance in ((cone, 0.4), (burst, 0.0)):
        assert isinstance(view, Floor)
        corners = view.areas[0].polygons[0]
        granted = np.array([mark.place for mark in view.marks if mark.whose == KEPT])
        refused = np.array([mark.place for mark in view.marks if mark.whose == ASKED])
        assert within(refused, corners).any()
        assert not within(granted, corners).any()
        assert nearest(granted, edge(corners)).min() >= clearance
        assert min(len(granted), len(refused)) >= 4


def test_the_command_draws_what_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["draw", "leash", "--out", str(tmp_path / "new"), "--json"]) == 0
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["leash.png"]
    assert (tmp_path / "new" / "leash.png").read_bytes() == png(picture("leash"))
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["passed"] is True
    assert printed_keys(figures) == documented_keys("draw")
    assert cli.main(["draw", "leesh", "--out", str(tmp_path)]) == cli.USAGE
    assert "'leash'" in capsys.readouterr().err


def test_a_picture_of_a_broken_rule_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = Picture("leash", "", Curves("", np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.ones(2)), -1.0, -0.1)
    monkeypatch.setitem(PICTURES, "leash", lambda: broken)
    assert cli.main(["draw", "leash", "--out", str(tmp_path)]) == 1
