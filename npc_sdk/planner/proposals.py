"""Which plans are tried: structured ones first, then last time's best, then coloured noise around both.

The noise depends on the seed, the NPC and the tick, never on the weights: common random numbers make steering monotone.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from npc_sdk.planner.motion import follow
from npc_sdk.planner.problem import PlannerConfig, Problem
from npc_sdk.tensors import FEATURES, Scene

FAMILIES = (
    "hold",
    "keep",
    "seek",
    "flank_left",
    "flank_right",
    "cover",
    "regroup",
    "home",
    "evade",
    "sample",
    "elite",
    "blend",
)
"""Where a candidate came from. Each of the first STRUCTURED is proposed once and keeps a seat among the verified."""
STRUCTURED = 9
_FOLLOWED = ("search", "flank_left", "flank_right", "cover", "regroup", "home")  # goals of the families from "seek" on
_STOP = 0.2  # m of way short of a goal
_BASES = ("keep", "seek", "keep", "cover", "keep", "flank_left", "keep", "flank_right", "hold", "seek")
_PACES = (1.0, 1.0, 0.6)  # samples also try their base more slowly
_SPREADS = (0.5, 1.0, 2.0)  # times the configured noise
_POOL = 4096


@lru_cache(maxsize=8)
def noise_pool(horizon: int, colour: float, device: torch.device) -> Float[Tensor, "p h 2"]:
    """Makes curves of unit variance whose power falls with frequency to `colour` (iCEM, Pinneri et al. 2020)."""
    generator = torch.Generator().manual_seed(20260711)
    white = torch.randn(_POOL, 2, horizon, generator=generator)
    frequency = torch.fft.rfftfreq(horizon)
    frequency[0] = frequency[1]
    spectrum = torch.fft.rfft(white) * frequency.pow(-colour / 2)
    curves: Tensor = torch.fft.irfft(spectrum, n=horizon)
    return (curves / curves.std()).transpose(1, 2).contiguous().to(device)  # p h 2


def draw(
    ids: Int[Tensor, " n"], tick: Int[Tensor, " n"], count: int, salt: int, config: PlannerConfig
) -> Float[Tensor, "n count h 2"]:
    """Draws noise curves that depend on nothing but seed, NPC, tick and salt."""
    pool = noise_pool(config.horizon, config.colour, ids.device)
    sample = torch.arange(count, device=ids.device)
    at = ids.long()[:, None] * 0x9E3779B1 + tick.long()[:, None] * 0x85EBCA77 + sample * 0xC2B2AE3D
    at = at + (((config.seed * 1_000_003 + salt) * 0x27D4EB2F) & 0x7FFFFFFF)  # a seed may be as large as it likes
    for _ in range(2):  # splitmix-like mixing in 31 bits, the same on every device
        at = at & 0x7FFFFFFF
        at = (at ^ (at >> 15)) * 0x2C1B3C6D
    at = (at & 0x7FFFFFFF) ^ ((at & 0x7FFFFFFF) >> 12)
    return pool[at % _POOL]


def structured(problem: Problem, scene: Scene, start: Float[Tensor, "n 4"], h: int) -> Float[Tensor, "n f h 2"]:
    """Makes one plan per family, in the order of FAMILIES, yet to be shaped."""
    body, dt = problem.bounds.body, problem.dt
    walked = follow(body, dt, start, [problem.fields.to(goal) for goal in _FOLLOWED], h, _STOP)
    before = problem.committed[problem.scene_index, problem.slot][:, :h]
    keep = torch.where(problem.planned[:, None, None], before, walked[:, 0])
    plain = torch.stack([torch.zeros_like(keep), keep, _evasion(problem, scene, start, h)], 1)  # n 3 h 2
    return torch.cat([plain[:, :2], walked, plain[:, 2:]], 1)  # n f h 2


def _evasion(problem: Problem, scene: Scene, start: Float[Tensor, "n 4"], h: int) -> Float[Tensor, "n h 2"]:
    """Runs straight away from the nearest grenade, or from the believed player where there is none."""
    at = problem.scene_index
    threat = scene.features[..., FEATURES.index("projectile")][at] > 0.5  # n e
    gap = start[:, None, :2] - scene.pose[at, :, :2]  # n e 2
    distance = torch.hypot(gap[..., 0], gap[..., 1]).masked_fill(~threat, 1e3)
    distance[:, 0] = distance[:, 0].clamp(max=1e2)  # slot 0 is the player: last in line
    away = torch.nn.functional.normalize(gap[torch.arange(len(at), device=at.device), distance.argmin(1)], dim=-1)
    return (away * problem.bounds.body.speed[:, None])[:, None].expand(-1, h, 2)


def sampled(
    problem: Problem, families: Float[Tensor, "n f h 2"], count: int, config: PlannerConfig
) -> Float[Tensor, "n count h 2"]:
    """Bends the structured plans by coloured noise."""
    device = families.device
    order = torch.arange(count, device=device)
    base = torch.tensor([FAMILIES.index(b) for b in _BASES], device=device)[order % len(_BASES)]
    pace = torch.tensor(_PACES, device=device, dtype=families.dtype)[order % len(_PACES)]
    spread = torch.tensor(_SPREADS, device=device, dtype=families.dtype)[(order // 2) % len(_SPREADS)]
    noise = draw(problem.ids, problem.tick, count, 0, config)
    size = config.noise * problem.bounds.body.speed[:, None, None, None] * spread[:, None, None]
    return families[:, base] * pace[:, None, None] + noise * size
