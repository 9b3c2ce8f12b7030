"""What an engine's log is judged to be: synthetic plays in which it is known what was done, and by whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from documented import documented_keys, printed_keys

from npc_sdk.cli import main
from npc_sdk.errors import InputError
from npc_sdk.experiments.executed import judge, read_play

HZ, TICKS = 10, 20
PIT = [[2, -1], [3, -1], [3, 1], [2, 1]]
ABLE = {"max_speed": 4.0, "max_acceleration": 1600.0, "brake": 1600.0}
Drift = Callable[[int], float]


def log(
    path: Path,
    speed: float = 0.1,
    drift: Drift = lambda _: 0.0,
    cause: Sequence[str] = ("",) * TICKS,
    declared: float = 1.0,
    tolerance: float = 0.02,
) -> Path:
    """Writes a play of one NPC that is told to go right from the origin, and goes `drift` m further in a tick."""
    limits = {name: declared * value for name, value in ABLE.items()}
    zones = [{"kind": "keep_out", "name": "pit", "corners": PIT}]
    head = {"engine": "toy", "tick_hz": HZ, "radius": 0.5, "able": ABLE, "declared": limits, "zones": zones, "ids": [7]}
    lines, x, before = ["Toy Engine 1.0", json.dumps(head)], 0.0, speed
    for tick in range(TICKS):
        row = [x, 0.0, before, 0.0, speed, 0.0, 0, cause[tick]]
        lines.append(json.dumps({"tick": tick, "tolerance": tolerance, "npcs": [row]}))
        before = speed + drift(tick) * HZ
        x += before / HZ
    path.write_text("\n".join(lines))
    return path


def at(*ticks: int, name: str) -> list[str]:
    return [name if tick in ticks else "" for tick in range(TICKS)]


def test_motion_that_is_executed_as_issued_differs_nowhere(tmp_path: Path) -> None:
    play = read_play(log(tmp_path / "a"))
    assert play.off.shape == (TICKS - 1, 1)
    assert play.off.max() < 1e-9
    assert play.led.all()
    assert (judge(play).led, judge(play).games) == ((), 0)


def test_motion_off_its_command_is_measured_in_its_tick(tmp_path: Path) -> None:
    play = read_play(log(tmp_path / "a", drift=lambda tick: 0.25 if tick == 5 else 0.0, cause=at(5, name="wall")))
    assert np.flatnonzero(play.off[:, 0] > 1e-3).tolist() == [5]
    assert play.off[5, 0] == pytest.approx(0.25)
    assert play.cause[5, 0] == "wall"


def test_a_body_that_slips_into_a_zone_breaks_a_rule_while_led(tmp_path: Path) -> None:
    found = judge(read_play(log(tmp_path / "a", drift=lambda tick: 0.3 if 5 <= tick < 12 else 0.0)))
    assert {(v.category, v.assumption) for v in found.led} >= {("breach", "K1")}
    assert (found.games, found.npcs) == (0, 0)
    assert 0.3 < found.deepest < 1.1


def test_what_begins_with_a_throw_is_the_games_doing_until_it_is_out_of_the_zone(tmp_path: Path) -> None:
    def thrown(tick: int) -> float:
        return 1.7 if tick == 5 else 0.002 if tick > 5 else 0.0  # and slips on when the game has let go of it

    named = judge(read_play(log(tmp_path / "a", drift=thrown, cause=at(5, name="knock-back"))))
    assert named.led == ()
    assert named.games > 2
    assert judge(read_play(log(tmp_path / "b", drift=thrown))).led, "without its cause it would be the engine's"


def test_the_least_room_counts_from_when_an_npc_had_what_the_shield_keeps(tmp_path: Path) -> None:
    def put(tick: int) -> float:
        return 1.25 if tick == 5 else 0.0  # to 19 cm before the pit; by the end of the play it is at 6 cm

    cause = at(5, name="teleport")
    enough = read_play(log(tmp_path / "a", drift=put, cause=cause, tolerance=0.02))
    assert judge(enough).nearest == pytest.approx(0.06, abs=0.011)
    too_near = read_play(log(tmp_path / "b", drift=put, cause=cause, tolerance=0.2))
    assert judge(too_near).nearest > 1.0, "since it was put there it never had 20 cm"


def test_walking_into_a_zone_as_told_is_the_npcs_own_doing(tmp_path: Path) -> None:
    found = judge(read_play(log(tmp_path / "a", speed=2.0)))
    assert found.npcs == len([v for v in found.led if v.rule == "keep_out"]) > 0


def test_less_than_bodies_can_do_and_the_tolerance_are_read(tmp_path: Path) -> None:
    play = read_play(log(tmp_path / "a", declared=0.8, tolerance=0.05))
    assert play.less == pytest.approx(0.2)
    assert play.tolerance == 0.05


def test_a_log_that_ends_in_the_middle_of_a_line_is_read_up_to_there(tmp_path: Path) -> None:
    path = log(tmp_path / "a")
    path.write_text(path.read_text()[:-9])
    assert read_play(path).off.shape == (TICKS - 2, 1)


def test_what_else_an_engine_prints_is_passed_over_and_a_tick_that_is_missing_is_refused(tmp_path: Path) -> None:
    lines = log(tmp_path / "a").read_text().splitlines()
    (tmp_path / "b").write_text("\n".join([*lines[:5], "{ERROR: no such node}", *lines[5:]]))
    assert read_play(tmp_path / "b").off.shape == (TICKS - 1, 1)
    (tmp_path / "c").write_text("\n".join(lines[:5] + lines[6:]))
    with pytest.raises(InputError, match="should follow"):
        read_play(tmp_path / "c")


@pytest.mark.parametrize("content", ["", "{}\n{}\n{}", "no JSON", '{"engine": 3}\n{"npcs": []}\n{"npcs": []}'])
def test_a_file_that_is_no_log_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=r"other\.txt: expected"):
        read_play(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a log"):
        read_play(tmp_path / "none")


def check(capsys: pytest.CaptureFixture[str], *paths: Path) -> tuple[int, dict[str, object]]:
    status = main(["check", "engine", *map(str, paths), "--json"])
    return status, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_command_names_what_it_takes_for_no_rule_to_break(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def slips(tick: int) -> float:
        return 0.3 if 5 <= tick < 12 else 0.0

    logs = [
        log(tmp_path / "a", declared=1.0, tolerance=0.02),  # clean by luck: with more it is not
        log(tmp_path / "b", declared=0.9, tolerance=0.02, drift=slips),
        log(tmp_path / "c", declared=0.9, tolerance=0.05),
        log(tmp_path / "d", declared=0.8, tolerance=0.05),
    ]
    status, figures = check(capsys, *logs)
    assert (status, figures["passed"]) == (0, True)
    assert figures["smallest"] == [{"engine": "toy", "less": 0.1, "tolerance_m": 0.05}]
    assert printed_keys(figures) == documented_keys("check engine")


def test_the_command_fails_where_every_log_has_a_broken_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, figures = check(capsys, log(tmp_path / "a", drift=lambda tick: 0.3 if 5 <= tick < 12 else 0.0))
    assert (status, figures["passed"], figures["smallest"]) == (1, False, [])


def test_the_command_fails_where_an_npc_itself_broke_a_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, figures = check(capsys, log(tmp_path / "a", tolerance=0.05), log(tmp_path / "b", speed=2.0))
    assert (status, bool(figures["smallest"])) == (1, True)
