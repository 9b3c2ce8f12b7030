"""`npc-sdk evaluate play`: do planned NPCs beat scripted ones in the same fights, everybody shielded?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, duration, natural

if TYPE_CHECKING:
    from npc_sdk.experiments.contest import Duel, Score


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk evaluate play`."""
    parser.add_argument(
        "--model", default="arena", help="arena, constant-velocity, frozen, untrained or a checkpoint folder"
    )
    parser.add_argument("--seeds", type=count, default=32, help="fights per contestant (32)")
    parser.add_argument("--first-seed", type=natural, default=1000, help="of the first; the others follow (1000)")
    parser.add_argument("--seconds", type=duration, default=30.0, help="longest length of a fight in game time (30)")
    parser.add_argument("--npcs", type=count, default=8)
    parser.add_argument("--persona", default="", help="of the planned NPCs (the default weights)")
    parser.add_argument("--candidates", type=count, default=32, help="the planner's candidates (32, as in play)")
    parser.add_argument("--plain", action="store_true", help="also the planner with a constant-velocity forecast")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="4 seeds, 6 s, 8 candidates: does it run at all")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk evaluate play`."""
    import torch

    from npc_sdk.experiments import contest
    from npc_sdk.experiments.stage import planner
    from npc_sdk.planner.problem import PlannerConfig
    from npc_sdk.serve.models import device_of, load

    torch.set_num_threads(1)
    fights, seconds, npcs = (4, 6.0, 4) if args.quick else (args.seeds, args.seconds, args.npcs)
    config = contest.ContestConfig(fights, seconds, npcs, first_seed=args.first_seed, persona=args.persona)
    device = device_of(args.device)
    how = PlannerConfig(candidates=8 if args.quick else args.candidates)
    names = {"planned": args.model} | ({"planned_constant_velocity": "constant-velocity"} if args.plain else {})
    models = {name: load(model, device) for name, model in names.items()}
    brains = {name: partial(planner, loaded.forecast, device, how) for name, loaded in models.items()}
    who = contest.contestants(config, brains)
    scores: dict[str, Score] = {}
    with progress(len(who) * len(contest.batches(config)), "fight", "batch") as bar:
        for name, make in who.items():
            parts = []
            for seeds in contest.batches(config):
                parts.append(contest.fight(config, name, make(seeds), seeds))
                bar.update()
            scores[name] = contest.joined(parts)
    duels = [contest.duel(scores[p], scores[r]) for p in brains for r in scores if r not in brains]
    figures: dict[str, Json] = {
        "contestants": [_score(score) for score in scores.values()],
        "duels": [_duel(d) for d in duels],
        "beats_all": all(d.beats for d in duels if d.planner == "planned"),
        "model": args.model,
        "model_sha256": models["planned"].sha256,
        "persona": config.persona,
        "seeds": config.seeds,
        "first_seed": config.first_seed,
        "seconds": config.seconds,
        "npcs": config.npcs,
        "split": config.split,
        "machine": machine(),
    }
    emit(_lines(scores, duels), figures, args.json)
    return 0


def _score(score: Score) -> dict[str, Json]:
    names = ("score", "dealt", "taken", "won", "seconds")
    means: dict[str, Json] = {name: float(getattr(score, name).mean()) for name in names}
    return {"name": score.name} | means | {"scores": score.score.tolist()}


def _duel(duel: Duel) -> dict[str, Json]:
    d = duel.difference
    return {
        "planner": duel.planner,
        "rival": duel.rival,
        "mean": d.mean,
        "low": d.low,
        "high": d.high,
        "pairs": d.pairs,
        "better": duel.better,
        "beats": duel.beats,
    }


def _lines(scores: dict[str, Score], duels: list[Duel]) -> list[str]:
    sides, verdicts = [], []
    for s in scores.values():
        hp = [f"{x.mean():.1f}" for x in (s.score, s.dealt, s.taken)]
        sides.append([s.name, *hp, f"{100 * s.won.mean():.0f} %", f"{s.seconds.mean():.1f}"])
    for d in duels:
        hp = [f"{x:+.1f}" for x in (d.difference.mean, d.difference.low, d.difference.high)]
        verdicts.append([f"{d.planner} - {d.rival}", *hp, f"{100 * d.better:.0f} %", "yes" if d.beats else "no"])
    return [
        *table(("NPCs", "score hp", "dealt", "taken", "won", "seconds"), sides),
        "",
        *table(("duel", "difference hp", "95 % low", "high", "better in", "beats"), verdicts),
    ]
