"""`npc-sdk check shield`: hunts for a violation that an NPC caused, and shows that the hunt could have found one."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, natural, share

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from npc_sdk.experiments.campaign import Totals

WANTED_ACTIVE, FULL = 1_000, 1_000_000  # certificates per kind of rule at so many steps; less in proportion, at least 1
WANTED_CONTROL = 0.01  # of the steps in which a rule binds
CONTROL_LEAST = 40_000  # steps: fewer are a handful of games, in which not every rule is near enough to be broken
CONTROL_MOST = 250_000  # more say nothing new


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    shield = kinds.add_parser("shield", help="audit the shield under tight rules, hostile plans and wild weights")
    shield.add_argument("--steps", type=count, default=FULL, help="NPC-ticks (1000000)")
    shield.add_argument("--seed", type=natural, default=0)
    shield.add_argument("--planned", type=share, default=0.1, help="share of them that goes through the planner (0.1)")
    shield.add_argument("--model", default="arena", help="of half of the planned part; the other half is untrained")
    shield.add_argument("--candidates", type=count, default=8, help="the planner's candidates (8)")
    shield.add_argument("--out", type=Path, help="keep finished shards in this folder, and do not play them again")
    shield.add_argument("--jobs", type=count, default=1, help="processes that play (1)")
    add_json(shield)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check shield`. Returns 1 when an NPC caused a violation or the control broke too little."""
    from npc_sdk.experiments import campaign

    start = time.perf_counter()
    planned_steps = round(args.planned * args.steps)
    total, control = campaign.Totals(), campaign.Totals()
    scripted = args.steps - planned_steps
    wanted = scripted, min(max(scripted // campaign.CONTROL_EVERY, CONTROL_LEAST), CONTROL_MOST)
    with progress(sum(wanted) + planned_steps, "check shield", "step") as bar:
        for arm, steps in ((total, wanted[0]), (control, wanted[1])):
            for shard in campaign.hunt(steps, args.seed, shielded=arm is total, folder=args.out, jobs=args.jobs):
                arm.plus(shard.table())
                arm.examples += shard.examples
                bar.update(shard.steps)
        planned, untrained = campaign.Totals(), 0
        fights = campaign.Planned(args.model, args.candidates, max(1, planned_steps), args.seed)
        for index, shard in enumerate(fights.hunt(args.out, args.jobs)):
            planned.plus(shard.table())
            total.examples += shard.examples
            untrained += shard.steps * (index % 2)
            bar.update(shard.steps)
    total.plus(planned.table())
    figures = _figures(args, total, control, planned, untrained, time.perf_counter() - start)
    emit(_lines(figures, total), figures, args.json)
    return 0 if figures["passed"] else 1


def _figures(
    args: Namespace, total: Totals, control: Totals, planned: Totals, untrained: int, wall_s: float
) -> dict[str, Json]:
    from npc_sdk.constraints import KINDS
    from npc_sdk.shield import DISTANCES

    rules: dict[str, Json] = {
        kind: {
            "bound": total.bound[kind],
            "active": total.active[kind],
            "changed": total.changed[kind],
            "violations": total.caused(kind),
            "not_npc": total.broken(kind) - total.caused(kind),
            "min_margin": total.min_margin[kind],
        }
        for kind in KINDS
    }
    broken_at_all = [kind for kind in KINDS if kind != "airborne"]  # that no promise is made of
    enough = max(1.0, WANTED_ACTIVE * min(1.0, args.steps / FULL))
    idle = [kind for kind in broken_at_all if total.active[kind] < enough]
    tame = [kind for kind in broken_at_all if control.share_broken(kind) < WANTED_CONTROL]
    return {
        "passed": total.caused() == 0 and not idle and not tame,
        "agent_steps": total.steps,
        "npc_caused_violations": total.caused(),
        "external": total.caused(category="external"),
        "assumption_breaches": total.caused(category="breach"),
        "inadmissible": total.caused(category="inadmissible"),
        "min_margin_m": min(total.min_margin[kind] for kind in DISTANCES),
        "interventions": total.interventions / max(1, total.certified),
        "unguarded": total.unguarded,
        "excused_steps": total.excused,
        "planned_steps": planned.steps,
        "untrained_steps": untrained,
        "planned_interventions": planned.interventions / max(1, planned.certified),
        "planned_ticks_changed": planned.altered / max(1, planned.ran),
        "planned_wasted_candidates": planned.wasted / max(1, planned.ran),
        "rules": rules,
        "control_steps": control.steps,
        "control_violations_per_rule": {kind: control.share_broken(kind) for kind in KINDS},
        "idle_rules": idle,
        "tame_in_control": tame,
        "model": args.model,
        "seed": args.seed,
        "wall_s": wall_s,
        "machine": machine(),
    }


def _lines(figures: dict[str, Json], total: Totals) -> list[str]:
    rows = []
    shares = figures["control_violations_per_rule"]
    assert isinstance(shares, dict)
    for kind in total.active:
        margin = total.min_margin[kind]
        counts = (total.active[kind], total.changed[kind], total.caused(kind))
        shown = f"{margin:.6f}" if margin < 1e6 else "-"
        rows.append([kind, *(str(count) for count in counts), shown, f"{100 * shares[kind]:.1f} %"])
    lines = table(("rule", "active", "changed", "broken by NPCs", "min margin", "broken without shield"), rows)
    lines += [f"example: {v}" for v in total.examples[:5]]
    lines.append(
        f"{total.steps} NPC-steps, {total.caused()} violations caused by NPCs, {figures['external']} by others; "
        f"{total.unguarded} certificates off their start; control: {figures['control_steps']} steps"
    )
    lines.append(
        f"planned part, a quarter of its NPCs attacking: {100 * _share(figures, 'planned_ticks_changed'):.1f} % of "
        f"NPC-ticks changed, {100 * _share(figures, 'planned_wasted_candidates'):.1f} % of candidates wasted"
    )
    verdict = f"failed: {figures['idle_rules']} idle, {figures['tame_in_control']} tame"
    return [*lines, "passed" if figures["passed"] else verdict]


def _share(figures: dict[str, Json], name: str) -> float:
    value = figures[name]
    assert isinstance(value, float)
    return value
