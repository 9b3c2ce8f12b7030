"""Declared against measured: known bodies are recovered from recordings; what these do not say is not guessed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from deviating_game import DECLARED, DT, TOP_SPEED, Body, Play, play, the_schema
from documented import documented_keys, printed_keys

from npc_bridge.messages import EntityBlock, Snapshot, encode
from npc_bridge.recording import ChannelId, Direction, Recorder
from npc_bridge.schema import EntityType, Field
from npc_sdk import cli
from npc_sdk.errors import ConstraintError, InputError
from npc_sdk.experiments.bodies import LEAST, Finding, acceleration, brake, delay, findings, others, top_speed
from npc_sdk.experiments.calibrate import read_top_speeds
from npc_sdk.experiments.motions import Motions, Moves, Trips, read_motions

Recorded = Callable[..., Path]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Records a play, once for each kind."""
    folder, made = tmp_path_factory.mktemp("plays"), dict[Play, Path]()

    def record(what: Play) -> Path:
        if what not in made:
            made[what] = folder / f"{len(made)}.npcrec"
            with Recorder(made[what], the_schema()) as recorder:
                play(what, recorder)
        return made[what]

    return record


LIVELY = Play(ticks=300, loss=0.1, outage=10, callback=False)


def found(path: Path, top_speeds: dict[str, float] | None = None) -> dict[str, Finding]:
    return {f.name: f for f in findings(read_motions([path]), top_speeds or {})}


def test_a_body_that_does_as_it_is_told_is_declared_safely(recorded: Recorded) -> None:
    of = found(recorded(LIVELY), {"player": TOP_SPEED})
    for name in ("brake", "max_acceleration", "max_speed", "delay", "executed", "top_speed of player"):
        assert of[name].verdict == "safe", name
    assert (of["brake"].proposed, of["max_acceleration"].proposed) == (DECLARED.brake, DECLARED.max_acceleration)
    assert of["max_speed"].measured == pytest.approx(DECLARED.max_speed, rel=1e-3)


@pytest.mark.parametrize("share", [0.9, 0.8, 0.7])
def test_a_weak_brake_is_measured_and_found_unsafe(recorded: Recorded, share: float) -> None:
    of = found(recorded(replace(LIVELY, body=Body(brake=share))))
    assert of["brake"].measured == pytest.approx(share * DECLARED.brake, rel=0.01)
    assert of["brake"].proposed == pytest.approx(0.9 * share * DECLARED.brake, rel=0.01)
    assert of["brake"].verdict == of["executed"].verdict == "unsafe"
    assert of["max_acceleration"].verdict == "safe"


def test_a_weak_acceleration_is_measured_and_found_unsafe(recorded: Recorded) -> None:
    of = found(recorded(replace(LIVELY, body=Body(pull=0.8))))
    assert of["max_acceleration"].measured == pytest.approx(0.8 * DECLARED.max_acceleration, rel=0.01)
    assert of["max_acceleration"].verdict == "unsafe"
    assert of["brake"].verdict == "unseen", "nobody got fast enough to be asked for the whole brake"
    assert of["max_speed"].verdict == "unseen", "nor to show how fast it can be"


@pytest.mark.parametrize("late", [1, 2])
def test_a_late_body_is_measured_by_its_delay_and_not_taken_for_a_weak_one(recorded: Recorded, late: int) -> None:
    of = found(recorded(replace(LIVELY, body=Body(late_ticks=late))))
    assert of["delay"].measured == late
    assert of["delay"].verdict == "unsafe"
    assert of["brake"].verdict == of["max_acceleration"].verdict == "safe"


def test_a_body_that_overshoots_is_not_weak_but_does_not_do_as_told(recorded: Recorded) -> None:
    of = found(recorded(replace(LIVELY, body=Body(zeal=1.2))))
    assert of["brake"].verdict == of["max_acceleration"].verdict == "safe"
    assert of["executed"].verdict == "unsafe"


def test_players_faster_than_a_rule_declares_are_named_and_a_higher_speed_proposed(recorded: Recorded) -> None:
    path = recorded(replace(LIVELY, rush=0.05))
    player = found(path, {"player": TOP_SPEED})["top_speed of player"]
    assert player.verdict == "unsafe"
    assert player.measured is not None
    assert 1.5 * TOP_SPEED < player.measured <= 2.0 * TOP_SPEED
    assert player.proposed == pytest.approx(player.measured / 0.9)
    assert found(path)["top_speed of player"].verdict == "undeclared"


def test_who_is_put_elsewhere_does_not_count_as_fast(recorded: Recorded) -> None:
    player = found(recorded(replace(LIVELY, leaps=0.02)), {"player": TOP_SPEED})["top_speed of player"]
    assert player.verdict == "safe"
    assert "leaps left out" in player.note


def test_several_recordings_add_up(recorded: Recorded) -> None:
    first, second = recorded(LIVELY), recorded(replace(LIVELY, leaps=0.02))
    both = read_motions([first, second])
    assert both.files == 2
    assert len(both.moves.tick) == sum(len(read_motions([path]).moves.tick) for path in (first, second))


# the arithmetic, on motions made by hand


def moves(before: np.ndarray, after: np.ndarray, told: np.ndarray | None) -> Moves:
    """Motions along x in m/s, one tick each, of one NPC."""

    def along(speed: np.ndarray) -> np.ndarray:
        return np.stack([speed, np.zeros_like(speed)], 1)

    n = len(before)
    unknown = np.full(n, np.nan)
    asked = unknown if told is None else told
    return Moves(np.zeros(n, int), np.arange(n), np.ones(n, int), along(before), along(after), unknown, along(asked))


def stops(decelerations: np.ndarray, asked: float = 16.0) -> Moves:
    before = np.full(len(decelerations), 4.0)
    return moves(before, before - decelerations * DT, before - asked * DT)


def test_the_lowest_thousandth_of_the_braking_ticks_counts() -> None:
    drawn = np.full(2000, 15.0)
    drawn[:3] = 9.0
    assert brake(stops(drawn), DT, 16.0, 0.9).measured == pytest.approx(9.0)
    drawn[1:3] = 15.0
    assert brake(stops(drawn), DT, 16.0, 0.9).measured == pytest.approx(15.0), "one in two thousand is an accident"


def test_ticks_in_which_little_was_asked_do_not_make_a_brake_weak() -> None:
    gentle, hard = stops(np.full(500, 2.0), asked=2.0), stops(np.full(500, 16.0))
    columns = {name: np.concatenate([getattr(m, name) for m in (gentle, hard)]) for name in Moves.__slots__}
    assert brake(Moves(**columns), DT, 16.0, 0.9).verdict == "safe"


def test_a_brake_that_was_rarely_asked_for_in_full_is_unknown_however_often_it_was_asked_for_a_little() -> None:
    gentle, hard = stops(np.full(LEAST * 20, 2.0), asked=2.0), stops(np.full(LEAST - 1, 10.0))
    columns = {name: np.concatenate([getattr(m, name) for m in (gentle, hard)]) for name in Moves.__slots__}
    found = brake(Moves(**columns), DT, 16.0, 0.9)
    assert (found.verdict, found.measured) == ("unknown", None)
    assert found.note == f"expected at least {LEAST} ticks of slowing down as hard as asked at most, got {LEAST - 1}"


@pytest.mark.parametrize(("share", "proposed"), [(0.9, 9.0), (0.5, 5.0)])
def test_the_safety_factor_is_that_of_the_proposal(share: float, proposed: float) -> None:
    assert brake(stops(np.full(500, 10.0)), DT, 16.0, share).proposed == pytest.approx(proposed)


def test_too_little_data_is_said_and_not_guessed() -> None:
    few = brake(stops(np.full(LEAST - 1, 10.0)), DT, 16.0, 0.9)
    assert (few.measured, few.proposed, few.verdict) == (None, None, "unknown")
    assert few.note == f"expected at least {LEAST} ticks of slowing down, got {LEAST - 1}"
    nothing = Motions(0, DT, DECLARED, stops(np.zeros(0)), {("player", "player"): Trips(*np.zeros((3, 0)))}, 0, 0)
    assert {f.verdict for f in findings(nothing, {})} == {"unknown"}


def test_without_actions_what_is_never_seen_is_unsafe_and_what_is_seen_at_times_is_unseen() -> None:
    before = np.full(500, 4.0)
    motion = moves(before, before - 10.0 * DT, None)
    never, at_times = brake(motion, DT, 16.0, 0.9), brake(motion, DT, 10.0, 0.9)
    assert (never.verdict, never.measured, never.proposed) == ("unsafe", pytest.approx(10.0), pytest.approx(9.0))
    assert (at_times.verdict, at_times.proposed) == ("unseen", None)
    assert acceleration(motion, DT, 16.0, 0.9).verdict == "unknown"
    assert delay(motion).verdict == "unknown"


def test_a_top_speed_below_the_declared_is_unsafe_only_where_more_was_asked_for() -> None:
    at = np.full(500, 3.0)
    asked, content = moves(at, at, np.full(500, 3.4)), moves(at, at, at)
    capped = top_speed(asked, 4.0, 0.9)
    assert (capped.verdict, capped.measured, capped.proposed) == ("unsafe", 3.0, pytest.approx(2.7))
    assert (top_speed(content, 4.0, 0.9).verdict, top_speed(content, 4.0, 0.9).proposed) == ("unseen", None)
    assert top_speed(content, 3.0, 0.9).verdict == "safe"


def test_a_body_at_its_top_speed_is_not_taken_for_one_that_cannot_accelerate() -> None:
    speed = np.concatenate([np.linspace(0.0, 2.4, 500), np.full(500, 3.0)])
    after = np.minimum(speed + 16.0 * DT, 3.0)
    assert acceleration(moves(speed, after, speed + 16.0 * DT), DT, 16.0, 0.9).verdict == "safe"


def test_others_are_over_declared() -> None:
    way = np.full(500, 4.5 * DT)
    trips = Trips(np.full(500, DT), way, np.full(500, 4.5))
    assert others("player", trips, 6.0, 0.9).proposed == pytest.approx(6.0), (
        "what is declared with room to spare stands"
    )
    assert others("player", trips, 4.6, 0.9).proposed == pytest.approx(5.0)
    assert others("player", trips, 4.0, 0.9).verdict == "unsafe"


def test_a_heading_gives_the_turn_rate(tmp_path: Path) -> None:
    """Also across the jump from pi to -pi."""
    plain = the_schema()
    heading = Field("heading", "rad", -3.2, 3.2, role="heading")
    npc = EntityType("npc", "npc", 8, (*plain.entities[1].fields, heading))
    schema = replace(plain, entities=(plain.entities[0], npc))
    path = tmp_path / "turning.npcrec"
    with Recorder(path, schema) as recorder:
        for tick in range(2 * LEAST):
            angle = (tick * 5.0 * DT + np.pi) % (2 * np.pi) - np.pi
            blocks = {"npc": EntityBlock(np.array([7], np.uint32), np.float32([[0, 0, 0, 0, 1, 0, angle]]))}
            data = encode(Snapshot(1, schema.schema_id, tick, 0, tick, blocks), schema)
            recorder.write(tick, Direction.UP, ChannelId.DATA, data)
    turn = found(path)["turn_rate"]
    assert turn.measured == pytest.approx(5.0, rel=1e-3)
    assert turn.verdict == "unseen"


# the command


def test_the_command_prints_a_table_and_what_its_page_says(
    recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[constraints]]\nrule = "keep_away"\ndistance = 1\ntop_speed = 5\n', encoding="utf-8")
    weak = str(recorded(replace(LIVELY, body=Body(brake=0.7))))
    assert cli.main(["calibrate", weak, "--rules", str(rules), "--json"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert printed_keys(figures) == documented_keys("calibrate")
    assert figures["unsafe"] == ["brake", "executed"]
    assert any(line.split()[:2] == ["brake", "m/s^2"] and line.endswith("unsafe") for line in lines)
    assert "unsafe: brake, executed" in lines


def test_nothing_unsafe_exits_with_0(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["calibrate", str(recorded(LIVELY))]) == 0
    assert "nothing here speaks against what is declared" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "recordings: expected a file or a folder, found nothing at nowhere"),
        (["."], "recordings: expected *.npcrec files under ., found none"),
        (["text.npcrec"], "text.npcrec: expected a recording, got 5 bytes starting b'hello'"),
    ],
)
def test_what_is_no_recording_is_said_in_one_line(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments == ["text.npcrec"]:
        Path(arguments[0]).write_text("hello", encoding="utf-8")
    assert cli.main(["calibrate", *arguments]) == 2
    assert f"npc-sdk: {expected}" in capsys.readouterr().err


def test_recordings_of_two_kinds_of_bodies_are_refused(tmp_path: Path) -> None:
    for name, schema in (("a", the_schema()), ("b", the_schema(replace(DECLARED, brake=20.0)))):
        Recorder(tmp_path / f"{name}.npcrec", schema).close()
    with pytest.raises(
        InputError, match=r"b\.npcrec: expected the bodies and ticks of a\.npcrec, .*30.0.*, got .*20.0"
    ):
        read_motions([tmp_path])


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    with Recorder(tmp_path / "a.npcrec", the_schema()) as recorder:
        recorder.write(0, Direction.UP, ChannelId.DATA, b"NPCW\x01\x04 nonsense")
    with pytest.raises(InputError, match=r"a\.npcrec: record 1: .*48"):
        read_motions([tmp_path])


@pytest.mark.parametrize("share", ["0", "1.1", "much"])
def test_a_safety_factor_that_is_no_share_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["calibrate", "x", "--safety", share])
    assert end.value.code == 2
    assert f"--safety: expected a number above 0 and at most 1, got '{share}'" in capsys.readouterr().err


def test_the_strictest_rule_of_a_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    rule = '[[constraints]]\nrule = "{}"\ndistance = 1\ntop_speed = {}\nname = "r{}"\n'
    text = [rule.format("keep_away", 6, 1), rule.format("keep_away", 5, 2), rule.format("stay_near", 3, 3)]
    path.write_text('[[constraints]]\nrule = "leash"\nradius = 3\n' + "".join(text), encoding="utf-8")
    assert read_top_speeds(path) == {"player": 5.0, "protected": 3.0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[constraints", r"expected a TOML file of rules"),
        ("weights = 3", r"expected \[\[constraints\]\] tables, got weights"),
        (
            '[[constraints]]\nrule = "keep_away"\ndistance = 1\ntop_sped = 5',
            r"\[\[constraints\]\] 1: .*top_sped.*top_speed",
        ),
    ],
)
def test_a_file_of_rules_that_is_wrong_is_refused(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((InputError, ConstraintError), match=expected):
        read_top_speeds(path)
