"""`npc-sdk bench errors`: every usual mistake, made on purpose against real brains; named how, and after how long."""

from __future__ import annotations

import shutil
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from npc_sdk.bench.mistakes import CASES, Case, Scene, Told, Witness, make_keys
from npc_sdk.bench.process import BrainProcess
from npc_sdk.designer.persona import SHIPPED
from npc_sdk.errors import SdkError
from npc_sdk.experiments.report import add_json, emit, machine, progress, table
from npc_sdk.options import count

PROMISED_MS = 200.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one mistake was reported, as often as it was made."""

    case: str
    type: str  # of the fault or error; "" if it was not named, or not always alike
    text: str
    remedy: str
    ms: float  # median
    ms_max: float
    alive: bool  # a well-behaved game beside it was still answered, every time

    @property
    def passed(self) -> bool:
        """Whether it was typed, told what to do, came in time and hurt nobody."""
        return bool(self.type and self.remedy and self.alive and self.ms <= PROMISED_MS)


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--model", default="constant-velocity", help="of the brain the mistakes are made against")
    parser.add_argument("--times", type=count, default=5, help="that each mistake is made (5)")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk bench errors`. Returns 1 when a mistake is not named as promised."""
    outcomes: list[Outcome] = []
    with _scene(args.model) as scene, progress(len(CASES), "bench errors", "case") as bar:
        for name, case in CASES.items():
            outcomes.append(_made(name, case, scene, args.times))
            bar.update()
    figures: dict[str, object] = {
        "passed": all(o.passed for o in outcomes),
        "worst_ms": max(o.ms for o in outcomes),
        "promised_ms": PROMISED_MS,
        "times": args.times,
        "cases": [asdict(o) | {"passed": o.passed} for o in outcomes],
        "machine": machine(),
    }
    rows = [
        (o.case, o.type or "NO", f"{o.ms:.0f}", f"{o.ms_max:.0f}", "yes" if o.alive else "NO", o.remedy[:60])
        for o in outcomes
    ]
    emit(table(("mistake", "named", "ms", "longest", "alive", "remedy"), rows), figures, args.json)
    return 0 if figures["passed"] else 1


def _made(name: str, case: Case, scene: Scene, times: int) -> Outcome:
    """Makes one mistake several times."""
    told: list[Told] = []
    alive = True
    for _ in range(times):
        told.append(case(scene))
        alive = scene.witness.answered() and alive
    ms, last = [one.ms for one in told], told[-1]
    named = last.type if len({one.type for one in told}) == 1 else ""
    return Outcome(name, named, last.text, last.remedy, median(ms), max(ms), alive)


@contextmanager
def _scene(model: str) -> Iterator[Scene]:
    """Starts two brains, one of which asks for keys and has the model of another game."""
    from npc_sdk.world import ModelConfig, WorldModel, save_model

    with tempfile.TemporaryDirectory() as folder:
        personas, other_game = Path(folder) / "personas", Path(folder) / "other_game"
        shutil.copytree(SHIPPED, personas)
        save_model(WorldModel(ModelConfig()), other_game, "0" * 64)
        keys, other_keys = make_keys(Path(folder) / "keys"), make_keys(Path(folder) / "other_keys")
        with (
            BrainProcess(*_options(model), "--personas", str(personas)) as brain,
            BrainProcess(*_options(str(other_game)), "--keys", str(keys.folder)) as guarded,
        ):
            at = {name: str(value) for name, value in brain.wait().items()}
            behind_keys = str(guarded.wait()["data"])
            witness = Witness(at["data"])
            if not witness.answered():
                raise SdkError(f"the brain does not answer: {witness.client.fault}; it said: {brain.last_words}")
            yield Scene(witness, at["control"], at["telemetry"], personas, behind_keys, keys, other_keys)
            witness.client.close()
            if not (brain.alive and guarded.alive):
                raise SdkError(f"a brain died of a mistake: {brain.last_words}; {guarded.last_words}")


def _options(model: str) -> list[str]:
    at = "tcp://127.0.0.1:0"
    options = ["--model", model, "--data", at, "--control", at, "--telemetry", at]
    return [*options, "--candidates", "16", "--lead-ticks", "0"]
