"""An episode of somebody else's world: led by a brain over the wire or by a script, written down, and judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from npc_bridge.client import Client
from npc_bridge.ladder import Fallback, LadderResult
from npc_bridge.messages import RUNG_CALLBACK, RUNG_NONE, RUNG_PLAN, RUNG_TAIL, Executing, Snapshot, encode
from npc_bridge.recording import ChannelId, Direction, Recorder
from npc_sdk import audit
from npc_sdk.constraints import Rule
from npc_sdk.envs.pettingzoo import BorrowedGame
from npc_sdk.envs.pettingzoo.scripts import Script
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments import zoo
from npc_sdk.shield import ShieldConfig

Floats = NDArray[np.float64]

SUFFIX = ".npcrec"
GREETING_S = 2.0  # to wait for a session before an episode begins
PATIENCE_S = 1.0  # for an answer, where the world goes at the brain's pace
_LOOK_S = 5e-4  # between looks for an answer


class Leader(Protocol):
    """Who leads the NPCs of one episode."""

    def lead(self, tick: int) -> LadderResult:
        """Says what each NPC does in this tick."""

    def show(self, tick: int, astray: NDArray[np.bool_]) -> None:
        """Sees the world as a tick begins; `astray` were moved otherwise than told in the tick before."""

    def close(self) -> None:
        """The episode is over."""


class Alone:
    """A script, without a brain. What it would have shown to one is recorded.

    Args:
        game: after its reset.
        script: of the NPCs.
        record: file to write, None for none.
    """

    def __init__(self, game: BorrowedGame, script: Script, record: Path | None = None) -> None:
        self._game = game
        self._script = script
        self._recorder = None if record is None else Recorder(record, game.schema)
        self._sequence = 0

    def lead(self, tick: int) -> LadderResult:
        """Says what the script makes of it."""
        rung = np.where(self._game.alive, RUNG_CALLBACK, RUNG_NONE).astype(np.uint8)
        nothing = np.zeros(len(rung), np.uint32)
        return LadderResult(self._script().astype(np.float32), rung, nothing, nothing.astype(np.uint16))

    def show(self, tick: int, astray: NDArray[np.bool_]) -> None:
        """Writes the snapshot that would have been sent."""
        if self._recorder is None:
            return
        schema, time_us = self._game.schema, round(tick * 1e6 / self._game.schema.tick_hz)
        snapshot = Snapshot(1, schema.schema_id, tick, time_us, self._sequence, self._game.blocks())
        self._recorder.write(time_us, Direction.UP, ChannelId.DATA, encode(snapshot, schema))
        self._sequence += 1

    def close(self) -> None:
        """Closes the recording."""
        if self._recorder is not None:
            self._recorder.close()


class Led:
    """A brain at the other end of the wire, and a script for NPCs that it has no plan for.

    Waits for each answer: the world stands still meanwhile.

    Args:
        game: after its reset.
        endpoint: of the brain's data channel.
        script: of NPCs without a plan; without it they brake.
        record: file to write, None for none.
        fast: goes at the brain's pace: on as soon as the answer is there, and not before. Else a tick takes a tick.
    """

    def __init__(
        self,
        game: BorrowedGame,
        endpoint: str,
        script: Script | None = None,
        record: Path | None = None,
        *,
        fast: bool = False,
    ) -> None:
        self._game = game
        self._fast = fast
        self._recorder = None if record is None else Recorder(record, game.schema)
        fallback = None if script is None else self._of(script)
        self.client = Client(endpoint, game.schema, fallback=fallback, recorder=self._recorder)
        self._due_s = time.monotonic()

    def _of(self, script: Script) -> Fallback:
        def fallback(tick: int, ids: NDArray[np.uint32], pose: NDArray[np.float32]) -> NDArray[np.float32]:
            return script()[np.isin(self._game.ids, ids)].astype(np.float32)

        return fallback

    def lead(self, tick: int) -> LadderResult:
        """Takes the last hop."""
        return self.client.step(tick, self._game.ids, self._game.pose, self._game.alive)

    def show(self, tick: int, astray: NDArray[np.bool_]) -> None:
        """Sends a snapshot and waits for the answer. Before the first it waits for the session."""
        if tick == 0:
            self._greet()
        self._due_s += self._game.schema.dt
        deadline_s = time.monotonic() + PATIENCE_S if self._fast else self._due_s
        if self.client.push(tick, self._game.blocks(), executed(self.client.ladder.executing, self._game.ids[astray])):
            while not any(action.source_tick >= tick for action in self.client.poll()):
                if time.monotonic() >= deadline_s:
                    break
                time.sleep(_LOOK_S)
        else:
            self.client.poll()
        if self._fast:
            self._due_s = time.monotonic()
        time.sleep(max(0.0, self._due_s - time.monotonic()))

    def _greet(self) -> None:
        deadline = time.monotonic() + GREETING_S
        while not self.client.session and time.monotonic() < deadline:
            self.client.poll()
            time.sleep(_LOOK_S)
        self._due_s = time.monotonic()

    def close(self) -> None:
        """Leaves the brain, and closes the recording."""
        self.client.close()
        if self._recorder is not None:
            self._recorder.close()


def executed(ran: Executing, astray: NDArray[np.uint32]) -> Executing:
    """Says what NPCs did: those whom the world moved otherwise than told were in the game's hands, on its callback."""
    theirs = np.isin(ran.ids, astray)
    return Executing(
        ran.ids,
        np.where(theirs, 0, ran.chunk).astype(np.uint32),
        np.where(theirs, 0, ran.step).astype(np.uint16),
        np.where(theirs, RUNG_CALLBACK, ran.rung).astype(np.uint8),
    )


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
