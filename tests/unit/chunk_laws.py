"""What holds of every chunk that the shield certifies, whatever it was asked for."""

from __future__ import annotations

import numpy as np

from npc_sdk.shield import Certified, Movers
from npc_sdk.shield.brake import segment_end


def hangs_together(answer: Certified, movers: Movers, dt: float) -> None:
    """Each step starts where the one before it ends, and its points are there and where the brake after it ends."""
    here, now = answer.expected[..., :2], answer.expected[..., 2:]
    np.testing.assert_array_equal(answer.expected[:, 0], np.concatenate([movers.position, movers.velocity], 1))
    np.testing.assert_array_equal(now[:, 1:], answer.velocities[:, :-1])
    np.testing.assert_allclose(here[:, 1:], (here + answer.velocities * dt)[:, :-1], rtol=0.0, atol=1e-12)
    np.testing.assert_array_equal(answer.points[:, :, 0], here)
    ends = segment_end(here, answer.velocities, answer.brake[:, None], dt)
    np.testing.assert_allclose(answer.points[:, :, 1], ends, rtol=0.0, atol=1e-12)
