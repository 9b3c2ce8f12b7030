"""`npc-sdk check shield`: hunts for a violation that an NPC caused, and shows that the hunt could have found one."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, natural

if TYPE_CHECKING:
    from npc_sdk.experiments.stress import StressConfig, Totals

WANTED_ACTIVE = 1_000  # at the full 100,000 steps; less in proportion
WANTED_CONTROL = 0.01


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk check`."""
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    shield = kinds.add_parser("shield", help="audit the shield under tight rules, wild weights and hostile plans")
    shield.add_argument("--steps", type=count, default=100_000, help="NPC-ticks (100000); 3000 is what CI runs")
    shield.add_argument("--seed", type=natural, default=0)
    shield.add_argument("--model", default="arena", help="of one half; the other half has an untrained model")
    shield.add_argument("--candidates", type=count, default=8, help="the planner's candidates (8)")
    add_json(shield)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check shield`. Returns 1 when an NPC caused a violation or the control broke too little."""
    import torch

    from npc_sdk.experiments import stress
    from npc_sdk.experiments.stage import planner
    from npc_sdk.planner.problem import PlannerConfig
    from npc_sdk.serve.models import load

    torch.set_num_threads(1)
    device = torch.device("cpu")
    config = stress.StressConfig(steps=args.steps, seed=args.seed)
    names = (args.model, "untrained")
    forecasts = [load(name, device, args.seed).forecast for name in names]
    how = PlannerConfig(candidates=args.candidates, seed=args.seed)
    arms = {True: stress.Totals(), False: stress.Totals()}
    control_ticks = max(90, round(config.ticks * config.control_share * config.batches / 2))
    start = time.perf_counter()
    with progress(config.batches * config.ticks + 2 * control_ticks, "check shield", "tick") as bar:
        for index in range(config.batches):
            brain = planner(forecasts[index % 2], device, how)
            arms[True].add(stress.run_batch(config, index, brain, shielded=True, ticks=config.ticks))
            bar.update(config.ticks)
        for index in range(2):
            brain = planner(forecasts[index % 2], device, how)
            arms[False].add(stress.run_batch(config, index, brain, shielded=False, ticks=control_ticks))
            bar.update(control_ticks)
    figures = _figures(config, names, arms[True], arms[False], time.perf_counter() - start)
    emit(_lines(figures, arms[True], arms[False]), figures, args.json)
    return 0 if figures["passed"] else 1


def _figures(
    config: StressConfig, models: tuple[str, ...], shielded: Totals, control: Totals, wall_s: float
) -> dict[str, Json]:
    from npc_sdk.constraints import KINDS
    from npc_sdk.experiments.stress import JUDGED

    rules: list[dict[str, Json]] = [
        {
            "rule": kind,
            "active": shielded.active[kind],
            "changed": shielded.changed[kind],
            "violations": shielded.caused(kind),
            "not_npc": shielded.broken(kind) - shielded.caused(kind),
            "min_margin": shielded.min_margin[kind],
            "control_share": control.broken(kind) / max(1, control.steps),
        }
        for kind in KINDS
    ]
    wanted = WANTED_ACTIVE * min(1.0, config.steps / 100_000)
    idle = [kind for kind in JUDGED if shielded.active[kind] < wanted]
    tame = [kind for kind in JUDGED if control.broken(kind) < WANTED_CONTROL * control.steps]
    return {
        "passed": shielded.caused() == 0 and not idle and not tame,
        "steps": shielded.steps,
        "violations": shielded.caused(),
        "rules": rules,
        "idle_rules": idle,
        "tame_in_control": tame,
        "control_steps": control.steps,
        "excused_steps": shielded.excused,
        "unguarded_steps": shielded.unguarded,
        "persona_switches": shielded.switches,
        "attackers": config.attackers,
        "models": models,
        "seed": config.seed,
        "wall_s": wall_s,
        "machine": machine(),
    }


def _lines(figures: dict[str, Json], shielded: Totals, control: Totals) -> list[str]:
    rows = []
    for kind in shielded.active:
        margin, share = shielded.min_margin[kind], control.broken(kind) / max(1, control.steps)
        counts = (shielded.active[kind], shielded.changed[kind], shielded.caused(kind))
        shown = f"{margin:.4f}" if margin < 1e6 else "-"
        rows.append([kind, *(str(count) for count in counts), shown, f"{100 * share:.1f} %"])
    lines = table(("rule", "active", "changed", "violated by NPCs", "min margin", "violated without shield"), rows)
    lines += [f"example: {v}" for v in shielded.examples[:5]]
    lines.append(
        f"{shielded.steps} NPC-steps, {shielded.caused()} violations caused by NPCs; "
        f"{shielded.unguarded} steps off their certificate; control: {control.steps} steps"
    )
    lines.append(
        "passed" if figures["passed"] else f"failed: {figures['idle_rules']} idle, {figures['tame_in_control']} tame"
    )
    return lines
