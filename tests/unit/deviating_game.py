"""A game in virtual time whose bodies need not do what is declared of them, and who knows where they did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from npc_bridge.ladder import Ladder
from npc_bridge.messages import RUNG_BRAKE, RUNG_CALLBACK, RUNG_NONE, Action, EntityBlock, Snapshot, encode
from npc_bridge.recording import ChannelId, Direction, Recorder
from npc_bridge.schema import Channel, EntityType, Field, Kinematics, Schema
from npc_sdk import audit
from npc_sdk.designer.board import Board
from npc_sdk.runtime import Breach, Orders, Runtime, RuntimeConfig, View
from npc_sdk.shield import ShieldConfig

HZ, DT = 30, 1 / 30
DECLARED = Kinematics(max_speed=4.0, max_acceleration=30.0, brake=30.0, radius=0.4, turn_rate=6.0)
TOP_SPEED = 5.0  # m/s, declared of the players
PLACE, PACE = 1e-3, 0.03  # m and m/s beyond which a tick's motion was not the one asked for
HALF = 14.0  # m, of the square


def the_schema(kinematics: Kinematics = DECLARED) -> Schema:
    pose = [Field(n, "m" if n in "xy" else "m/s", -40, 40, role=n) for n in ("x", "y", "vx", "vy")]
    alive = Field("alive", "1", 0, 1, role="alive", default=1)
    npc = (*pose, alive, Field("squad", "1", 0, 63, role="squad"))
    return Schema(
        game="deviant",
        tick_hz=HZ,
        coordinates="wire",
        bounds=(-HALF, -HALF, HALF, HALF),
        entities=(EntityType("player", "player", 2, (*pose, alive)), EntityType("npc", "npc", 8, npc)),
        channels=(Channel("move_x", "m/s", -8, 8), Channel("move_y", "m/s", -8, 8)),
        kinematics=kinematics,
    )


class Restless:
    """Wants another velocity every few model steps."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def decide(self, view: View) -> Orders:
        rows = np.flatnonzero(view.due)
        horizon = view.committed.shape[2]
        angle = self.rng.uniform(0, 2 * np.pi, (len(rows), horizon))
        speed = self.rng.choice([0.0, 2.0, 6.0], (len(rows), horizon))
        moves = np.stack([np.cos(angle), np.sin(angle)], -1) * speed[..., None]
        hands = np.zeros((len(view.slot), 4), np.float32)
        return Orders(rows, moves.astype(np.float32), hands, (None,) * len(rows))

    def forget(self, key: str) -> None:
        """Remembers nothing."""


@dataclass(frozen=True)
class Body:
    """What bodies really do: shares of the declared acceleration and brake, and of the change that is asked for."""

    pull: float = 1.0
    brake: float = 1.0
    zeal: float = 1.0  # above 1 it overshoots
    late_ticks: int = 0  # from a command to the motion

    def move(self, velocity: np.ndarray, command: np.ndarray) -> np.ndarray:
        change = command - velocity
        slower = np.hypot(*command.T) < np.hypot(*velocity.T)
        most = DT * np.where(slower, self.brake * DECLARED.brake, self.pull * DECLARED.max_acceleration)
        size = np.maximum(np.hypot(*change.T), 1e-12)
        return velocity + change * (self.zeal * np.minimum(1.0, most / size))[:, None]


@dataclass
class Played:
    """What happened, and what was said of it: sets of (tick of the snapshot that shows it, entity)."""

    true_k1: set[tuple[int, int]] = field(default_factory=set)
    true_k4: set[tuple[int, int]] = field(default_factory=set)
    breaches: list[Breach] = field(default_factory=list)
    judged: int = 0
    rungs: list[np.ndarray] = field(default_factory=list)
    spawns: int = 0
    rows: list[tuple[np.ndarray, ...]] = field(default_factory=list)
    commands: list[np.ndarray] = field(default_factory=list)

    def said(self, assumption: str) -> set[tuple[int, int]]:
        return {(b.tick, b.entity) for b in self.breaches if b.assumption == assumption}


@dataclass(frozen=True)
class Play:
    """What to play."""

    ticks: int = 300
    seed: int = 0
    body: Body = Body()
    npcs: int = 6
    lead: int = 2
    loss: float = 0.0  # share of chunks that get lost
    outage: int = 0  # every 100 ticks the brain's chunks get lost for so long
    spawns: float = 0.0  # share of NPC-ticks in which an NPC falls, to come back elsewhere
    rush: float = 0.0  # share of ticks in which a player is faster than declared
    leaps: float = 0.0  # share of ticks in which a player is put elsewhere
    every: int = 1  # ticks between the snapshots that the brain gets
    callback: bool = True


def play(what: Play, recorder: Recorder | None = None, schema: Schema | None = None) -> Played:
    """Plays a game under a rule about players and one about each other; every snapshot is answered."""
    schema = schema or the_schema()
    rng = np.random.default_rng(what.seed)
    board = Board()
    board.apply({"op": "add_rule", "rule": {"rule": "keep_away", "distance": 1.5, "top_speed": TOP_SPEED}})
    board.apply({"op": "add_rule", "rule": {"rule": "ally_distance", "distance": 1.0}})
    brain = Runtime(
        Restless(what.seed), lambda: board.snapshot, RuntimeConfig(lead_ticks=what.lead, horizon=10, stagger=False)
    )
    brain.register("g", schema)

    def own_script(tick: int, ids: np.ndarray, pose: np.ndarray) -> np.ndarray:
        return np.float32(pose[:, 2:] * 0.5)

    ladder = Ladder(schema, own_script if what.callback else None)
    ids = np.arange(101, 101 + what.npcs, dtype=np.uint32)
    place = np.stack([np.linspace(-10, 10, what.npcs), np.full(what.npcs, -9.0)], 1)
    pace, down = np.zeros((what.npcs, 2)), np.zeros(what.npcs, int)
    players, heading = np.array([[0.0, 6.0], [3.0, 8.0]]), rng.normal(size=(2, 2))
    player_pace = np.zeros((2, 2))
    asked = [np.zeros((what.npcs, 2)) for _ in range(what.body.late_ticks)]
    out, flying = Played(), list[Action]()
    for tick in range(what.ticks):
        alive = down == 0
        out.rows.append((place.copy(), pace.copy(), alive.copy(), players.copy()))
        blocks = {
            "player": EntityBlock(np.array([1, 2], np.uint32), np.float32(np.c_[players, player_pace, [1, 1]])),
            "npc": EntityBlock(ids, np.float32(np.c_[place, pace, alive, np.zeros(what.npcs)])),
        }
        snapshot = Snapshot(1, schema.schema_id, tick, round(tick * 1e6 / HZ), tick, blocks, ladder.executing)
        if ladder.session != 1:
            ladder.start(1)
        if recorder is not None:
            recorder.write(snapshot.time_us, Direction.UP, ChannelId.DATA, encode(snapshot, schema))
        if tick % what.every == 0 and alive.any():
            ((_, action, report),) = brain.tick([("g", snapshot)])
            out.breaches += report.findings.breaches
            out.judged += report.findings.judged
            if rng.random() >= what.loss and not tick % 100 >= 100 - what.outage:
                flying.append(action)
        for action in [a for a in flying if a.apply_tick <= tick]:
            flying.remove(action)
            ladder.accept(action)
            if recorder is not None:
                recorder.write(snapshot.time_us, Direction.DOWN, ChannelId.DATA, encode(action, schema))
        step = ladder.step(tick, ids, np.c_[place, pace], alive)
        out.rungs.append(step.rung)
        command = step.commands.astype(np.float64)
        out.commands.append(command)
        asked.append(command)
        before, place_before, players_before = alive, place, players
        pace = np.where(alive[:, None], what.body.move(pace, asked.pop(0)), 0.0)
        place = place + pace * DT
        falls = alive & (rng.random(what.npcs) < what.spawns)
        down = np.where(falls, 5, np.maximum(down - 1, 0))
        back = ~before & (down == 0)
        out.spawns += int(back.sum())
        place[back], pace[back] = rng.uniform(-10, 10, (int(back.sum()), 2)), 0.0
        wild = (np.hypot(*(place - place_before - command * DT).T) > PLACE) | (np.hypot(*(pace - command).T) > PACE)
        driven = ~np.isin(step.rung, (RUNG_CALLBACK, RUNG_NONE)) & before & (down == 0)
        out.true_k1 |= {(tick + 1, int(i)) for i in ids[wild & driven]}
        turn = rng.random(2) < 0.05
        heading[turn] = rng.normal(size=(int(turn.sum()), 2))
        inward = (np.abs(players) > HALF - 2) & (np.sign(players) == np.sign(heading))
        heading[inward] *= -1
        speed = TOP_SPEED * np.where(rng.random(2) < what.rush, rng.uniform(1.05, 2.0, 2), rng.uniform(0.0, 1.0, 2))
        player_pace = heading / np.hypot(*heading.T)[:, None] * speed[:, None]
        players = players + player_pace * DT
        leap = rng.random(2) < what.leaps
        players = np.where(leap[:, None], rng.uniform(-10, 10, (2, 2)), players)
        hasty = np.hypot(*(players - players_before).T) > TOP_SPEED * DT + PLACE
        out.true_k4 |= {(tick + 1, i + 1) for i in np.flatnonzero(hasty).tolist()}
    out.rows.append((place.copy(), pace.copy(), (down == 0).copy(), players.copy()))
    for true in (out.true_k1, out.true_k4):
        true -= {(tick, who) for tick, who in true if tick == what.ticks}  # no snapshot shows the last motion
    return out


def judged(played: Played, declared: Kinematics = DECLARED) -> audit.AuditReport:
    """Has the independent checker judge what was executed."""
    place, pace, alive, players = (np.stack(column) for column in zip(*played.rows, strict=True))
    n = place.shape[1]
    driver = np.stack(played.rungs)
    trace = audit.Trace(
        ids=np.arange(101, 101 + n, dtype=np.uint32),
        position=place,
        velocity=pace,
        command=np.stack(played.commands),
        alive=alive,
        driver=driver,
        attacks=np.zeros((*driver.shape, 2), np.bool_),
        hold_fire=np.zeros(len(driver), np.bool_),
        hold_known=np.zeros(driver.shape, np.bool_),
        others=players,
    )
    everybody = np.ones(n, np.bool_)
    square = np.array([(-HALF, -HALF), (HALF, -HALF), (HALF, HALF), (-HALF, HALF)])
    limits = audit.Limits(
        dt=DT,
        radius=np.full(n, declared.radius),
        speed=np.full(n, declared.max_speed),
        acceleration=np.full(n, declared.max_acceleration),
        brake=np.full(n, declared.max_acceleration - (ShieldConfig().velocity_tolerance + 1e-6) / DT),
        home=np.zeros((n, 2)),
        leash=np.full(n, np.inf),
        spacing=np.where(np.eye(n, dtype=bool), 0.0, 1.0),
        hold_fire=np.zeros(n, np.bool_),
        zones=(audit.Zone("bounds", "bounds", square, True, everybody),),
        apart=(audit.Apart("keep_away", 1.5, TOP_SPEED, False, everybody, (0, 1)),),
    )
    return audit.audit(trace, limits)


def precision_and_recall(true: set[tuple[int, int]], said: set[tuple[int, int]]) -> tuple[float, float]:
    """Of what was said, the share that is true; of what is true, the share that was said."""
    both = len(true & said)
    return both / max(1, len(said)), both / max(1, len(true))


def on(rungs: Sequence[np.ndarray], rung: int = RUNG_BRAKE) -> int:
    """Counts NPC-ticks on a rung."""
    return int((np.stack(rungs) == rung).sum())
