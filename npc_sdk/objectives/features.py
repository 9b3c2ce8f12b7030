"""Evaluates terms on a situation. Features, not costs, are kept, so that new weights need no new rollout."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from npc_sdk.objectives.expression import Expression, Name, Node, Number
from npc_sdk.objectives.norms import NORM, finite
from npc_sdk.objectives.quantities import Quantities
from npc_sdk.objectives.situation import Situation
from npc_sdk.objectives.terms import TermSet

Value = Tensor | float  # constants stay plain numbers until they meet a tensor


def features(situation: Situation, terms: TermSet) -> Float[Tensor, "n s M"]:
    """Returns each term's mean over the steps of norm(residual / unit), for every candidate; early steps count most."""
    quantities = Quantities(situation)
    n, s, h = situation.own.shape[:3]
    counts = torch.exp(torch.arange(h, device=situation.own.device) * (-situation.dt / situation.patience))
    counts = (counts / counts.sum()).to(situation.own)
    columns = []
    for t in terms.terms:
        residual = evaluate(t.expression, quantities, situation.own)
        cost = NORM[t.norm](residual / t.unit)
        columns.append(cost.expand(n, s, h) @ counts)
    return finite(torch.stack(columns, -1)) if columns else situation.own.new_zeros(n, s, 0)


def evaluate(expression: Expression, lookup: Callable[[str], Tensor], like: Tensor) -> Tensor:
    """Evaluates an expression; the result broadcasts with the quantities and has the dtype and device of `like`."""
    value = _value(expression.root, lookup)
    return value if isinstance(value, Tensor) else like.new_tensor(value)


def _value(node: Node, lookup: Callable[[str], Tensor]) -> Value:
    match node:
        case Number(value):
            return value
        case Name(name):
            return lookup(name)
    values = [_value(argument, lookup) for argument in node.arguments]
    if all(isinstance(v, float) for v in values):
        values = [torch.tensor(v, dtype=torch.float64) for v in values]
        return float(_APPLY[node.operator](*values))
    like = next(v for v in values if isinstance(v, Tensor))
    return _APPLY[node.operator](*(v if isinstance(v, Tensor) else like.new_tensor(v) for v in values))


def _least(*values: Tensor) -> Tensor:
    low = values[0]
    for value in values[1:]:
        low = torch.minimum(low, value)
    return low


def _most(*values: Tensor) -> Tensor:
    high = values[0]
    for value in values[1:]:
        high = torch.maximum(high, value)
    return high


_APPLY: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "**": torch.pow,
    "neg": torch.neg,
    "<": lambda a, b: (a < b).to(a.dtype),
    "<=": lambda a, b: (a <= b).to(a.dtype),
    ">": lambda a, b: (a > b).to(a.dtype),
    ">=": lambda a, b: (a >= b).to(a.dtype),
    "min": _least,
    "max": _most,
    "abs": torch.abs,
    "relu": torch.relu,
    "sqrt": lambda a: a.clamp_min(0).sqrt(),
    "exp": torch.exp,
    "log": torch.log,
    "sin": torch.sin,
    "cos": torch.cos,
    "hypot": torch.hypot,
    "clip": lambda a, low, high: torch.minimum(torch.maximum(a, low), high),
    "where": lambda condition, a, b: torch.where(condition != 0, a, b),
}
