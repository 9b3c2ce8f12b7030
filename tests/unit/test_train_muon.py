"""Muon in float32 steps as torch's own does in bfloat16."""

from __future__ import annotations

import pytest
import torch

from npc_sdk.train.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(96, 119), (105, 96), (2, 32)])
def test_it_steps_as_torchs_own_does(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(sum(shape))
    start = torch.randn(shape, generator=generator)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    optimizers = (
        Muon([ours], 4e-3),
        torch.optim.Muon([theirs], lr=4e-3, weight_decay=0.0, momentum=0.9, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(5):
        gradient = torch.randn(shape, generator=generator)
        for matrix, optimizer in zip((ours, theirs), optimizers, strict=True):
            matrix.grad = gradient.clone()
            optimizer.step()
    moved = (theirs - start).norm()
    assert moved > 0.01
    assert (ours - theirs).norm() < 0.02 * moved  # bfloat16 keeps three digits


def test_singular_values_come_near_one() -> None:
    found = torch.linalg.svdvals(orthogonal(torch.randn(40, 90, generator=torch.Generator().manual_seed(1))))
    assert found.min() > 0.6
    assert found.max() < 1.3


def test_a_matrix_without_a_gradient_stays() -> None:
    matrix = torch.ones(3, 4, requires_grad=True)
    Muon([matrix], 0.1).step()
    assert torch.equal(matrix, torch.ones(3, 4))
