"""A game played under several declarations. What one learns: what to declare of bodies that an engine moves.

    python examples/05_declare_for_an_engine.py logs godot3-server --no-window --path bridge/clients/gdscript \
        res://example/rough.tscn
    npc-sdk check engine logs/*.jsonl

The game is started as `COMMAND ENDPOINT SECONDS SHARE [WORD...]`: it is to declare SHARE less than its bodies can do,
and to print what is written down in docs/howto/engines.md. For every declaration and pose tolerance a brain is started,
with the pits as rules and the one wish to be near the player, who also goes into pits. A game takes its time.
"""

import argparse
import json
import subprocess
from pathlib import Path

from npc_sdk.demo.brain import Brain, free_endpoints, serve_command
from npc_sdk.designer.client import Designer

SHARES = (0.0, 0.05, 0.1, 0.15, 0.2)
TOLERANCES = (0.02, 0.05, 0.1, 0.2)  # m

WISH = "abs(player.x - self.x) + abs(player.y - self.y)"  # as the crow flies: into the pits, were it not for rules


def steer(designer: Designer, zones: list[dict[str, object]]) -> None:
    """Forbids the pits, and has everybody want to be near the player and nothing else."""
    for zone in zones:
        if zone["kind"] == "keep_out":
            designer.add_rule({"rule": "keep_out", "name": zone["name"], "polygon": zone["corners"]})
    for term in designer.inspect()["terms"]:
        designer.set_weight(term["name"], 0.0)
    designer.add_term("near", WISH, weight=4.0)


def play(tolerance: float, command: list[str], arguments: list[str], log: Path) -> None:
    """Starts a brain, plays the game once against it and keeps what it prints."""
    endpoints = free_endpoints()
    brain = Brain(
        [*serve_command(endpoints, "arena", 1, "cpu"), "--pose-tolerance", str(tolerance), "--lead-ticks", "2"]
    )
    brain.start()
    try:
        brain.wait_ready(300.0)
        game = [*command, endpoints.data, *arguments]
        with (
            subprocess.Popen(game, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as engine,
            log.open("w") as out,
            Designer(endpoints.control, timeout_s=30.0) as designer,
        ):
            assert engine.stdout is not None
            for line in engine.stdout:
                out.write(line)
                if line.startswith("{") and "zones" in line:
                    steer(designer, json.loads(line)["zones"])
    finally:
        brain.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--tolerances", type=float, nargs="+", default=TOLERANCES)
    parser.add_argument("--word", action="append", default=[], help="said to the game last, such as plain")
    parser.add_argument("folder", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for tolerance in args.tolerances:
        for share in args.shares:
            log = args.folder / "-".join([*args.word, f"tolerance-{tolerance:g}-less-{share:g}.jsonl"])
            play(tolerance, args.command, [f"{args.seconds:g}", f"{share:g}", *args.word], log)
            print(log, flush=True)


if __name__ == "__main__":
    main()
