"""The compiled codec under the address and undefined-behaviour sanitizers: the laws, and nothing read out of bounds."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from yard import needed

ROOT = Path(__file__).resolve().parents[2]
LAWS = ROOT / "tests" / "property" / "test_codec_laws.py"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
PROBE = "import npc_bridge_codec; print(npc_bridge_codec.__file__)"


@pytest.mark.timeout(300)
def test_the_laws_hold_under_the_sanitizers(tmp_path: Path) -> None:
    needed("gcc")
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        (pytest.fail if os.environ.get("NPC_SDK_ENGINES") == "required" else pytest.skip)(f"no Python.h in {headers}")
    library = tmp_path / "npc_bridge_codec.so"
    includes = (f"-I{headers}", f"-I{np.get_include()}")
    warnings = ("-Wall", "-Wextra", "-Werror")
    source = str(ROOT / "bridge" / "codec" / "codec.c")
    build = ("gcc", "-std=c11", "-O1", "-g", "-shared", "-fPIC", *warnings, *SANITIZERS, *includes)
    _run(*build, source, "-o", str(library))
    preloaded = [_run("gcc", f"-print-file-name={name}").strip() for name in ("libasan.so", "libubsan.so")]
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(preloaded),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        "PYTHONMALLOC": "malloc",  # so that every object has its own borders
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
    }
    assert Path(_run(sys.executable, "-c", PROBE, environment=environment).strip()) == library
    options = ("-p", "no:cacheprovider", "--timeout", "250", "-k", "not left_behind and not course")
    told = _run(sys.executable, "-m", "pytest", *options, str(LAWS), environment=environment)
    assert "passed" in told
    assert "skipped" not in told


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout
