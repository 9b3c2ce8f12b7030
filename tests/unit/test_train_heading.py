"""What the heading costs in training: about its angle, and early steps most."""

from __future__ import annotations

import math

import torch

from npc_sdk.train.dataset import Truth
from npc_sdk.train.losses import _pose_parts
from npc_sdk.world.rollout import Rolled

H = 20


def cost(turned: dict[int, float]) -> float:
    """The part for a heading that is right but at some steps, where it is turned by an angle."""
    angle = torch.zeros(1, H)
    for step, by in turned.items():
        angle[0, step] = by
    still, ahead = torch.zeros(1, 1, H, 4), torch.tensor([1.0, 0.0]).expand(1, H, 2)
    heading = torch.stack([angle.cos(), angle.sin()], -1)
    rolled = Rolled(still, heading, torch.zeros(1, H, 1), torch.ones(1, H), torch.zeros(1, H, 2))
    nobody = torch.zeros(1, H, 1)
    truth = Truth(still[:, 0], ahead, torch.ones(1, H, dtype=torch.bool), torch.zeros(1, H), nobody, nobody)
    return float(_pose_parts(rolled, truth, torch.ones(1, H))["heading"])


def test_an_early_turn_missed_costs_more_than_a_late_one() -> None:
    right, early, late = cost({}), cost({0: 0.5}), cost({H - 1: 0.5})
    assert early - right > 4 * (late - right) > 0.0


def test_small_and_large_angles_cost_in_proportion() -> None:
    right = cost({})
    small, large = cost(dict.fromkeys(range(H), 0.3)) - right, cost(dict.fromkeys(range(H), 1.2)) - right
    assert math.isclose(large / small, 4.0, rel_tol=0.1)
