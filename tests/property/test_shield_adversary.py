"""The adversary's teeth: it finds the hole in a broken shield, and goes downhill on the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from npc_sdk.experiments import adversary
from npc_sdk.shield import Certified, certify

pytest.importorskip("cmaes")


def late(*args: Any, **more: Any) -> Certified:
    """A shield that lets the first step through as it is wished, at up to the body's speed."""
    answer = certify(*args, **more)
    tables, wish = args[1], args[3]
    size = np.maximum(np.hypot(wish[..., 0], wish[..., 1]), 1e-9)[..., None]
    bare = wish * np.minimum(1.0, tables.speed[:, None, None] / size)
    return replace(answer, velocities=np.where(np.arange(wish.shape[1])[:, None] == 0, bare, answer.velocities))


def test_a_search_finds_the_hole_in_a_broken_shield() -> None:
    assert min(adversary.search(index, 0, 12, late).margin for index in range(3)) < 0.0


def test_a_search_goes_downhill() -> None:
    setting = adversary.game(1, 0)
    size = 2 * adversary.KNOTS * (len(setting.ids) + len(setting.others))
    at_rest, _ = adversary.judge(setting, 1, np.zeros(size))
    assert 0.0 <= adversary.search(1, 0, 30).margin < at_rest


def test_a_script_says_the_same_every_time() -> None:
    found = adversary.search(2, 0, 8)
    assert adversary.judge(adversary.game(2, 0), 2, found.numbers)[0] == found.margin
