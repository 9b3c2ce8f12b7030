"""The forecasts that are compared with each other: the same planner on each, from knowing nothing to knowing all."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from npc_sdk.designer.persona import SHIPPED
from npc_sdk.errors import InputError
from npc_sdk.experiments.exact import ExactForecast
from npc_sdk.experiments.kept import fingerprint
from npc_sdk.experiments.linear import RidgeForecast
from npc_sdk.objectives.terms import DEFAULT_TERMS
from npc_sdk.planner.problem import PlannerConfig, Rollout
from npc_sdk.runtime.decide import PlannerDecider
from npc_sdk.serve.models import load
from npc_sdk.tensors import Scene
from npc_sdk.world import ConstantVelocity, Forecast, Frozen, ModelConfig, WorldModel
from npc_sdk.world.checkpoint import VERSION
from npc_sdk.world.forecast import Decision, Imagined, Memory, Mode

_RIDGE_FIGHTS, _RIDGE_SECONDS = 160, 20.0  # of fresh play, where no recordings are given


@dataclass(frozen=True, slots=True)
class Row:
    """One forecast, and the roll-outs by which it ranks all candidates and judges the last ones."""

    forecast: str
    rank: Rollout = "duet"
    verify: Rollout = "duet"


ROWS = {
    "frozen": Row("frozen"),
    "constant_velocity": Row("constant_velocity"),
    "ridge": Row("ridge"),
    "untrained": Row("untrained"),
    "z_reset": Row("z_reset"),
    "learned_factored": Row("learned", "factored", "factored"),
    "learned_duet": Row("learned"),
    "learned_duet_verified": Row("learned", "factored", "duet"),
    "exact": Row("exact"),
}


class Forgetful:
    """A model whose z is put back to zero before every observation; belief and destinations go on: what z is worth."""

    def __init__(self, model: WorldModel) -> None:
        self._model = model

    def start(self, b: int, e: int) -> Memory:
        return self._model.start(b, e)

    def filter(self, memory: Memory, scene: Scene) -> Memory:
        return self._model.filter(memory.latent(torch.zeros_like(memory.z)), scene)

    def imagine(self, memory: Memory, scene: Scene, decision: Decision, mode: Mode) -> Imagined:
        return self._model.imagine(memory, scene, decision, mode)


class Clairvoyant(PlannerDecider):
    """The planner on the exact simulator."""

    def __init__(self, forecast: ExactForecast, config: PlannerConfig) -> None:
        super().__init__(forecast, config, torch.device("cpu"))
        self.watch = forecast.watch


@dataclass(frozen=True, slots=True)
class Rivals:
    """What the rows are made from.

    Attributes:
        learned: the model that has to earn its keep.
        ridge: fitted on recorded play.
        planner: the same for all rows, but for the roll-outs.
        seed: of the untrained model, and of luck in the exact simulator.
    """

    learned: WorldModel
    ridge: RidgeForecast
    planner: PlannerConfig
    seed: int = 0

    def fingerprint(
        self, config: Mapping[str, object], persona: str, model_sha256: str, rows: Iterable[str] = ROWS
    ) -> str:
        """Names everything that a kept result of `rows` depends on: another model is nothing to a row without one."""
        weights = (SHIPPED / f"{persona}.toml").read_text(encoding="utf-8") if persona else ""
        used = {ROWS[row].forecast for row in rows if row in ROWS}
        model = model_sha256 if used & {"learned", "z_reset"} else ""
        ridge = self.ridge.sha256 if "ridge" in used else ""
        kinds = [asdict(ROWS[row]) for row in rows if row in ROWS]
        untrained = [VERSION, asdict(ModelConfig())] if "untrained" in used else []
        made_of = (model, ridge, kinds, untrained, self.seed)
        return fingerprint(config, weights, made_of, asdict(self.planner), DEFAULT_TERMS.formulas)

    def decider(self, row: str) -> PlannerDecider:
        """Makes a planner that remembers nothing yet.

        Raises:
            KeyError: there is no such row.
        """
        torch.set_num_threads(1)  # jobs are processes of their own
        how = ROWS[row]
        config = replace(self.planner, rank=how.rank, verify=how.verify)
        if how.forecast == "exact":
            return Clairvoyant(ExactForecast(self.seed), config)
        return PlannerDecider(self._forecast(how.forecast), config, torch.device("cpu"))

    def _forecast(self, name: str) -> Forecast:
        match name:
            case "frozen":
                return Frozen()
            case "constant_velocity":
                return ConstantVelocity()
            case "ridge":
                return self.ridge
            case "untrained":
                torch.manual_seed(self.seed)
                return WorldModel(ModelConfig()).eval()
            case "z_reset":
                return Forgetful(self.learned)
        return self.learned


def rivals(args: Namespace) -> tuple[Rivals, str]:
    """Returns the rivals and the hash of the learned model's weights. Fits the ridge, on fresh play if none is given.

    Raises:
        InputError: the model is not a learned one.
    """
    from npc_sdk.experiments.record import RecordConfig, record
    from npc_sdk.train.dataset import build_dataset
    from npc_sdk.train.recordings import read_recordings

    loaded = load(args.model, torch.device("cpu"))
    if not isinstance(loaded.forecast, WorldModel):
        raise InputError(f"--model: expected a learned model, got {args.model!r}")
    play: list[Path] = args.train or [args.out / "ridge-play"]
    if not args.train:
        record(RecordConfig(_RIDGE_FIGHTS, _RIDGE_SECONDS), play[0], args.jobs)
    ridge = RidgeForecast.fitted(build_dataset(read_recordings(play, quiet=False).plays, quiet=False))
    return Rivals(loaded.forecast, ridge, PlannerConfig(candidates=args.candidates)), loaded.sha256
