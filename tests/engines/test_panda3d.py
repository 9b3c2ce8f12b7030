"""The Python client in Panda3D, drawn by its software renderer: no display, no graphics card."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from yard import play

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "04_panda3d_yard.py"


@pytest.mark.timeout(300)
def test_a_yard_is_planned_steered_and_outlives_its_brain(tmp_path: Path) -> None:
    picture = tmp_path / "yard.png"
    command = [sys.executable, str(EXAMPLE)]
    play("Panda3D", version("panda3d"), lambda endpoint: [*command, endpoint, "600", str(picture)])
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    assert pixels.shape == (512, 768, 3)
    coats = pixels.max(2) - pixels.min(2) > 90  # nothing else is as colourful, whatever leads them
    assert 300 < coats.sum() < 10_000, "four guards"
