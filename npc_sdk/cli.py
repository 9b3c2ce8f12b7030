"""The command line `npc-sdk`: one table of sub-commands, each loaded only when it is asked for.

A sub-command is a module with `add_arguments(parser)` and `main(args) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import npc_sdk
from npc_bridge.errors import BridgeError
from npc_sdk.errors import SdkError

USAGE = 2  # the exit status of a request that cannot be met, as argparse has it
INTERRUPTED = 130


class Command(Protocol):
    """What a sub-command's module supplies."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""

    def main(self, args: argparse.Namespace) -> int:
        """Do the work and return the exit status."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a sub-command lives, and the line the overview shows."""

    module: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("npc_sdk.demo.command", "play against squads of NPCs; starts game and brain as two processes"),
    "serve": Entry("npc_sdk.serve.command", "run the brain and wait for games"),
    "gateway": Entry("npc_sdk.gateway.command", "let games in web pages reach a brain, by WebSocket"),
    "play": Entry("npc_sdk.experiments.play", "play a PettingZoo world that others wrote as a game on the bridge"),
    "record": Entry("npc_sdk.experiments.record", "play the arena headless and write recordings to learn from"),
    "replay": Entry("npc_sdk.experiments.replay", "hand a recorded game to a brain once more, and compare its answers"),
    "train": Entry("npc_sdk.experiments.train", "learn a world model from recordings"),
    "evaluate": Entry("npc_sdk.experiments.evaluate", "compare a world model with simpler forecasts on held-out play"),
    "bench": Entry("npc_sdk.bench.command", "measure: bridge, crowd, live, decide, errors, faults, safety, shield"),
    "check": Entry("npc_sdk.check", "hunt for broken promises: shield, adversary, wire, frames, peers and more"),
    "calibrate": Entry(
        "npc_sdk.experiments.calibrate", "measure in recordings what bodies do, beside what is declared"
    ),
    "steer": Entry("npc_sdk.experiments.steer", "measure how far each weight moves the behaviour it names"),
    "tune": Entry("npc_sdk.experiments.tune", "find weights with which NPCs win, or numbers of the scripted rival"),
    "draw": Entry("npc_sdk.experiments.draw", "draw a picture of every rule: without it, and with it"),
    "keys": Entry("npc_sdk.keys", "make, list and rotate the keys by which a brain lets other machines in"),
    "doctor": Entry("npc_sdk.doctor", "look for what is wrong with this installation"),
}

# Package -> the extra that brings it, for a message that says what to install.
EXTRAS = {
    "torch": "brain",
    "safetensors": "brain",
    "jaxtyping": "brain",
    "tqdm": "brain",
    "pettingzoo": "env",
    "gymnasium": "env",
    "mpe2": "pettingzoo",
    "pygame": "demo",
    "PIL": "demo",
    "optuna": "tune",
    "prometheus_client": "metrics",
    "websockets": "gateway",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch loads; spinning threads would starve the game
    try:
        args = _parser(arguments).parse_args(arguments)
        return _load(args.command).main(args)
    except (SdkError, BridgeError) as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        return _fail(f"{package} is not installed: pip install 'npc-sdk[{EXTRAS[package]}]'")
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    """Return the parser, with the options of the one sub-command that `arguments` names."""
    parser = argparse.ArgumentParser(prog="npc-sdk", description="World models and planning for game NPCs.")
    parser.add_argument("--version", action="version", version=f"npc-sdk {npc_sdk.__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    for name, entry in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=entry.summary, description=f"{entry.summary}.".capitalize())
        if name == wanted:
            _load(name).add_arguments(subparser)
    return parser


def _load(name: str) -> Command:
    return cast(Command, importlib.import_module(COMMANDS[name].module))


def _fail(message: str) -> int:
    print(f"npc-sdk: {message}", file=sys.stderr)
    return USAGE
