"""Twin: the planner's grids say about the rules what the constraints' own margins say, outside a narrow band."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from planner_toy import ARENA, RADIUS, random_blocks, random_toy

from npc_sdk.constraints import AllyDistance, KeepIn, KeepOut, Leash, RuleTables, compile_rules, shape_clearance
from npc_sdk.constraints.compile import KIND
from npc_sdk.constraints.margins import margins
from npc_sdk.geometry import grid_points
from npc_sdk.objectives.situation import Lookup
from npc_sdk.planner.problem import Bounds, PlannerConfig
from npc_sdk.planner.score import TRUSTED, breaches
from npc_sdk.tensors import Grids
from npc_sdk.world.forecast import Decision

CELL = 0.25
BAND = 0.15  # m; a bilinear 0.25 m grid rounds corners by up to this


@dataclass(frozen=True)
class Kinematics:
    max_speed: float = 4.0
    max_acceleration: float = 16.0
    brake: float = 16.0
    radius: float = RADIUS
    cell: float = 0.0
    diagonals: bool = False
    kind: str = "velocity"
    turn_rate: float = 6.0


RULES = (
    KeepOut("vault", ((-11.0, -11.0), (-6.0, -11.0), (-6.0, -7.0), (-8.5, -8.5), (-11.0, -7.0))),
    KeepIn("yard", ((-11.5, -11.5), (11.0, -11.0), (11.5, 11.5), (0.0, 9.0), (-11.0, 11.0))),
    Leash("home", 6.0),
    AllyDistance("space", 1.2),
)


def bounds_of(tables: RuleTables, toy_bounds: Bounds) -> Bounds:
    points = grid_points(ARENA, CELL)
    clear = shape_clearance(tables, points.reshape(-1, 2)).min(1).reshape(points.shape[:2]) - RADIUS
    grid = Grids(torch.tensor(clear[None], dtype=torch.float32), torch.tensor([ARENA[:2]]), CELL)
    n = len(tables.ids)
    return replace(
        toy_bounds,
        free=Lookup(grid, torch.zeros(n, dtype=torch.long)),
        leash=torch.tensor(tables.leash, dtype=torch.float32),
        spacing=torch.tensor(tables.spacing.max(1), dtype=torch.float32),
    )


def test_grids_and_exact_margins_give_one_verdict() -> None:
    agreed = broken = 0
    for seed in range(4):
        toy = random_toy(seed, scenes=1, squad=4)
        blocks = [replace(b, name=f"b{i}") for i, b in enumerate(random_blocks(seed * 100))]
        homes = toy.problem.home.double().numpy()
        tables = compile_rules(
            RULES,
            ids=np.arange(4) + 101,
            squads=np.zeros(4),
            homes=homes,
            kinematics=Kinematics(),
            walls=blocks,
            bounds=ARENA,
            dt=1 / 30,
        )
        generator = torch.Generator().manual_seed(seed)
        drift = torch.randn(4, 24, 1, 2, generator=generator) * 2
        moves = (drift + torch.randn(4, 24, 20, 2, generator=generator)).clamp(-2.8, 2.8)
        decision = Decision(toy.problem.scene_index, toy.problem.slot, moves, toy.problem.committed)
        future = toy.forecast.imagine(toy.memory, toy.scene, decision, "duet")
        problem = replace(toy.problem, bounds=bounds_of(tables, toy.problem.bounds))
        depth = breaches(problem, toy.scene, future, PlannerConfig()).numpy()  # ground, leash, spacing
        start = toy.scene.pose[0, 1:5].double().numpy()
        others = np.repeat(start[:, None, :2], 20, 1)  # nobody has committed to moving
        exact = np.stack(
            [
                margins(
                    tables,
                    np.array([i]),
                    future.own[i : i + 1, ..., :2].double().numpy(),
                    moves[i : i + 1].double().numpy(),
                    start[i : i + 1, 2:],
                    0.1,
                    np.delete(others, i, 0),
                    np.delete(np.arange(4), i),
                )[0]  # s h kinds
                for i in range(4)
            ]
        )
        ground = exact[..., [KIND[k] for k in ("wall", "bounds", "keep_out", "keep_in")]].min((2, 3))
        leash, spacing = exact[..., KIND["leash"]].min(2), exact[:, :, :TRUSTED, KIND["spacing"]].min(2)
        for column, margin in enumerate((ground, leash, spacing)):
            told = depth[..., column] > 0
            bad, good = margin < -BAND, margin > BAND
            assert told[bad].all(), column
            if column:  # the planner also looks between the steps and past the end, so it may see more of the ground
                assert not told[good].any(), column
            agreed += int((bad | good).sum())
            broken += int(bad.sum())
    assert agreed > 500
    assert 100 < broken < agreed - 100
