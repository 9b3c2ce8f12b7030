"""Holds an implementation of the protocol to its vectors, or writes them anew.

    python -m npc_bridge.conformance check node bridge/clients/js/conformance.mjs
    python -m npc_bridge.conformance server tcp://127.0.0.1:5757
    python -m npc_bridge.conformance write

`check` runs the command with two arguments more: a folder of cases and the file that its verdicts go to
(docs/reference/conformance.md). It prints what it got wrong and exits with 1 where that is anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import BridgeError
from ..schema import Schema
from .cases import folder, write
from .check import Report, check
from .serving import Served, check_server


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(
        "python -m npc_bridge.conformance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    writing = verbs.add_parser("write", help="write the vectors")
    writing.add_argument("folder", nargs="?", type=Path, default=folder(), help="the installed ones by default")
    checking = verbs.add_parser("check", help="check an implementation")
    checking.add_argument("command", nargs=argparse.REMAINDER, help="and its arguments")
    serving = verbs.add_parser("server", help="check a server")
    serving.add_argument("endpoint", help="of its data channel, such as tcp://127.0.0.1:5757")
    serving.add_argument(
        "--schema", type=Path, help="file of a canonical schema that it admits; the vectors' by default"
    )
    args = parser.parse_args(arguments)
    if args.verb == "write":
        print(f"{write(args.folder)} files in {args.folder}")
        return 0
    if args.verb == "server":
        schema = None if args.schema is None else Schema.from_canonical(args.schema.read_bytes())
        return _said(check_server(args.endpoint, schema))
    if not args.command:
        parser.error("check: expected a command, got none")
    return _said(check(args.command))


def _said(report: Report | Served) -> int:
    print("\n".join(report.told()))
    return 0 if report.passed else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BridgeError as error:
        raise SystemExit(str(error)) from None
