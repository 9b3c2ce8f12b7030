"""`npc-sdk draw`: a picture of every rule, of what an NPC does without it and with it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from npc_sdk.experiments.report import add_json, emit, progress, table


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk draw`."""
    parser.add_argument("rules", nargs="*", metavar="RULE", help="only these (all)")
    parser.add_argument("--out", type=Path, required=True, help="folder for one RULE.png each")
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk draw`. Returns 1 when an NPC broke a rule with the rule in force, or would have kept it without."""
    from npc_sdk.errors import InputError, nearest
    from npc_sdk.experiments.pictures import PICTURES
    from npc_sdk.experiments.pictures.paint import png

    for rule in args.rules:
        if rule not in PICTURES:
            raise InputError(f"unknown rule {rule!r}{nearest(rule, PICTURES)}")
    args.out.mkdir(parents=True, exist_ok=True)
    drawn = []
    with progress(len(args.rules or PICTURES), "draw", "picture") as bar:
        for rule in args.rules or PICTURES:
            picture = PICTURES[rule]()
            (args.out / f"{rule}.png").write_bytes(png(picture))
            drawn.append(picture)
            bar.update()
    passed = all(picture.asked < 0.0 <= picture.kept for picture in drawn)
    rows = [[p.rule, f"{p.asked:+.3f}", f"{p.kept:+.3f}", p.unit] for p in drawn]
    figures = {
        "passed": passed,
        "rules": [
            {"rule": p.rule, "margin_asked": p.asked, "margin_kept": p.kept, "unit": p.unit, "says": p.says}
            for p in drawn
        ],
        "out": str(args.out),
    }
    emit([*table(("rule", "margin without it", "with it", "in"), rows), f"pictures: {args.out}"], figures, args.json)
    return 0 if passed else 1
