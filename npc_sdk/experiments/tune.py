"""`npc-sdk tune`: finds weights, or numbers of the utility AI, with which NPCs win most on validation maps."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict, replace
from pathlib import Path

from npc_sdk.experiments.report import add_json, emit, machine, progress, table
from npc_sdk.options import count, duration, natural


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk tune`."""
    parser.add_argument("what", choices=("weights", "utility"), help="of the planner, or of the scripted utility AI")
    parser.add_argument("--out", type=Path, required=True, help="folder for the trials; a search there is gone on with")
    parser.add_argument("--model", default="arena", help="what the planner foresees with")
    parser.add_argument("--trials", type=count, default=60, help="numbers that are tried (60)")
    parser.add_argument("--fights", type=count, default=16, help="per trial, the same for all (16)")
    parser.add_argument("--seconds", type=duration, default=15.0, help="longest length of a fight in game time (15)")
    parser.add_argument("--npcs", type=count, default=4)
    parser.add_argument("--candidates", type=count, default=16, help="the planner's candidates (16)")
    parser.add_argument("--seed", type=natural, default=0, help="of the search")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk tune`."""
    import torch

    from npc_sdk.experiments import tuning
    from npc_sdk.experiments.kept import fingerprint
    from npc_sdk.experiments.stage import planner
    from npc_sdk.objectives.terms import DEFAULT_TERMS
    from npc_sdk.planner.problem import PlannerConfig
    from npc_sdk.serve.models import load

    torch.set_num_threads(1)
    config = tuning.TuneConfig(args.trials, args.fights, args.seconds, args.npcs, seed=args.seed)
    cpu = torch.device("cpu")
    sha256 = ""
    subject = args.what
    if args.what == "weights":
        loaded = load(args.model, cpu)
        sha256 = loaded.sha256
        how = PlannerConfig(candidates=args.candidates)
        subject = fingerprint(args.what, sha256, asdict(how), DEFAULT_TERMS.formulas)
        trial, space = tuning.of_weights(config, lambda: planner(loaded.forecast, cpu, how)), tuning.weight_space()
    else:
        trial, space = tuning.of_utility(config), tuning.utility_space()
    found = None
    with progress(config.trials, "tune", "trial") as bar:
        for found in tuning.search(config, trial, space, args.out, subject):
            bar.update(min(1, config.trials - bar.n))
            bar.set_postfix_str(f"best {found.score:+.1f} hp, usual {found.usual:+.1f}")
    assert found is not None
    found = replace(found, numbers={name: round(value, 3) for name, value in found.numbers.items()})
    rows = [[name, f"{space[name][0]:.3g}", f"{value:.3g}"] for name, value in found.numbers.items()]
    lines = [
        *table((args.what, "usual", "best"), rows),
        f"{found.usual:+.1f} hp with the usual, {found.score:+.1f} best",
    ]
    figures = {
        "what": args.what,
        "numbers": found.numbers,
        "score": found.score,
        "usual": found.usual,
        "trials": config.trials,
        "fights": config.fights,
        "seconds": config.seconds,
        "npcs": config.npcs,
        "split": config.split,
        "model": args.model if args.what == "weights" else "",
        "model_sha256": sha256,
        "machine": machine(),
    }
    emit(lines, figures, args.json)
    return 0
