"""The shield's log: it answers the same again, and whoever changed or cut the log is found out."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
from empty_square import square

from npc_sdk import cli
from npc_sdk.constraints import AllyDistance, AttackLimit
from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import Arena, ArenaConfig, arena_schema, make_map
from npc_sdk.errors import LedgerError
from npc_sdk.experiments import campaign, zoo
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.experiments.zoo import Body
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.shield import (
    Case,
    Certified,
    Ledger,
    Movers,
    Others,
    Outstanding,
    ShieldConfig,
    Wanted,
    issue,
    ledger,
)
from npc_sdk.shield import replay as shield_replay
from npc_sdk.shield.ledger import Begin, Step, read
from npc_sdk.shield.replay import replay
from npc_sdk.world import ConstantVelocity

TICKS = 40


@cache
def zoo_log() -> bytes:
    """Two games of the rule zoo, logged."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "zoo.npcledger"
        with Ledger(path) as log:
            zoo.play(campaign.draw(3), 3, TICKS, ledger=log)
            zoo.play(zoo.make_crowd(4), 4, TICKS, ledger=log)
        return path.read_bytes()


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    path = tmp_path / "shield.npcledger"
    path.write_bytes(zoo_log())
    return path


def rewritten(path: Path, change: Callable[[Step], Step]) -> Path:
    """The same log with every step changed, and all checksums right."""
    out = path.with_name("changed.npcledger")
    with Ledger(out) as log:
        for entry in list(read(path)):
            if isinstance(entry, Begin):
                log.begin(entry.game, promises=entry.promises, attacks=entry.attacks)
            else:
                entry = change(entry)
                log.step(entry.game, entry.chunk, entry.case, entry.answer)
    return out


def test_the_shield_answers_a_zoo_log_the_same_again(logged: Path) -> None:
    found = list(replay(logged))
    assert len(found) > TICKS
    assert all(checked.difference is None for checked in found)
    assert rewritten(logged, lambda step: step).read_bytes() == logged.read_bytes(), "what is read is what was written"


def test_a_game_that_goes_on_from_another_is_answered_by_what_that_one_was_promised_and_had_attacked(
    tmp_path: Path,
) -> None:
    tables = square((AllyDistance("spread", 1.0), AttackLimit("one", 1, 9.0)), Body(4.0, 16.0, 16.0, 0.3), 0.1, 9.0, 2)
    here, by, path = np.array([[-0.8, 0.0], [0.8, 0.0]]), (3.0, -2.0), tmp_path / "x.npcledger"

    def case(places: Any, first: float, second: float, tick: int) -> Case:
        wishes = np.zeros((2, 4, 2))
        wishes[:, :, 0] = [[first], [second]]
        wanted = Wanted(np.ones((2, 4, 2), np.bool_), tick, tick)
        return Case(Movers(tables.ids, places, np.zeros((2, 2))), tables, wishes, Others.none(), wanted, ShieldConfig())

    with Ledger(path) as log:
        log.begin("a")
        promised, one = Outstanding(), case(here, 4.0, 0.0, 0)
        log.step("a", 1, one, issue(promised, one, 1))
        log.begin("b", promises="a", by=by)
        promised.shift(by)
        two = case(here + by, 0.0, -4.0, 1)
        second = issue(promised, two, 2)
        log.step("b", 2, two, second)
        log.begin("c", attacks="b")
        fresh, three = Outstanding(), case(here, 0.0, 0.0, 2)
        fresh.attacks = promised.attacks
        third = issue(fresh, three, 3)
        log.step("c", 3, three, third)
    assert [checked.difference for checked in replay(path)] == [None] * 3
    assert [entry for entry in read(path) if isinstance(entry, Begin)] == [
        Begin("a"),
        Begin("b", promises="a", by=by),
        Begin("c", attacks="b"),
    ]
    assert not np.array_equal(second.velocities, issue(Outstanding(), two, 2).velocities)
    assert not third.triggers.any()


def test_what_has_been_answered_is_in_the_log_before_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "x.npcledger"
    log = Ledger(path)
    log.begin("g")
    begun = path.read_bytes()
    log.close()
    assert path.read_bytes().startswith(begun)
    assert next(iter(read(path))) == Begin("g")
    assert len(begun) > len(ledger.MAGIC)


def test_numbers_of_numpy_are_logged_as_the_numbers_that_they_are(logged: Path) -> None:
    def counted(step: Step) -> Step:
        tick = step.case.wanted.tick
        return replace(step, case=replace(step.case, wanted=replace(step.case.wanted, tick=np.int64(tick))))  # type: ignore[arg-type]

    assert rewritten(logged, counted).read_bytes() == logged.read_bytes()


class Still:
    """A player that stands."""

    def act(self, arena: Arena) -> np.ndarray:
        return np.zeros((arena.worlds, 6), np.float32)


def play_fight(log: Ledger) -> None:
    board = Board()
    decider = PlannerDecider(ConstantVelocity(), PlannerConfig(candidates=16, horizon=10), torch.device("cpu"))
    config = RuntimeConfig(lead_ticks=0, stagger=False, horizon=10)
    board.apply({"op": "add_rule", "rule": {"rule": "ally_distance", "distance": 0.9}})
    arena = Arena([make_map("test", 1), make_map("test", 2)], ArenaConfig(npcs=4), [1, 2])
    brain = Runtime(decider, lambda: board.snapshot, config, log)
    fight = LockStep(arena, brain, Still())
    fight.run(30)
    board.apply({"op": "add_rule", "rule": {"rule": "keep_away", "distance": 2.0, "top_speed": 5.0}})
    fight.run(30)
    board.apply({"op": "add_rule", "rule": {"rule": "cooldown", "seconds": 2.0}})
    board.apply({"op": "add_rule", "rule": {"rule": "move_in_turn", "most": 1, "seconds": 0.5}})
    fight.run(15)
    brain.change_schema("0", arena_schema(arena.maps[0], arena.config))
    fight.run(15)


@pytest.mark.slow
def test_what_a_runtime_logs_of_two_games_whose_rules_change_is_answered_the_same_again(tmp_path: Path) -> None:
    path = tmp_path / "fight.npcledger"
    with Ledger(path) as log:
        play_fight(log)
    entries = list(read(path))
    steps = [entry for entry in entries if isinstance(entry, Step)]
    assert [entry.game for entry in entries if isinstance(entry, Begin)] == ["0", "1", "0"]
    assert {len(step.case.tables.apart) for step in steps} == {0, 1}
    found = list(replay(path))
    assert len(found) == len(steps) == 60
    assert [checked.difference for checked in found] == [None] * len(found)


def later(step: Step, change: Callable[[Step], Step]) -> Step:
    return change(step) if step.case.wanted.tick == 30 else step


def with_other_verdict(step: Step) -> Step:
    velocities = step.answer.velocities.copy()
    velocities[-1, 0, 0] = np.nextafter(velocities[-1, 0, 0], np.inf)
    return replace(step, answer=replace(step.answer, velocities=velocities))


def with_no_number(step: Step) -> Step:
    velocities = step.answer.velocities.copy()
    velocities[-1, 0, 0] = np.nan
    return replace(step, answer=replace(step.answer, velocities=velocities))


def with_other_margin(step: Step) -> Step:
    return replace(step, answer=replace(step.answer, margins=step.answer.margins + 1e-12))


def with_other_proposals(step: Step) -> Step:
    return replace(step, case=replace(step.case, proposals=-0.5 * step.case.proposals))


def with_npcs_elsewhere(step: Step) -> Step:
    movers = replace(step.case.movers, position=step.case.movers.position + 0.01)
    return replace(step, case=replace(step.case, movers=movers))


@pytest.mark.parametrize(
    "tamper", [with_other_verdict, with_no_number, with_other_margin, with_other_proposals, with_npcs_elsewhere]
)
def test_a_log_that_was_changed_with_all_checksums_right_is_found_out(
    logged: Path, tamper: Callable[[Step], Step]
) -> None:
    found = list(replay(rewritten(logged, lambda step: later(step, tamper))))
    difference = found[-1].difference
    assert difference is not None
    assert difference.tick == 30
    assert repr(difference.logged) != repr(difference.again)
    assert all(checked.difference is None for checked in found[:-1])


def test_a_difference_says_where_and_what(logged: Path) -> None:
    path = rewritten(logged, lambda step: later(step, with_other_verdict))
    difference = list(replay(path))[-1].difference
    assert difference is not None
    steps = [entry for entry in read(path) if isinstance(entry, Step)]
    step = next(step for step in steps if step.case.wanted.tick == 30)
    assert (difference.record, difference.byte, difference.game) == (step.record, step.byte, "zoo 3")
    assert difference.npc == step.case.movers.ids[-1]
    assert (difference.field, difference.index) == ("velocities", (len(step.case.movers.ids) - 1, 0, 0))
    assert difference.logged == np.nextafter(difference.again, np.inf)
    assert str(difference).startswith(f"record {step.record} (byte {step.byte}): game 'zoo 3', tick 30, NPC ")


def test_another_shield_answers_otherwise(logged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certify = shield_replay.certify

    def meeker(*args: Any, config: ShieldConfig, **more: Any) -> Certified:
        return certify(*args, config=replace(config, eps=2.0 * config.eps), **more)

    monkeypatch.setattr(shield_replay, "certify", meeker)
    assert list(replay(logged))[-1].difference is not None


def test_promises_count(logged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replayed without what was promised before, the answers are others."""
    monkeypatch.setattr(shield_replay.Outstanding, "add", lambda *args: None)
    assert list(replay(logged))[-1].difference is not None


def starts(path: Path) -> list[int]:
    return [entry.byte for entry in read(path) if isinstance(entry, Step)]


@pytest.mark.parametrize("more", [0, 1, 3, 4, 40, -5, -4, -1])
def test_a_log_that_was_cut_short_says_where(logged: Path, more: int) -> None:
    byte = starts(logged)[20]
    record = next(entry.record for entry in read(logged) if isinstance(entry, Step) and entry.byte == byte)
    more = more if more >= 0 else starts(logged)[21] - byte + more  # short of the end of its checksum
    logged.write_bytes(logged.read_bytes()[: byte + more])
    again = replay(logged)
    assert [next(again).difference for _ in range(20)] == [None] * 20, "what is there is answered again"
    said = f"record {record} .byte {byte}.: expected a whole record, got {more} bytes: the log is cut short"
    with pytest.raises(LedgerError, match=said) as error:
        next(again)
    assert (error.value.record, error.value.byte, error.value.path) == (record, byte, logged)


def test_a_log_without_its_end_is_cut_short(logged: Path) -> None:
    """Cut exactly between two records, every record that is left is whole."""
    byte = starts(logged)[-1]
    logged.write_bytes(logged.read_bytes()[:byte])
    with pytest.raises(LedgerError, match="got 0 bytes: the log is cut short"):
        list(read(logged))


def test_a_flipped_bit_a_missing_record_and_a_moved_one_are_found_out(logged: Path) -> None:
    whole, places = logged.read_bytes(), starts(logged)
    one, two, three = places[10], places[11], places[12]
    flipped = bytearray(whole)
    flipped[one + 20] ^= 1
    for damaged in (
        bytes(flipped),
        whole[:one] + whole[two:],
        whole[:one] + whole[two:three] + whole[one:two] + whole[three:],
    ):
        logged.write_bytes(damaged)
        with pytest.raises(LedgerError, match="expected the checksum") as error:
            list(read(logged))
        assert error.value.byte == one


def with_more_proposals(step: Step) -> Step:
    return replace(step, case=replace(step.case, proposals=np.concatenate([step.case.proposals] * 2)))


def with_whole_proposals(step: Step) -> Step:
    return replace(step, case=replace(step.case, proposals=np.zeros(step.case.proposals.shape, np.int64)))


def with_nameless_others(step: Step) -> Step:
    return replace(step, case=replace(step.case, others=replace(step.case.others, position=np.zeros((7, 2)))))


def with_flat_attacks(step: Step) -> Step:
    triggers = step.case.wanted.triggers[:, 0]
    return replace(step, case=replace(step.case, wanted=replace(step.case.wanted, triggers=triggers)))


def with_a_short_field(step: Step) -> Step:
    wanted = replace(step.case.wanted, fields={"ammo": np.zeros(99)})
    return replace(step, case=replace(step.case, wanted=wanted))


def with_more_ids(step: Step) -> Step:
    ids = np.arange(99, dtype=np.uint32)
    return replace(step, case=replace(step.case, movers=replace(step.case.movers, ids=ids)))


def with_another_rank(step: Step) -> Step:
    return replace(step, answer=replace(step.answer, rank=np.zeros(1, np.int8)))


MISFITS = {
    with_more_proposals: "proposals: expected shape",
    with_whole_proposals: "proposals: expected numbers of kind Float, got int64",
    with_nameless_others: "Others.position: expected shape .o 2. with o=",
    with_flat_attacks: "Wanted.triggers: expected shape",
    with_a_short_field: "Wanted.fields: expected shape .n. with n=",
    with_more_ids: "ids: expected",
    with_another_rank: "rank: expected shape",
}


@pytest.mark.parametrize("change", MISFITS, ids=lambda change: change.__name__)
def test_arrays_that_do_not_fit_each_other_are_refused_with_their_place(
    logged: Path, change: Callable[[Step], Step]
) -> None:
    path = rewritten(logged, lambda step: later(step, change))
    byte = 0
    with pytest.raises(LedgerError, match=MISFITS[change]) as error:  # noqa: PT012  # the record before it is whole
        for entry in read(path):
            byte = entry.byte if isinstance(entry, Step) else byte
    assert error.value.byte > byte > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("edge_shape", 99), ("shape_kind", -1), ("shape_first", 10**6), ("leash", None), ("ids", None), ("applies", None)],
)
def test_rules_that_point_beyond_themselves_are_refused(logged: Path, field: str, value: int | None) -> None:
    tables = next(entry for entry in read(logged) if isinstance(entry, Step)).case.tables
    array = getattr(tables, field)
    changed = array[:-1] if value is None else np.full_like(array, value)
    path = rewritten(
        logged, lambda step: replace(step, case=replace(step.case, tables=replace(tables, **{field: changed})))
    )
    with pytest.raises(LedgerError, match=f"{field}: expected"):
        list(read(path))


def test_an_npc_without_rules_cannot_be_answered(logged: Path) -> None:
    def stranger(step: Step) -> Step:
        ids = step.case.movers.ids + 1000
        return replace(step, case=replace(step.case, movers=replace(step.case.movers, ids=ids)))

    path = rewritten(logged, lambda step: later(step, stranger))
    where = next(entry for entry in read(path) if isinstance(entry, Step) and entry.case.wanted.tick == 30)
    with pytest.raises(LedgerError, match="expected a case that the shield can answer, got 'NPC ids") as error:
        list(replay(path))
    assert (error.value.path, error.value.record, error.value.byte) == (path, where.record, where.byte)


def with_body(path: Path, body: object) -> Path:
    """A log of one record that says anything, its checksum right."""
    log = Ledger(path)
    log._write(body)  # type: ignore[arg-type]
    log.close()
    return path


ARRAY = {"is": "array", "of": "<f8", "shape": [2], "data": bytes(16)}
HOSTILE: dict[str, tuple[object, str]] = {
    "a list": (["step"], "a map, got list"),
    "no kind": ({"game": "g"}, "a record .* got 'is'"),
    "an unknown kind": ({"is": "exec"}, "a begin, rules, a step or an end, got 'exec'"),
    "rules that are none": ({"is": "rules", "tables": ARRAY}, "RuleTables, got ndarray"),
    "objects": ({"is": "rules", "tables": ARRAY | {"of": "|O"}}, "an array of .*, got '|O'"),
    "another shape": ({"is": "rules", "tables": ARRAY | {"shape": [3]}}, "a record .* got cannot reshape"),
    "an unknown type": ({"is": "rules", "tables": {"is": "Path", "path": "x"}}, "one of RuleTables, .*, got 'Path'"),
    "unknown fields": ({"is": "rules", "tables": {"is": "Others", "where": 1}}, "a record .* got .*where"),
    "rules that did not come": (
        {"is": "step", "game": "g", "chunk": 1, "movers": {"is": "map", "of": {}}, "rules": 0},
        "Movers, got dict",
    ),
    "a map of a list": ({"is": "rules", "tables": {"is": "map", "of": [1]}}, "a record .* got"),
}


@pytest.mark.parametrize(("body", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_record_that_says_anything_else_is_refused_with_its_place(tmp_path: Path, body: object, said: str) -> None:
    with pytest.raises(LedgerError, match=rf"record 0 \(byte 8\): (expected a record .*, got )?expected {said}"):
        list(read(with_body(tmp_path / "x.npcledger", body)))


def test_what_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "x.npcledger"
    for data in (b"", b"NPCWREC\x00 and so on"):
        path.write_bytes(data)
        with pytest.raises(LedgerError, match="expected a shield log, got") as error:
            list(read(path))
        assert (error.value.path, error.value.record, error.value.byte) == (path, 0, 0)
    packed = zlib.compress(msgpack.packb({"is": "begin", "game": "g"}) + b"more")
    record = len(packed).to_bytes(4, "little") + packed
    path.write_bytes(ledger.MAGIC + record + checksum(record))
    with pytest.raises(LedgerError, match="expected a packed record"):
        list(read(path))


def test_what_is_wrong_with_a_record_is_said_with_its_number_and_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.npcledger"
    log = Ledger(path)
    log.begin("one")
    log.begin("two")
    begun, check, most = path.read_bytes(), log._check, 1 << 26
    log._write(["no map"])  # type: ignore[arg-type]
    no_map = path.read_bytes()
    log.close()
    garbage = b"\x03\x00\x00\x00abc"
    for data, said in (
        (begun + (most + 1).to_bytes(4, "little"), "expected at most 67108864 bytes, got 67108865"),
        (begun + most.to_bytes(4, "little"), "expected a whole record, got 4 bytes: the log is cut short"),
        (begun + garbage + bytes(4), "expected the checksum of what was written"),
        (begun + garbage + zlib.crc32(garbage, check).to_bytes(4, "little"), "expected a packed record"),
        (no_map, "expected a map, got list"),
    ):
        path.write_bytes(data)
        entries = read(path)
        assert [next(entries), next(entries)] == [Begin("one"), Begin("two")]
        with pytest.raises(LedgerError, match=said) as error:
            next(entries)
        assert (error.value.path, error.value.record, error.value.byte) == (path, 2, len(begun))


def checksum(record: bytes) -> bytes:
    return zlib.crc32(record, zlib.crc32(ledger.MAGIC)).to_bytes(4, "little")


@pytest.mark.slow
def test_a_full_disk_ends_the_log_and_not_the_game(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Full(Ledger):
        def step(self, *args: object) -> None:
            raise OSError(28, "No space left on device")

    with Full(tmp_path / "x.npcledger") as log, caplog.at_level(logging.ERROR):
        play_fight(log)
    assert [record.getMessage() for record in caplog.records] == [
        "the shield's log ends here: [Errno 28] No space left on device"
    ]


def test_the_command_says_how_it_went(logged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "replay", str(logged)]) == 0
    assert "the same to the last bit" in capsys.readouterr().out
    changed = rewritten(logged, lambda step: later(step, with_other_margin))
    assert cli.main(["check", "replay", str(changed)]) == 1
    assert "first difference: record " in capsys.readouterr().out
    logged.write_bytes(logged.read_bytes()[:-30])
    assert cli.main(["check", "replay", str(logged)]) == 2
    assert "the log is cut short" in capsys.readouterr().err.splitlines()[-1]
    assert cli.main(["check", "replay", str(logged.with_name("nowhere"))]) == 2
    assert "log: expected a file, found none at" in capsys.readouterr().err
