"""`npc-sdk evaluate rules`: the same fights with and without rules of class H, which are forecasts."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, duration, natural

if TYPE_CHECKING:
    from npc_sdk.experiments.stats import Interval
    from npc_sdk.experiments.under_rules import Arm


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk evaluate rules`."""
    parser.add_argument("rules", type=Path, help="TOML file of [[constraints]], share_limit or stay_clear among them")
    parser.add_argument("--model", default="arena", help="arena, constant-velocity, frozen or a checkpoint folder")
    parser.add_argument("--seeds", type=count, default=24, help="fights with and as many without (24)")
    parser.add_argument("--first-seed", type=natural, default=11000, help="of the first; the others follow (11000)")
    parser.add_argument("--seconds", type=duration, default=30.0, help="longest length of a fight in game time (30)")
    parser.add_argument("--npcs", type=count, default=4)
    parser.add_argument("--persona", default="", help="of the NPCs (the default weights)")
    parser.add_argument("--candidates", type=count, default=32, help="the planner's candidates (32, as in play)")
    parser.add_argument("--quick", action="store_true", help="2 seeds, 4 s, 12 candidates: does it run at all")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk evaluate rules`."""
    import torch

    from npc_sdk.designer.rulebook import read_rule, read_rulebook
    from npc_sdk.errors import InputError
    from npc_sdk.experiments import under_rules
    from npc_sdk.experiments.stage import batches, planner
    from npc_sdk.planner.problem import PlannerConfig
    from npc_sdk.runtime.decide import PlannerDecider
    from npc_sdk.serve.models import load

    torch.set_num_threads(1)
    seeds, seconds, candidates = (2, 4.0, 12) if args.quick else (args.seeds, args.seconds, args.candidates)
    config = under_rules.RulesConfig(seeds, seconds, args.npcs, first_seed=args.first_seed, persona=args.persona)
    tables = read_rulebook(args.rules).tables
    read = [read_rule(rule) for rule in tables if "zone" not in rule]
    if not any(rule.class_ == "H" for rule in read):
        raise InputError(f"{args.rules}: expected a share_limit or a stay_clear, got no rule of class H")
    asked = under_rules.Asked.of(read)
    loaded, device = load(args.model, torch.device("cpu")), torch.device("cpu")

    def make() -> PlannerDecider:
        return planner(loaded.forecast, device, PlannerConfig(candidates=candidates), loaded.calibration)

    arms: dict[str, Arm] = {}
    with progress(2 * len(batches(config.first_seed, seeds, config.batch)), "fight", "batch") as bar:
        for name, rules in (("with", tables), ("without", under_rules.tables_without(tables))):
            arms[name] = under_rules.fought(config, rules, asked, make, bar.update)
    columns = ("score", "dealt", "taken", "exposed")
    change = {c: under_rules.difference(getattr(arms["with"], c), getattr(arms["without"], c)) for c in columns}
    figures: dict[str, Json] = {
        "arms": [_arm(name, arm) for name, arm in arms.items()],
        "changes": [{"of": c, **asdict(interval)} for c, interval in change.items()],
        "seeds": seeds,
        "first_seed": config.first_seed,
        "seconds": seconds,
        "npcs": config.npcs,
        "persona": config.persona,
        "model": args.model,
        "model_sha256": loaded.sha256,
        "calibrated": loaded.calibration is not None,
        "machine": machine(),
    }
    emit(_lines(arms, change), figures, args.json)
    return 0


def _arm(name: str, arm: Arm) -> dict[str, Json]:
    means: dict[str, Json] = {c: float(getattr(arm, c).mean()) for c in ("score", "dealt", "taken", "exposed")}
    return {"name": name} | means | {"shares": [asdict(s) for s in arm.shares], "clear": [asdict(c) for c in arm.clear]}


def _lines(arms: dict[str, Arm], change: dict[str, Interval]) -> list[str]:
    shares, clear = [], []
    for name, arm in arms.items():
        for s in arm.shares:
            shares.append(
                [
                    f"{s.rule}, {name}",
                    *(f"{100 * x:.1f} %" for x in (s.share, s.met)),
                    f"{s.price:.2f}",
                    f"{s.dearest:.1f}",
                ]
            )
        for c in arm.clear:
            clear.append(
                [f"{c.rule}, {name}", *(f"{100 * x:.1f} %" for x in (c.near, c.kept, c.coverage)), str(c.settled)]
            )
    costs = [[name, *(f"{x:+.2f}" for x in (d.mean, d.low, d.high)), str(d.pairs)] for name, d in change.items()]
    out = [*table(("share_limit, a forecast", "share", "met", "price", "dearest"), shares), ""] if shares else []
    out += [*table(("stay_clear, a forecast", "nearer", "kept", "held", "of"), clear), ""] if clear else []
    return [*out, *table(("with minus without", "mean", "95 % low", "high", "fights"), costs)]
