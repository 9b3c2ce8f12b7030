"""The short bench of `run.py gpu`, with the stand-ins that the GPU tests use where a small package is absent."""

from __future__ import annotations

import argparse
import sys

import conftest  # noqa: F401  puts the stand-ins in place, so it comes before the package

from npc_sdk.bench import gpu

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="run.py gpu")
    gpu.add_arguments(parser)
    sys.exit(gpu.main(parser.parse_args()))
