"""The update rule without Python between its operations: recorded once per kind of input, the same bits as the rule.

A rollout is hundreds of small operations; sent one by one from Python they cost more than they compute. Recording uses
`torch.jit.trace`, which torch deprecates without an equal that starts in a tenth of a second (docs/adr/0006); where it
is gone, or gradients are wanted, the rule itself runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, nn

from npc_sdk.world.terrain import Terrain
from npc_sdk.world.update import Body, Near, Update

Step = Callable[[Body, Tensor, Tensor], tuple[Body, Tensor]]
Recorded = Callable[..., tuple[Tensor, ...]]

_recorded: WeakKeyDictionary[Update, dict[tuple[object, ...], Recorded]] = WeakKeyDictionary()


class _Plain(nn.Module):
    """The rule with tensors for arguments, as a recording needs them."""

    def __init__(self, update: Update, cell: float) -> None:
        super().__init__()
        self.update = update
        self.cell = cell

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """Takes the parts of what the rule takes, in its order; returns those of the next body, and the logits."""
        flat, base, shift, last, stride, corners = given[11:]
        terrain = Terrain(flat, base, shift, self.cell, last, stride, corners)
        body, logits = self.update(Body(*given[:6]), Near(*given[6:9]), given[9], given[10], terrain)
        return (*_parts(body), logits)


def step_of(
    update: Update,
    body: Body,
    near: Near,
    others: Float[Tensor, "*#r k 4"],
    aim: Float[Tensor, "*#r q"],
    terrain: Terrain,
) -> Step:
    """Returns the rule with `near` and `terrain` filled in; `body`, `others` and `aim` show what will be passed."""
    fixed_near = (near.heading, near.key, near.valid)
    fixed_map = (terrain.flat, terrain.base, terrain.shift, terrain.last, terrain.stride, terrain.corners)
    if torch.is_grad_enabled() or not hasattr(torch.jit, "trace"):
        return lambda now, around, aim: update(now, near, around, aim, terrain)
    given = (*_parts(body), *fixed_near, others, aim, *fixed_map)
    key = (others.device, others.shape[-2], terrain.cell, *(part.ndim for part in given))
    kept = _recorded.setdefault(update, {})
    if key not in kept:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kept[key] = torch.jit.trace(_Plain(update, terrain.cell), given, check_trace=False)
    run = kept[key]

    def step(now: Body, around: Tensor, aim: Tensor) -> tuple[Body, Tensor]:
        *parts, logits = run(*_parts(now), *fixed_near, around, aim, *fixed_map)
        return Body(*parts), logits

    return step


def _parts(body: Body) -> tuple[Tensor, ...]:
    return body.pose, body.heading, body.z, body.variance, body.clearance, body.slope
