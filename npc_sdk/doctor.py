"""Look for what is wrong with an installation, and name the remedy. Never loads more than it has to."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OLDEST_PYTHON = (3, 11)
OLDEST_ZMQ = (4, 3, 2)  # before: heartbeats and reconnects that lose peers
SHIPPED_MODEL = Path(__file__).parent / "models" / "arena" / "config.json"
PORTS = (5757, 5758, 5759)  # data, control, telemetry, as `npc-sdk serve` opens them


class Verdict(StrEnum):
    """How a check came out. Only BROKEN makes the exit status non-zero."""

    GOOD = "good"
    NOTE = "note"  # works, but something optional is missing or not as recommended
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `remedy` is empty where there is nothing to do."""

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `npc-sdk doctor`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")


def main(args: argparse.Namespace) -> int:
    """Print what was found and return 0, or 1 where something is broken."""
    findings = examine()
    broken = sum(finding.verdict is Verdict.BROKEN for finding in findings)
    if args.json:
        print(json.dumps({"broken": broken, "findings": [asdict(finding) for finding in findings]}))
        return min(broken, 1)
    for finding in findings:
        print(f"{finding.verdict:<7} {finding.check:<10} {finding.found}")
        if finding.remedy:
            print(f"{'':<18} -> {finding.remedy}")
    print(f"{broken} broken" if broken else "nothing is broken")
    return min(broken, 1)


def examine() -> tuple[Finding, ...]:
    """Return the findings of all checks, in the order in which they should be mended."""
    return tuple(
        check()
        for check in (
            check_python,
            check_numpy,
            check_msgpack,
            check_zmq,
            check_codec,
            check_loopback,
            check_torch,
            check_threads,
            check_pygame,
            check_pettingzoo,
            check_model,
        )
    )


def check_python(found: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """Check that Python is new enough."""
    text = ".".join(map(str, found))
    if found < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return Finding("python", Verdict.BROKEN, f"{text}, expected {oldest} or newer", f"install Python {oldest}")
    return Finding("python", Verdict.GOOD, f"{text} on {platform.system()} {platform.machine()}")


def check_numpy() -> Finding:
    """Check that NumPy loads."""
    return _import_check("numpy", "numpy", "pip install numpy", needed=True)


def check_msgpack() -> Finding:
    """Check that msgpack loads."""
    return _import_check("msgpack", "msgpack", "pip install msgpack", needed=True)


def check_zmq() -> Finding:
    """Check that pyzmq loads and brings a libzmq that is new enough."""
    try:
        import zmq
    except ImportError as error:
        return Finding("zmq", Verdict.BROKEN, f"does not load: {error}", "pip install --force-reinstall pyzmq")
    found = zmq.zmq_version_info()
    text = f"pyzmq {zmq.pyzmq_version()}, libzmq {zmq.zmq_version()}"
    if found < OLDEST_ZMQ:
        oldest = ".".join(map(str, OLDEST_ZMQ))
        return Finding("zmq", Verdict.BROKEN, f"{text}, expected libzmq {oldest} or newer", "pip install -U pyzmq")
    return Finding("zmq", Verdict.GOOD, text)


def check_codec() -> Finding:
    """Check whether the bridge reads and writes its frames by compiled code."""
    from npc_bridge import codec

    if codec.compiled is not None:
        return Finding("codec", Verdict.GOOD, f"compiled, version {codec.VERSION}")
    remedy = "pip install ./bridge/codec in a checkout halves a round trip (needs a C compiler and Python's headers)"
    return Finding("codec", Verdict.NOTE, "frames are read and written in Python", remedy)


def check_loopback(ports: tuple[int, ...] = PORTS) -> Finding:
    """Check that this machine can listen on its loopback address, and whether the usual ports are free."""
    taken = []
    try:
        with socket.socket() as any_port:
            any_port.bind(("127.0.0.1", 0))
    except OSError as error:
        remedy = "allow listening on 127.0.0.1 in the firewall or the sandbox"
        return Finding("loopback", Verdict.BROKEN, f"cannot listen on 127.0.0.1: {error.strerror}", remedy)
    for port in ports:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(os.name != "nt"))
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    if taken:
        text = f"port {', '.join(map(str, taken))} in use"
        return Finding("loopback", Verdict.NOTE, text, "a brain may be running already; else use other ports")
    return Finding("loopback", Verdict.GOOD, "127.0.0.1 can be listened on")


def check_torch() -> Finding:
    """Check that torch loads, and which device it would use."""
    finding = _import_check("torch", "torch", "pip install 'npc-sdk[brain]' (a game client does without)", needed=False)
    if finding.verdict is not Verdict.GOOD:
        return finding
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    return Finding("torch", Verdict.GOOD, f"{finding.found}, {device}, {torch.get_num_threads()} thread(s)")


def check_threads() -> Finding:
    """Check that torch is kept to one thread beside a game."""
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads == "1":
        return Finding("threads", Verdict.GOOD, "OMP_NUM_THREADS=1")
    text = f"OMP_NUM_THREADS={threads}" if threads else "OMP_NUM_THREADS is not set"
    remedy = "set OMP_NUM_THREADS=1: more threads spin, and the game next to them slows down many times over"
    return Finding("threads", Verdict.NOTE, text, remedy)


def check_pygame(installed: Callable[[str], str | None] | None = None) -> Finding:
    """Check that one pygame is installed, not two that overwrite each other's files."""
    look_up = installed or _installed
    community, original = look_up("pygame-ce"), look_up("pygame")
    if community and original:
        remedy = "pip uninstall -y pygame pygame-ce && pip install pygame-ce"
        return Finding(
            "pygame", Verdict.BROKEN, "pygame and pygame-ce share one folder, and both are installed", remedy
        )
    if original:
        remedy = "pip uninstall -y pygame && pip install pygame-ce   (PettingZoo depends on pygame-ce)"
        return Finding("pygame", Verdict.NOTE, f"pygame {original} instead of pygame-ce", remedy)
    if community is None:
        return Finding("pygame", Verdict.NOTE, "not installed", "pip install 'npc-sdk[demo]' for the demo's window")
    if installed is None and importlib.util.find_spec("pygame") is None:
        remedy = "pip install --force-reinstall pygame-ce"
        return Finding("pygame", Verdict.BROKEN, f"pygame-ce {community} is listed but its files are gone", remedy)
    return Finding("pygame", Verdict.GOOD, f"pygame-ce {community}")


def check_pettingzoo() -> Finding:
    """Check that PettingZoo is there."""
    return _import_check("pettingzoo", "pettingzoo", "pip install 'npc-sdk[env]' for the arena", needed=False)


def check_model(config: Path = SHIPPED_MODEL) -> Finding:
    """Check that the shipped arena model was made for the arena as it is now. Reads no weights."""
    if not config.is_file():
        return Finding("model", Verdict.NOTE, "no trained arena model comes with this version", "npc-sdk train --help")
    try:
        from npc_sdk.envs.arena.maps import make_map
        from npc_sdk.envs.arena.stream import arena_schema
    except ModuleNotFoundError as error:
        return Finding("model", Verdict.NOTE, f"not checked without {error.name}", "pip install 'npc-sdk[env]'")
    try:
        made_for = str(json.loads(config.read_text(encoding="utf-8"))["interface_sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Finding(
            "model", Verdict.BROKEN, f"{config} is damaged: {error!r}", "pip install --force-reinstall npc-sdk"
        )
    now = arena_schema(make_map("train", 0)).interface_sha256
    if made_for != now:
        text = f"the shipped model is for interface {made_for[:12]}, the arena's is {now[:12]}"
        return Finding("model", Verdict.BROKEN, text, "train it again: npc-sdk train --help")
    return Finding("model", Verdict.GOOD, f"the shipped arena model fits the arena's schema ({now[:12]})")


def _import_check(check: str, package: str, remedy: str, *, needed: bool) -> Finding:
    """Return whether a package is installed and loads; one that is needed and absent is broken."""
    listed = _installed(package)
    absent = Verdict.BROKEN if needed else Verdict.NOTE
    if listed is None:
        return Finding(check, absent, "not installed", remedy)
    try:
        importlib.import_module(package)
    except (ImportError, OSError) as error:  # OSError: a shared library that does not load
        first = str(error).partition("\n")[0]
        return Finding(
            check, Verdict.BROKEN, f"{listed} does not load: {first}", f"pip install --force-reinstall {package}"
        )
    return Finding(check, Verdict.GOOD, listed)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
