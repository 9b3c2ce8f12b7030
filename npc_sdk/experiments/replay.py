"""`npc-sdk replay`: hands a recorded game to a brain once more, and compares its answers with the recorded ones."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from npc_bridge.messages import Action
from npc_bridge.recording import Recording, read
from npc_sdk.errors import InputError
from npc_sdk.experiments.report import Json, add_json, emit, machine, progress
from npc_sdk.options import count, duration, natural

if TYPE_CHECKING:
    from npc_sdk.experiments.tape import Heard, Tape
    from npc_sdk.serve.brain import Brain

CLOCKS = ("received_us", "planned_us", "sent_us")  # which no two runs have in common


@dataclass(frozen=True, slots=True)
class Difference:
    """Where an answer parts from the recorded one first."""

    session: int
    tick: int  # of the snapshot that is answered
    field: str
    place: str  # index within the field, "" where it is one number
    recorded: str
    replayed: str

    def __str__(self) -> str:
        where = f"session {self.session}, answer to tick {self.tick}: {self.field}{self.place}"
        return f"{where}: recorded {self.recorded}, replayed {self.replayed}"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options: those of `npc-sdk serve` that decide about answers."""
    parser.add_argument("file", type=Path, help="recording of a client: Client(recorder=...)")
    parser.add_argument("--model", default="", help="of the brain; by default the one that the recording names")
    parser.add_argument("--seed", type=natural, default=0, help="as the recorded brain's (0)")
    parser.add_argument("--candidates", type=count, default=32, help="as the recorded brain's (32)")
    parser.add_argument("--personas", type=Path, help="as the recorded brain's; the shipped ones by default")
    parser.add_argument("--pose-tolerance", type=duration, default=0.02, help="as the recorded brain's, m (0.02)")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk replay`. Returns 1 when an answer is not the recorded one.

    Raises:
        InputError: no such file, no answers in it, or a model of another game.
        RecordingError: it is no recording.
    """
    from npc_sdk.experiments.tape import heard

    if not args.file.is_file():
        raise InputError(f"recording: expected a file, found none at {args.file}")
    start, recording = time.perf_counter(), read(args.file)
    then = heard(recording)
    model = args.model or str(then.welcome.model.get("name", ""))
    tape = _replayed(args, model, recording, then)
    differences = differing(then.answers, tape.answers)
    compared = len(then.answers.keys() & tape.answers.keys())
    missing, added = len(then.answers) - compared, len(tape.answers) - compared
    figures: dict[str, Json] = {
        "passed": not (differences or missing or added),
        "answers": len(then.answers),
        "same": compared - len(differences),
        "different": len(differences),
        "different_fields": [f"{name}: {times}" for name, times in Counter(d.field for d in differences).items()],
        "first_difference": str(differences[0]) if differences else None,
        "missing": missing,
        "added": added,
        "lost": then.lost,
        "unanswered": tape.unanswered,
        "sessions": len({session for session, _ in then.answers}),
        "model": model,
        "seed": args.seed,
        "wall_s": time.perf_counter() - start,
        "machine": machine(),
    }
    emit(_lines(figures), figures, args.json)
    return 0 if figures["passed"] else 1


def differing(
    recorded: Mapping[tuple[int, int], Action], replayed: Mapping[tuple[int, int], Action]
) -> list[Difference]:
    """Returns where answers to the same snapshots part, in the order of the recording."""
    found = (_difference(action, replayed[key]) for key, action in recorded.items() if key in replayed)
    return [difference for difference in found if difference is not None]


def _difference(one: Action, other: Action) -> Difference | None:
    """Compares all fields bit by bit, but for the clocks'."""
    for field in fields(Action):
        if field.name in CLOCKS:
            continue
        mine, its = np.asarray(getattr(one, field.name)), np.asarray(getattr(other, field.name))
        if mine.shape != its.shape:
            shown = ("", f"shape {mine.shape}", f"shape {its.shape}")
        elif mine.tobytes() != its.tobytes():
            at = _first(mine, its)
            shown = (str(list(at)) if at else "", repr(mine[at].item()), repr(its[at].item()))
        else:
            continue
        return Difference(one.session, one.source_tick, field.name, *shown)
    return None


def _first(one: np.ndarray, other: np.ndarray) -> tuple[int, ...]:
    """Returns the index of the first element whose bits differ."""
    width = one.dtype.itemsize
    bits = [np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, width) for array in (one, other)]
    flat = int(np.flatnonzero((bits[0] != bits[1]).any(1))[0])
    return tuple(int(i) for i in np.unravel_index(flat, one.shape))


def _replayed(args: Namespace, model: str, recording: Recording, then: Heard) -> Tape:
    """Plays a recording to a brain like the recorded one."""
    from npc_sdk.experiments.tape import Tape

    tape = Tape(recording, then)
    brain = _brain(args, model, recording, tape)
    with progress(len(then.answers), "replay", "answer") as bar:
        while not tape.over:
            before = len(tape.answers)
            brain.step()
            bar.update(len(tape.answers) - before)
    return tape


def _brain(args: Namespace, model: str, recording: Recording, tape: Tape) -> Brain:
    """Puts a brain together as `npc-sdk serve` does, with all the time in the world."""
    import torch

    from npc_sdk.experiments.tape import Told
    from npc_sdk.kernels.warm import warm_up
    from npc_sdk.serve.brain import Brain
    from npc_sdk.serve.start import Recipe, assemble

    torch.set_num_threads(1)
    warm_up()
    device = torch.device("cpu")
    parts = assemble(Recipe(model, device, args.seed, args.candidates, args.personas, args.pose_tolerance))
    if parts.loaded.interface_sha256 not in ("", recording.schema.interface_sha256):
        raise InputError(f"model '{model}': expected one that fits game '{recording.schema.game}' of the recording")
    brain = (parts.runtime, parts.planner, parts.board, parts.forecasts)
    return Brain(tape, *brain, float("inf"), Told(tape))  # type: ignore[arg-type]  # stands in for a server


def _lines(figures: Mapping[str, Json]) -> list[str]:
    lines = [
        f"{figures['same']} of {figures['answers']} answers the same to the last bit, {figures['different']} not, "
        f"{figures['missing']} missing, {figures['added']} added; "
        f"then {figures['unanswered']} snapshots were overtaken, and {figures['lost']} answers lost"
    ]
    if figures["first_difference"]:
        lines += [
            f"first difference: {figures['first_difference']}",
            f"where answers part first: {figures['different_fields']}",
        ]
    return [*lines, "passed" if figures["passed"] else "failed"]
