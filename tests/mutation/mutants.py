"""Breaks every function of the shield and the constraints in small ways and says which breaks no test notices.

    python3 run.py mutants                                      those not judged yet
    python3 run.py mutants --module npc_sdk/shield/brake.py     of this file; may be given several times
    python3 run.py mutants --quick                              by the fast tests: what survives has them all to come
    python3 run.py mutants --again                              survivors, too: after tests were added, or --quick
    python3 run.py mutants --report                             judge none, print the table

mutmut makes the mutants and runs the tests that reach the function, the fastest first. What it has judged stays in
`mutants/`, so a run that was cut short goes on; a function that changed is judged anew. Survivors that no test could
tell from the code are in equivalent.toml, each with the argument. Exits with 1 where others survive, or where the
list names what is no mutant any more or was killed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Judges mutants, prints what came of them, and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="run.py mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--module", action="append", default=[], metavar="PATH", help="only mutants of this file")
    parser.add_argument("--again", action="store_true", help="judge those that survived or met no test once more")
    parser.add_argument("--quick", action="store_true", help="leave out the slow tests: a survivor takes most of them")
    parser.add_argument("--report", action="store_true", help="judge none, print the table")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="mutants at a time (default: 1)")
    args = parser.parse_args(arguments)
    os.chdir(ROOT)  # mutmut reads pyproject.toml here
    from mutation import outcome

    if args.quick:
        os.environ["PYTEST_ADDOPTS"] = "-m 'not slow'"
    if not args.report:
        judge(args.module, args.again, args.jobs)
    found = outcome.judged(outcome.mutants(args.module), outcome.equivalents(outcome.EQUIVALENT.read_text("utf-8")))
    print("\n".join(outcome.told(found)))
    return 0 if found.clean else 1


def judge(paths: Sequence[str], again: bool, jobs: int) -> None:
    """Has mutmut go on where it stopped."""
    from mutation import operators, outcome
    from mutmut.__main__ import _reset_mutant_results, _run

    operators.install()
    used, now = Path("mutants/operators.py"), Path(operators.__file__).read_text("utf-8")
    if used.exists() and used.read_text("utf-8") != now:  # mutants of one number would be others
        _reset_mutant_results(lambda key, code: True)
    used.parent.mkdir(exist_ok=True)
    used.write_text(now, "utf-8")
    made = outcome.mutants(paths)
    if again:
        listed = outcome.equivalents(outcome.EQUIVALENT.read_text("utf-8"))
        open_ = {
            mutant.key for mutant in made if mutant.fate in ("survived", "not covered") and mutant.change not in listed
        }
        _reset_mutant_results(lambda key, code: key in open_)
        Path("mutants/mutmut-stats.json").unlink(missing_ok=True)  # a test that was changed may reach other functions
        made = outcome.mutants(paths)
    left = [mutant.key for mutant in made if mutant.fate == "not run"]
    if paths and not made:
        left = [path.removesuffix(".py").replace("/", ".") + ".x*" for path in paths]
    if left or not paths:
        _run(left if paths else [], jobs)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    sys.exit(main(sys.argv[1:]))
