"""`npc-sdk calibrate`: what bodies in recordings really do, beside what their game declares."""

from __future__ import annotations

import tomllib
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from npc_sdk.constraints import KeepAway, StayNear, from_table
from npc_sdk.errors import ConstraintError, InputError
from npc_sdk.experiments.bodies import UNSAFE, Finding, findings
from npc_sdk.experiments.motions import Motions, read_motions
from npc_sdk.experiments.report import add_json, emit, table


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command line of `npc-sdk calibrate`."""
    parser.add_argument("recordings", nargs="+", type=Path, metavar="RECORDING", help="files, or folders of them")
    parser.add_argument(
        "--rules", type=Path, metavar="FILE", help="TOML with [[constraints]]: what its rules declare of others"
    )
    parser.add_argument(
        "--safety", type=_share, default=0.9, help="share of what bodies can do that is proposed to be declared (0.9)"
    )
    add_json(parser)


def main(args: Namespace) -> int:
    """Runs `npc-sdk calibrate`. Returns 1 if a declaration promises more than the recordings show."""
    declared = read_top_speeds(args.rules) if args.rules else {}
    motions = read_motions(args.recordings)
    found = findings(motions, declared, args.safety)
    unsafe = [finding.name for finding in found if finding.verdict == UNSAFE]
    figures = {
        "passed": not unsafe,
        "unsafe": unsafe,
        "findings": [asdict(finding) for finding in found],
        "files": motions.files,
        "snapshots": motions.snapshots,
        "actions": motions.actions,
        "safety": args.safety,
    }
    emit(_lines(motions, found, unsafe), figures, args.json)
    return 1 if unsafe else 0


def read_top_speeds(path: Path) -> dict[str, float]:
    """Reads what the rules of a file declare of others: m/s by role or type, the lowest of several.

    Raises:
        InputError: the file cannot be read, or is no TOML.
        ConstraintError: a rule in it is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: expected a TOML file of rules: {error}") from None
    rules = content.get("constraints")
    if not isinstance(rules, list) or not all(isinstance(rule, Mapping) for rule in rules):
        raise InputError(f"{path}: expected [[constraints]] tables, got {', '.join(content) or 'nothing'}")
    out: dict[str, float] = {}
    for number, rule in enumerate(rules):
        if rule.get("rule") not in (KeepAway.rule, StayNear.rule):
            continue
        try:
            read = from_table(rule)
        except ConstraintError as error:
            raise ConstraintError(f"{path}: [[constraints]] {number + 1}: {error}", error.rules) from None
        if isinstance(read, KeepAway | StayNear):
            out[read.to] = min(out.get(read.to, read.top_speed), read.top_speed)
    return out


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number <= 1.0:
        raise ArgumentTypeError(f"expected a number above 0 and at most 1, got {text!r}")
    return number


def _lines(motions: Motions, found: Sequence[Finding], unsafe: Sequence[str]) -> list[str]:
    header = ("", "unit", "declared", "measured", "proposed", "samples", "verdict")
    body = [
        [f.name, f.unit, _number(f.declared), _number(f.measured), _number(f.proposed), str(f.samples), f.verdict]
        for f in found
    ]
    notes = [f"{f.name}: {f.note}" for f in found if f.note]
    heard = f"{motions.actions} actions" if motions.actions else "no actions: what bodies were told is not known"
    verdict = f"unsafe: {', '.join(unsafe)}" if unsafe else "nothing here speaks against what is declared"
    return [
        f"{motions.files} files, {motions.snapshots} snapshots, {heard}",
        "",
        *table(header, body),
        "",
        *notes,
        "",
        verdict,
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
