#!/usr/bin/env python3
"""Set up this checkout and run it: `python3 run.py demo`, `python3 run.py test`, `python3 run.py gpu`.

Needs nothing but a Python of 3.11 or newer. The first run makes `.venv` and installs the versions in constraints.txt;
later runs see that nothing changed and start at once. Arguments after the command go through:

    python3 run.py demo --headless --frames 300     what `npc-sdk demo --help` lists
    python3 run.py serve --verbose                  what `npc-sdk serve --help` lists: a brain for your engine
    python3 run.py test tests/unit -k board         what pytest takes
    python3 run.py mutants --module PATH            breaks the code in small ways; says what no test notices
    python3 run.py setup                            only makes the environment for the tests
    python3 run.py gpu                              uses this interpreter as it is and installs nothing

NPC_SDK_TORCH_INDEX names another package index for torch alone, for instance one with builds for the CPU only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
OLDEST = (3, 11)

CODEC = ("--no-build-isolation", "--no-deps", "--force-reinstall", str(ROOT / "bridge" / "codec"))

# What pip fetches, in MB, to say so before it starts. Measured on Linux x86-64, Python 3.11.
TORCH_CPU_MB = 200
TORCH_CUDA_MB = 3000  # what an index without CPU builds gives on Linux: torch with the CUDA libraries
REST_MB = {"demo": 170, "test": 290}


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    commands = {"demo": demo, "serve": serve, "test": test, "mutants": mutants, "gpu": gpu, "setup": setup}
    if not arguments or arguments[0] not in commands:
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    if sys.version_info < OLDEST:
        return missing(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {platform.python_version()}", "python3.11 run.py ..."
        )
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch loads; two spinning threads would starve the game
    return commands[arguments[0]](arguments[1:])


def demo(arguments: list[str]) -> int:
    """Install the demo and start it."""
    return install("demo") or call([str(PYTHON), "-m", "npc_sdk", "demo", *arguments])


def serve(arguments: list[str]) -> int:
    """Install the brain, with what the demo needs, and start it."""
    return install("demo") or call([str(PYTHON), "-m", "npc_sdk", "serve", *arguments])


def test(arguments: list[str]) -> int:
    """Install what the tests need and run pytest."""
    return install("test") or call([str(PYTHON), "-m", "pytest", *arguments])


def mutants(arguments: list[str]) -> int:
    """Install what the tests need and judge mutants of the shield and the constraints."""
    return install("test") or call([str(PYTHON), str(ROOT / "tests" / "mutation" / "mutants.py"), *arguments])


def setup(arguments: list[str]) -> int:
    """Install what the tests and the documentation need."""
    return install("test")


def gpu(arguments: list[str]) -> int:
    """Run the tests marked gpu and a short bench with this very interpreter, which is left as it is."""
    absent = [name for name in ("torch", "numpy", "msgpack", "pytest") if importlib.util.find_spec(name) is None]
    if absent:
        print(f"run.py gpu: {sys.executable} has no {', '.join(absent)}: nothing to run")
        return 0
    shims = ROOT / "tests" / "gpu"  # its conftest stands in for small packages that this interpreter may lack
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "bridge", shims)))
    options = ["-q", "-rs", "-c", os.devnull, "--rootdir", str(ROOT), "-o", "markers=gpu", "-p", "no:cacheprovider"]
    status = call([sys.executable, "-m", "pytest", *options, "-m", "gpu", str(shims)])
    return status or call([sys.executable, str(shims / "bench_gpu.py"), *arguments])


def install(what: str) -> int:
    """Bring `.venv` to what constraints.txt and pyproject.toml say, unless it is there already."""
    stamp = VENV / f".npc-sdk-{what}"
    wanted = fingerprint()
    covered = [VENV / ".npc-sdk-test", stamp]  # the test environment holds all of the demo's
    if PYTHON.exists() and any(path.exists() and path.read_text() == wanted for path in covered):
        return 0
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            return missing(f"Python's own module {module}", f"sudo apt install python{version}-venv   (Debian, Ubuntu)")
    announce(what)
    start = time.monotonic()
    if not PYTHON.exists() and call([sys.executable, "-m", "venv", str(VENV)]):
        return missing("a virtual environment: the line above says why", f"delete {VENV} and run this again")
    for step in steps(what):
        if call([str(PYTHON), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), *step]):
            print(
                "\nrun.py: pip failed, its message is above. If the connection broke: run this again.", file=sys.stderr
            )
            return 1
    compile_codec()
    if call([str(PYTHON), "-m", "npc_sdk.kernels.warm"]):  # compiles once, so that the first brain need not
        return 1
    stamp.write_text(wanted)
    print(f"run.py: installed in {time.monotonic() - start:.0f} s", flush=True)
    return 0


def compile_codec() -> None:
    """Build the bridge's compiled codec; without a C compiler all works, and a round trip takes twice as long."""
    command = [str(PYTHON), "-m", "pip", "install", "-c", str(ROOT / "constraints.txt"), *CODEC]
    why = why_not(command)
    if why:
        print(
            f"run.py: the bridge's codec was not compiled; it reads frames in Python, at twice the time: {why}\n"
            "        to have it: a C compiler and Python's headers (Debian: sudo apt install gcc python3-dev), then\n"
            f"        {' '.join(command)}",
            flush=True,
        )


def steps(what: str) -> list[list[str]]:
    """Return what to hand to `pip install`, one call after another."""
    # a pip with dependency groups, the build tools
    tools = ["--upgrade", "pip", "hatchling", "editables", "setuptools"]
    package = ["--no-build-isolation", "-e", f"{ROOT}[demo]"]
    if what == "test":
        package[-1] = f"{ROOT}[demo,tune,bench,metrics,pettingzoo,panda]"
        package += ["--group", f"{ROOT / 'pyproject.toml'}:dev", "--group", f"{ROOT / 'pyproject.toml'}:docs"]
    index = os.environ.get("NPC_SDK_TORCH_INDEX")
    torch = [["--no-deps", "--index-url", index, "torch"]] if index else []
    return [tools, *torch, package]


def fingerprint() -> str:
    """Return what changes when an installation is out of date."""
    digest = hashlib.sha256()
    for name in ("constraints.txt", "pyproject.toml", "bridge/codec/setup.py", "bridge/codec/codec.c"):
        digest.update((ROOT / name).read_bytes())
    digest.update(f"{sys.version} {ROOT} {os.environ.get('NPC_SDK_TORCH_INDEX', '')}".encode())
    return digest.hexdigest()


def announce(what: str) -> None:
    """Print how much will be fetched, before it is."""
    rest = REST_MB[what]
    if os.environ.get("NPC_SDK_TORCH_INDEX"):
        size = f"about {TORCH_CPU_MB + rest} MB, if the index in NPC_SDK_TORCH_INDEX has builds for the CPU only"
    elif platform.system() == "Linux":
        size = (
            f"about {TORCH_CPU_MB + rest} MB if pip finds torch for CPUs, else up to {TORCH_CUDA_MB + rest} MB;"
            "\n        to avoid that: NPC_SDK_TORCH_INDEX=<the address of PyTorch's index of CPU builds>"
        )
    else:
        size = f"about {TORCH_CPU_MB + rest} MB"
    print(f"run.py: setting up {VENV}\n        download: {size}", flush=True)
    if platform.system() != "Linux":
        print(f"        note: {platform.system()} is supported but untested", flush=True)


def missing(what: str, remedy: str) -> int:
    """Say what is not there and what to do about it."""
    print(f"run.py: missing: {what}\n        do this: {remedy}", file=sys.stderr)
    return 1


def why_not(command: list[str]) -> str:
    """Run a command quietly; return "" if it did what it should, else the first that it said of an error."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "error:" in line.lower()]
    return (said or [f"exit status {done.returncode}"])[0] if done.returncode else ""


def call(command: list[str]) -> int:
    """Run a command in the checkout and return its exit status; Ctrl-C is the command's to act on."""
    process = subprocess.Popen(command, cwd=ROOT)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
