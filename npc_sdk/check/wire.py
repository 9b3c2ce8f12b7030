"""`npc-sdk check wire`: hunts for a violation end to end, through real sockets, bad lines and killed brains."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, natural

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from npc_sdk.experiments.wire.hunt import Shard, Size

FULL = 1_000_000
_SHORT_TICKS = 90  # of a game, where few steps are asked for
_RUNGS = ("planned", "tail", "callback", "brake")
_FAULTS = ("dropped", "delayed", "duplicated", "truncated", "reordered")


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    parser = kinds.add_parser("wire", help="audit whole games over bad lines, their brains killed, in real time")
    parser.add_argument("--steps", type=count, default=FULL, help="NPC-ticks; a tenth more without shield (1000000)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="keep finished shards in this folder, and do not play them again")
    parser.add_argument("--jobs", type=count, default=1, help="brains at a time, with two games each (1)")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check wire`. Returns 1 when an NPC broke a rule, or the hunt could not have found it."""
    from npc_sdk.experiments.wire import hunt

    start, size = time.perf_counter(), _size(args.steps)
    total, control = hunt.Shard(), hunt.Shard()
    control_steps = max(1, args.steps // hunt.CONTROL_EVERY)
    with progress(args.steps + control_steps, "check wire", "step") as bar:
        for arm, steps in ((total, args.steps), (control, control_steps)):
            shielded = arm is total
            for found in hunt.hunt(steps, args.seed, shielded=shielded, size=size, folder=args.out, jobs=args.jobs):
                arm.plus(found.table())
                arm.totals.examples += found.totals.examples
                bar.update(found.totals.steps)
    figures = _figures(args, total, control, time.perf_counter() - start)
    emit(_lines(figures, total), figures, args.json)
    return 0 if figures["passed"] else 1


def _size(steps: int) -> Size:
    """Returns how much a shard is: less where few steps are asked for."""
    from npc_sdk.experiments.wire.faults import Worst
    from npc_sdk.experiments.wire.hunt import Size

    size = Size()
    if steps >= size.games * size.crowd * size.ticks:
        return size
    ticks = max(_SHORT_TICKS, steps // (size.games * size.crowd))
    return Size(ticks=ticks, worst=Worst(stall_s=ticks / 90, stall_every_s=ticks / 30))


def _figures(args: Namespace, total: Shard, control: Shard, wall_s: float) -> dict[str, Json]:
    from npc_sdk.constraints import KINDS
    from npc_sdk.shield import DISTANCES

    judged, tolls, events = total.totals, total.tolls, total.events
    ticks = max(1, sum(getattr(tolls, rung) for rung in _RUNGS))
    rules: dict[str, Json] = {
        kind: {
            "bound": judged.bound[kind],
            "violations": judged.caused(kind),
            "not_npc": judged.broken(kind) - judged.caused(kind),
            "min_margin": judged.min_margin[kind],
        }
        for kind in KINDS
    }
    messages = asdict(total.messages)
    missing = [name for name in _FAULTS if not messages[name]]
    missing += [name for name in ("kills", "stalls") if not getattr(events, name)]
    tame = [
        kind for kind in KINDS if judged.bound[kind] and control.totals.bound[kind] and not control.totals.broken(kind)
    ]
    found_something = control.totals.caused() > 0
    return {
        "passed": judged.caused() == 0 and events.deaths == 0 and found_something and not missing,
        "agent_steps": judged.steps,
        "npc_caused_violations": judged.caused(),
        "external": judged.caused(category="external"),
        "assumption_breaches": judged.caused(category="breach"),
        "inadmissible": judged.caused(category="inadmissible"),
        "excused_steps": judged.excused,
        "counts_across_sessions": tolls.across,
        "min_margin_m": min(judged.min_margin[kind] for kind in DISTANCES),
        "interventions": tolls.changed / max(1, tolls.rows),
        "planned_steps": events.planned_steps,
        "untrained_steps": events.untrained_steps,
        "sessions": tolls.sessions,
        "kills": events.kills,
        "stalls": events.stalls,
        "brain_deaths": events.deaths,
        "late_ticks": events.late_ticks,
        "messages": messages,
        "rungs": {rung: getattr(tolls, rung) / ticks for rung in _RUNGS},
        "rules": rules,
        "missing_faults": missing,
        "control_steps": control.totals.steps,
        "control_violations_per_rule": {kind: control.totals.share_broken(kind) for kind in KINDS},
        "tame_in_control": tame,
        "seed": args.seed,
        "wall_s": wall_s,
        "machine": machine(),
    }


def _lines(figures: dict[str, Json], total: Shard) -> list[str]:
    shares, judged = figures["control_violations_per_rule"], total.totals
    assert isinstance(shares, dict)
    rows = []
    for kind, bound in judged.bound.items():
        margin = judged.min_margin[kind]
        shown = f"{margin:.6f}" if margin < 1e6 else "-"
        rows.append([kind, str(bound), str(judged.caused(kind)), shown, f"{100 * shares[kind]:.1f} %"])
    lines = table(("rule", "bound", "broken by NPCs", "min margin", "broken in the control"), rows)
    lines += [f"example: {violation}" for violation in judged.examples[:5]]
    told, messages = figures["rungs"], total.messages
    assert isinstance(told, dict)
    lines.append(
        f"{messages.sent} messages: {messages.dropped} lost, {messages.delayed} late, {messages.duplicated} twice, "
        f"{messages.truncated} cut, {messages.reordered} out of order, {messages.stalled} stalled"
    )
    lines.append("ticks by rung: " + ", ".join(f"{rung} {100 * share:.0f} %" for rung, share in told.items()))
    lines.append(
        f"{judged.steps} NPC-steps, {figures['kills']} brains killed, {figures['stalls']} stalls, "
        f"{figures['brain_deaths']} brains died: {judged.caused()} violations caused by NPCs; "
        f"control: {figures['control_steps']} steps"
    )
    why = f"failed: faults that did not happen: {figures['missing_faults']}; control: {figures['tame_in_control']} tame"
    return [*lines, "passed" if figures["passed"] else why]
