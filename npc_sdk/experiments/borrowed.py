"""An episode of somebody else's world: played, written down, judged by the audit, and summed up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import RUNG_PLAN, RUNG_TAIL
from npc_sdk import audit
from npc_sdk.constraints import Rule
from npc_sdk.envs.pettingzoo import BorrowedGame
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments import zoo
from npc_sdk.experiments.leaders import Leader
from npc_sdk.shield import ShieldConfig

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Diary:
    """What happened in an episode, row by row; one more of states than of ticks."""

    ids: NDArray[np.uint32]
    dt: float
    pose: list[Floats] = field(default_factory=list)  # n 4
    alive: list[NDArray[np.bool_]] = field(default_factory=list)
    players: list[Floats] = field(default_factory=list)  # p 4
    present: list[NDArray[np.bool_]] = field(default_factory=list)  # p
    command: list[Floats] = field(default_factory=list)  # n 2
    rung: list[NDArray[np.uint8]] = field(default_factory=list)
    astray: list[NDArray[np.bool_]] = field(default_factory=list)
    reward: list[float] = field(default_factory=list)
    over: bool = False  # the world ended it

    def state(self, game: BorrowedGame) -> None:
        """Notes where everybody is."""
        self.pose.append(game.pose)
        self.alive.append(game.alive)
        self.players.append(game.players)
        self.present.append(game.present)

    def distances(self) -> Floats:
        """From each NPC to the nearest player, m, where both are there: q."""
        found = [np.zeros(0)]
        for pose, alive, players, here in zip(self.pose, self.alive, self.players, self.present, strict=True):
            if here.any() and alive.any():
                found.append(np.linalg.norm(players[here, :2] - pose[alive, None, :2], axis=2).min(1))
        return np.concatenate(found)

    def trace(self) -> audit.Trace:
        """Returns it as the audit wants it."""
        ticks, n = len(self.command), len(self.ids)
        pose = np.stack(self.pose)
        return audit.Trace(
            ids=self.ids,
            position=pose[..., :2],
            velocity=pose[..., 2:],
            command=np.stack(self.command),
            alive=np.stack(self.alive),
            driver=np.stack(self.rung),
            attacks=np.zeros((ticks, n, 2), np.bool_),
            hold_fire=np.zeros(ticks, np.bool_),
            hold_known=np.zeros((ticks, n), np.bool_),
            others=np.stack(self.players)[..., :2],
        )


def play(game: BorrowedGame, leader: Leader, ticks: int, look: Callable[[BorrowedGame], None] | None = None) -> Diary:
    """Plays an episode that has been reset, to its end or for so many ticks; `look` sees every state."""
    look = look or (lambda _: None)
    diary = Diary(game.ids, game.schema.dt)
    diary.state(game)
    look(game)
    leader.show(0, np.zeros(len(game.ids), np.bool_))
    for tick in range(ticks):
        done = leader.lead(tick)
        stepped = game.step(done.commands)
        diary.command.append(done.commands.astype(np.float64))
        diary.rung.append(done.rung)
        diary.astray.append(stepped.astray)
        diary.reward.append(stepped.reward)
        diary.state(game)
        look(game)
        if game.over:
            diary.over = True
            break
        leader.show(tick + 1, stepped.astray)
    return diary


def judge(game: BorrowedGame, diary: Diary, rules: Sequence[Rule]) -> audit.AuditReport:
    """Returns the audit's word on an episode, by the rules and by what the schema declares.

    Raises:
        ConstraintError: a rule about a persona: what a game cannot know, it cannot judge.
    """
    for rule in rules:
        if isinstance(rule.who, str) and rule.who.startswith("persona:"):
            raise ConstraintError(f"rule '{rule.name}', key 'who': expected NPCs, got {rule.who!r}", [rule.name])
    trace, schema = diary.trace(), game.schema
    setting = zoo.Setting(
        rules=tuple(rules),
        walls=tuple(zoo.Outline(wall.name, "wall", wall.vertices) for wall in schema.polygons),
        bounds=schema.bounds,
        body=_body(game),
        dt=schema.dt,
        ids=diary.ids,
        squads=np.zeros(len(diary.ids), np.int64),
        homes=game.homes,
        config=ShieldConfig(),
        position=trace.position[0],
        velocity=trace.velocity[0],
        others=trace.others[0],
        top_speed=0.0,
        steps=0,
        lead=0,
        loss=0.0,
        delay=0,
        obstinate=0.0,
        single=False,
    )
    limits = zoo.limits(setting)
    everybody = tuple(range(trace.others.shape[1]))  # others are players, all of them
    return audit.audit(trace, replace(limits, apart=tuple(replace(a, whom=everybody) for a in limits.apart)))


def _body(game: BorrowedGame) -> zoo.Body:
    body = game.world.body
    return zoo.Body(
        body.max_speed, body.max_acceleration, body.brake, body.radius, body.cell, body.diagonals, body.kind
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What several episodes come to."""

    episodes: int
    ticks: int
    ended: int  # episodes that the world ended
    distance_m: float  # of an NPC from the nearest player, mean
    distances_m: tuple[float, ...]  # the same of each episode
    near_share: float  # of these distances below a metre
    reward: float  # per NPC and tick, as the world counts it
    planned: float  # share of NPC-ticks on a plan or its tail
    astray: float  # share of NPC-ticks in which the world moved an NPC otherwise than told


def figures(diaries: Sequence[Diary]) -> Figures:
    """Sums episodes up."""
    distance = np.concatenate([diary.distances() for diary in diaries])
    rung = np.concatenate([np.concatenate(diary.rung) for diary in diaries])
    astray = np.concatenate([np.concatenate(diary.astray) for diary in diaries])
    return Figures(
        episodes=len(diaries),
        ticks=sum(len(diary.rung) for diary in diaries),
        ended=sum(diary.over for diary in diaries),
        distance_m=float(distance.mean()) if len(distance) else float("nan"),
        distances_m=tuple(float(d.distances().mean()) if len(d.distances()) else float("nan") for d in diaries),
        near_share=float((distance < 1.0).mean()) if len(distance) else float("nan"),
        reward=float(np.mean([r for diary in diaries for r in diary.reward])),
        planned=float(np.isin(rung, (RUNG_PLAN, RUNG_TAIL)).mean()),
        astray=float(astray.mean()),
    )
