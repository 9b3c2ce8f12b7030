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

from npc_sdk import cli
from npc_sdk.designer.board import Board
from npc_sdk.envs.arena import Arena, ArenaConfig, arena_schema, make_map
from npc_sdk.errors import LedgerError
from npc_sdk.experiments import campaign, zoo
from npc_sdk.experiments.lockstep import LockStep
from npc_sdk.planner.problem import PlannerConfig
from npc_sdk.runtime import Runtime, RuntimeConfig
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.shield import Certified, Ledger, ShieldConfig, ledger
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


def with_other_margin(step: Step) -> Step:
    return replace(step, answer=replace(step.answer, margins=step.answer.margins + 1e-12))


def with_other_proposals(step: Step) -> Step:
    return replace(step, case=replace(step.case, proposals=-0.5 * step.case.proposals))


def with_npcs_elsewhere(step: Step) -> Step:
    movers = replace(step.case.movers, position=step.case.movers.position + 0.01)
    return replace(step, case=replace(step.case, movers=movers))


@pytest.mark.parametrize("tamper", [with_other_verdict, with_other_margin, with_other_proposals, with_npcs_elsewhere])
def test_a_log_that_was_changed_with_all_checksums_right_is_found_out(
    logged: Path, tamper: Callable[[Step], Step]
) -> None:
    found = list(replay(rewritten(logged, lambda step: later(step, tamper))))
    difference = found[-1].difference
    assert difference is not None
    assert difference.tick == 30
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


@pytest.mark.parametrize("more", [0, 1, 3, 4, 40])
def test_a_log_that_was_cut_short_says_where(logged: Path, more: int) -> None:
    byte = starts(logged)[20]
    record = next(entry.record for entry in read(logged) if isinstance(entry, Step) and entry.byte == byte)
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

    with pytest.raises(LedgerError, match="expected a case that the shield can answer, got 'NPC ids"):
        list(replay(rewritten(logged, lambda step: later(step, stranger))))


def with_body(path: Path, body: object) -> Path:
    """A log of one record that says anything, its checksum right."""
    log = Ledger(path)
    log._write(body)  # type: ignore[arg-type]
    log.close()
    return path


ARRAY = {"is": "array", "of": "<f8", "shape": [2], "data": bytes(16)}
HOSTILE = {
    "a list": ["step"],
    "no kind": {"game": "g"},
    "an unknown kind": {"is": "exec"},
    "rules that are none": {"is": "rules", "tables": ARRAY},
    "objects": {"is": "rules", "tables": ARRAY | {"of": "|O"}},
    "another shape": {"is": "rules", "tables": ARRAY | {"shape": [3]}},
    "an unknown type": {"is": "rules", "tables": {"is": "Path", "path": "x"}},
    "unknown fields": {"is": "rules", "tables": {"is": "Others", "where": 1}},
    "rules that did not come": {"is": "step", "game": "g", "chunk": 1, "movers": {"is": "map", "of": {}}, "rules": 0},
    "a map of a list": {"is": "rules", "tables": {"is": "map", "of": [1]}},
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_record_that_says_anything_else_is_refused_with_its_place(tmp_path: Path, body: object) -> None:
    with pytest.raises(LedgerError, match=r"record 0 \(byte 8\): expected"):
        list(read(with_body(tmp_path / "x.npcledger", body)))


def test_what_is_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "x.npcledger"
    for data in (b"", b"NPCWREC\x00 and so on"):
        path.write_bytes(data)
        with pytest.raises(LedgerError, match="expected a shield log, got"):
            list(read(path))
    path.write_bytes(ledger.MAGIC + b"\xff\xff\xff\xff")
    with pytest.raises(LedgerError, match="expected at most"):
        list(read(path))
    path.write_bytes(ledger.MAGIC + b"\x03\x00\x00\x00abc" + checksum(b"\x03\x00\x00\x00abc"))
    with pytest.raises(LedgerError, match="expected a packed record"):
        list(read(path))
    packed = zlib.compress(msgpack.packb({"is": "begin", "game": "g"}) + b"more")
    record = len(packed).to_bytes(4, "little") + packed
    path.write_bytes(ledger.MAGIC + record + checksum(record))
    with pytest.raises(LedgerError, match="expected a packed record"):
        list(read(path))


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
