"""`npc-sdk check attribution`: does the audit name the one who broke a rule? Replays with each mover frozen know."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from npc_sdk.experiments.report import Json, add_json, emit, machine, progress, table
from npc_sdk.options import count, natural

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from npc_sdk.experiments.blame import Score

WANTED = 0.999  # of the labelled episodes
_SHOWN = 10


def declare(kinds: _SubParsersAction[ArgumentParser]) -> None:
    """Declares the command line."""
    parser = kinds.add_parser(
        "attribution", help="compare who the audit blames with replays, each mover frozen in turn"
    )
    parser.add_argument("--episodes", type=count, default=600, help="scripted games, one cause each (600)")
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--out", type=Path, help="keep finished shards in this folder, and do not play them again")
    parser.add_argument("--jobs", type=count, default=1, help="processes that play (1)")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk check attribution`. Returns 1 when too few are right, or an NPC's own breach is excused."""
    from npc_sdk.experiments import blame

    start, score = time.perf_counter(), blame.Score.none()
    with progress(args.episodes, "check attribution", "episode") as bar:
        for shard in blame.trials(args.episodes, args.seed, args.out, args.jobs):
            score.plus(shard.table())
            bar.update(min(blame.EPISODES, bar.total - bar.n))
    figures = _figures(score, args.seed, time.perf_counter() - start)
    emit(_lines(score, figures), figures, args.json)
    return 0 if figures["passed"] else 1


def _figures(score: Score, seed: int, wall_s: float) -> dict[str, Json]:
    from npc_sdk.experiments.blame import LABELS, VERDICTS
    from npc_sdk.experiments.culprits import Culprit

    agreement = score.right / max(1, score.labelled)
    silent = [c.name.lower() for c in Culprit if score.culprits[c.value, 3] == 0]
    confusion: list[Json] = [
        {"replay": label, "audit": verdict, "breaches": int(score.matrix[row, column])}
        for row, label in enumerate(LABELS)
        for column, verdict in enumerate(VERDICTS)
        if score.matrix[row, column]
    ]
    kinds: list[Json] = []
    for culprit in Culprit:
        episodes, labelled, right, own = score.culprits[culprit.value].astype(int).tolist()
        kinds.append(
            {
                "culprit": culprit.name.lower(),
                "is": f"{culprit.category} {culprit.assumption}".strip(),
                "episodes": episodes,
                "labelled": labelled,
                "right": right,
                "did_it": own,
            }
        )
    return {
        "passed": agreement >= WANTED and score.excused == 0 and not silent,
        "episodes": int(score.culprits[:, 0].sum()),
        "labelled": score.labelled,
        "right": score.right,
        "agreement": agreement,
        "excused_npcs": score.excused,
        "breaches": int(score.matrix.sum()),
        "undecided": int(score.matrix[LABELS.index("undecided")].sum()),
        "confusion": confusion,
        "culprits": kinds,
        "silent": silent,
        "wrong": [
            {
                "culprit": w.culprit.lower(),
                "number": w.number,
                "tick": w.tick,
                "npc": w.npc,
                "rule": w.rule,
                "replay": w.label,
                "audit": w.verdict,
            }
            for w in score.wrong[:_SHOWN]
        ],
        "seed": seed,
        "wall_s": wall_s,
        "machine": machine(),
    }


def _lines(score: Score, figures: dict[str, Json]) -> list[str]:
    from npc_sdk.experiments.blame import LABELS, VERDICTS

    rows = [[label, *(str(int(n)) if n else "." for n in score.matrix[row])] for row, label in enumerate(LABELS)]
    lines = table(("by replay \\ by the audit", *VERDICTS), rows)
    lines += [
        f"wrong: {w.culprit.lower()} {w.number}, tick {w.tick}, NPC {w.npc}, {w.rule}: {w.label}, "
        f"the audit says {w.verdict}"
        for w in score.wrong[:_SHOWN]
    ]
    lines.append(
        f"{figures['episodes']} episodes, {score.labelled} with a breach that has one cause: {score.right} right "
        f"({100 * score.right / max(1, score.labelled):.2f} %); {score.excused} breaches of NPCs' own excused"
    )
    silent = figures["silent"]
    return [*lines, "passed" if figures["passed"] else f"failed{f': no breach by {silent}' if silent else ''}"]
