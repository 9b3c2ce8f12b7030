"""A small game for the shield's tests: random places and rules, hostile wishes, and a link that loses and delays.

Its last hop is written anew here, and nastier than the real one: it may brake at any step and run any held chunk that
matches, because the certificate promises that none of this matters.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npc_sdk import audit
from npc_sdk.constraints import KINDS, AllyDistance, HoldFire, KeepIn, KeepOut, Leash, RuleTables, compile_rules
from npc_sdk.constraints.clearance import is_simple
from npc_sdk.shield import Certified, Movers, Outstanding, ShieldConfig, certify

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outline:
    name: str
    kind: str
    vertices: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Body:
    max_speed: float
    max_acceleration: float
    brake: float
    radius: float


@dataclass(frozen=True)
class Setting:
    """One random game: what is declared, where the NPCs start, how bad the link is."""

    tables: RuleTables
    config: ShieldConfig
    position: Floats
    velocity: Floats
    steps: int
    lead: int
    loss: float
    delay: int
    obstinate: float  # share of NPC-ticks that brake for no reason
    single: bool  # the engine keeps float32 positions
    chase: bool = False  # every NPC runs at another, a new one every so often
    kidnaps: float = 0.0  # share of NPC-ticks in which the game's own behaviour takes over for a while


@dataclass
class Chunk:
    apply: int
    certified: Certified
    arrives: int
    flag: bool  # hold-fire, as the decision knew it


@dataclass
class Result:
    trace: audit.Trace
    report: audit.AuditReport
    unguarded: int = 0
    steps: int = 0
    answers: list[Certified] = field(default_factory=list)


def star(
    rng: np.random.Generator, centre: Floats, low: float, high: float, corners: int
) -> tuple[tuple[float, float], ...]:
    """A simple polygon, usually concave, sometimes with needles."""
    while True:
        angles = np.sort(rng.uniform(0.0, 2.0 * np.pi, corners))
        if np.max(np.diff(np.append(angles, angles[0] + 2 * np.pi))) > 0.95 * np.pi:
            continue
        radii = rng.uniform(low, high, corners)
        if rng.random() < 0.3:
            radii[rng.integers(corners)] *= 3.0 if low > 0.2 * high else 1.0
        points = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        if is_simple(points):
            return tuple((float(x), float(y)) for x, y in points)


def sliver(rng: np.random.Generator, centre: Floats, length: float) -> tuple[tuple[float, float], ...]:
    """A wall about a thousandth as thick as it is long."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * length
    across = np.array([-np.sin(angle), np.cos(angle)]) * length * 1e-3
    points = [centre - along, centre + along, centre + along + across]
    return tuple((float(x), float(y)) for x, y in points)


def make_setting(
    seed: int, dt: float = 1 / 30, speed: float = 4.0, acceleration: float = 16.0, size: float = 1.0
) -> Setting:
    """Draws a game. Lengths scale with what an NPC needs to stop; starts are those that the shield admits."""
    rng = np.random.default_rng(seed)
    stop = speed * speed / (2.0 * acceleration) + speed * dt
    unit = stop + 0.5 * speed * dt
    radius = float(rng.choice([0.02, 0.2, 0.5])) * unit
    half = size * 7.0 * unit + 4.0 * radius
    bounds = (-half, -half, half, half)
    walls = []
    for k in range(int(rng.integers(1, 5))):
        centre = rng.uniform(-half, half, 2)
        shape = sliver(rng, centre, 2.0 * unit) if rng.random() < 0.4 else star(rng, centre, 0.3 * unit, 1.5 * unit, 7)
        walls.append(Outline(f"wall {k}", "wall", shape))
    n = int(rng.integers(2, 7))
    ids = np.arange(101, 101 + n, dtype=np.uint32)
    rules: list[Any] = [HoldFire("cutscene")]
    if rng.random() < 0.7:
        rules.append(KeepOut("pit", star(rng, rng.uniform(-half, half, 2), 0.5 * unit, 2.0 * unit, 9)))
    if rng.random() < 0.5:
        rules.append(
            KeepIn("room", star(rng, np.zeros(2), 0.6 * half, 1.3 * half, 11), tuple(ids[: n // 2 + 1].tolist()))
        )
    spacing = float(rng.uniform(0.5, 1.5)) * unit + 2 * radius
    if rng.random() < 0.9:
        rules.append(AllyDistance("spread", spacing))
    config = ShieldConfig(
        tolerance=0.01 * unit, velocity_tolerance=0.05 * acceleration * dt, eps=max(1e-3 * unit, 1e-6)
    )
    homes = rng.uniform(-half, half, (n, 2))
    if rng.random() < 0.5:
        rules.append(Leash("post", float(rng.uniform(2.0, 5.0)) * unit))
    body = Body(speed, acceleration, acceleration, radius)
    everything: dict[str, Any] = {"kinematics": body, "walls": walls, "bounds": bounds, "dt": dt}
    place, motion, keep = np.zeros((0, 2)), np.zeros((0, 2)), []
    tables = compile_rules(rules, ids=ids, squads=np.zeros(n), homes=homes, **everything)
    for k in range(n):
        for _ in range(60):
            here = homes[k] + rng.uniform(-1, 1, 2) * 3.0 * unit
            heading = rng.uniform(0, 2 * np.pi)
            now = rng.uniform(0, speed) * np.array([np.cos(heading), np.sin(heading)])
            trial = Movers(ids[[*keep, k]], np.vstack([place, here]), np.vstack([motion, now]))
            verdict = certify(trial, tables, Outstanding(), np.zeros((len(keep) + 1, 1, 2)), config=config)
            if verdict.guarded.all():
                place, motion, keep = trial.position, trial.velocity, [*keep, k]
                break
    ids, homes = ids[keep], homes[keep]
    tables = compile_rules(rules, ids=ids, squads=np.zeros(len(keep)), homes=homes, **everything)
    return Setting(
        tables=tables,
        config=config,
        position=place,
        velocity=motion,
        steps=int(rng.integers(2, 9)),
        lead=int(rng.integers(0, 4)),
        loss=float(rng.choice([0.0, 0.1, 0.4])),
        delay=int(rng.integers(0, 5)),
        obstinate=float(rng.choice([0.0, 0.03])),
        single=bool(rng.random() < 0.5),
    )


def make_crowd(seed: int) -> Setting:
    """Draws a game of NPCs among themselves, with a bad link."""
    rng = np.random.default_rng(seed)
    ids = np.arange(101, 107, dtype=np.uint32)
    tables = compile_rules(
        [AllyDistance("spread", 1.0), HoldFire("cutscene")],
        ids=ids,
        squads=np.zeros(6),
        homes=np.zeros((6, 2)),
        kinematics=Body(6.0, 50.0, 50.0, 0.1),
        walls=[],
        bounds=(-5.0, -5.0, 5.0, 5.0),
        dt=1 / 30,
    )
    angle = rng.uniform(0, 0.5) + np.arange(6) * np.pi / 3
    place = 4.0 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return Setting(tables, ShieldConfig(0.005, 0.02), place, np.zeros((6, 2)), 12, 2, 0.6, 0, 0.0, False, chase=True)


def wishes(rng: np.random.Generator, setting: Setting, position: Floats, style: NDArray[np.int64]) -> Floats:
    """Hostile proposals: at a corner, at another NPC, heavy-tailed noise, and numbers that are none."""
    n, m = len(position), setting.steps
    speed = float(setting.tables.speed.max(initial=1.0))
    out = rng.normal(size=(n, m, 2)) * speed * 10.0 ** rng.uniform(-2, 4, (n, 1, 1))
    for npc in range(n):
        if style[npc] == 0:
            corner = setting.tables.edges[rng.integers(len(setting.tables.edges)), :2]
            near = np.hypot(*(setting.tables.edges[:, :2] - position[npc]).T)
            corner = setting.tables.edges[int(near.argmin()), :2] if rng.random() < 0.5 else corner
            out[npc] = (corner - position[npc]) * 1e3
        elif style[npc] == 1:
            out[npc] = (position[rng.integers(n)] - position[npc]) * 1e3 + rng.normal(size=2) * 1e-3
        elif style[npc] == 2:
            out[npc] = speed * np.array([np.cos(npc), np.sin(npc)])
        elif style[npc] == 3:
            out[npc, rng.integers(m)] = rng.choice([np.nan, np.inf, -np.inf, 1e30, 1e300], 2)
    return out


def hop(
    chunks: list[Chunk],
    tick: int,
    position: Floats,
    velocity: Floats,
    setting: Setting,
    rng: np.random.Generator | None,
) -> tuple[Floats, NDArray[np.uint8], NDArray[np.int64]]:
    """Picks every NPC's command: a matching step of a held chunk, else the brake. With a generator it is unreliable."""
    n = len(position)
    rate = setting.tables.acceleration * 0.9 if not chunks else chunks[-1].certified.brake
    size = np.hypot(velocity[:, 0], velocity[:, 1])
    command = velocity * np.maximum(0.0, 1.0 - rate * setting.tables.dt / np.maximum(size, 1e-12))[:, None]
    driver = np.full(n, audit.BRAKE, np.uint8)
    source = np.full(n, -1)
    for npc in range(n):
        if rng is not None and rng.random() < setting.obstinate:
            continue
        fits = []
        for index, chunk in enumerate(chunks):
            step = tick - chunk.apply
            if chunk.arrives <= tick and 0 <= step < setting.steps:
                expected = chunk.certified.expected[npc, step]
                near = np.hypot(*(position[npc] - expected[:2])) <= chunk.certified.tolerance[npc]
                if near and np.hypot(*(velocity[npc] - expected[2:])) <= setting.config.velocity_tolerance:
                    fits.append(index)
        if fits:
            index = fits[-1] if rng is None or rng.random() < 0.7 else fits[int(rng.integers(len(fits)))]
            command[npc] = chunks[index].certified.velocities[npc, tick - chunks[index].apply]
            driver[npc] = audit.PLAN
            source[npc] = index
    return command, driver, source


def play(setting: Setting, seed: int, ticks: int = 150, shield: Any = certify) -> Result:
    """Plays a game and has it judged."""
    rng = np.random.default_rng(seed)
    n, dt = len(setting.position), setting.tables.dt
    position, velocity = setting.position.copy(), setting.velocity.copy()
    outstanding = Outstanding()
    chunks: list[Chunk] = []
    path, speeds, commands, drivers, shots, known = [position], [velocity], [], [], [], []
    flags: list[bool] = []
    flag, style, unguarded = False, rng.integers(0, 5, n), 0
    taken, whim = np.zeros(n, np.int64), np.zeros((n, 2))
    for tick in range(ticks):
        flag = flag ^ bool(rng.random() < 0.05)
        if tick % 12 == 0:
            style = np.ones(n, np.int64) if setting.chase else rng.integers(0, 5, n)
        chunks = [chunk for chunk in chunks if tick - chunk.apply < setting.steps]
        if rng.random() > 0.1 and np.isfinite(velocity).all():
            outstanding.forget(tick)
            ahead, pace = position, velocity
            sure = [replace(chunk, arrives=0) for chunk in chunks]
            for later in range(tick, tick + setting.lead):
                pace, _, _ = hop(sure, later, ahead, pace, setting, None)
                ahead = ahead + pace * dt
            if not np.isfinite(ahead).all():
                continue
            answer = shield(
                Movers(setting.tables.ids, ahead, pace, position, velocity),
                setting.tables,
                outstanding,
                wishes(rng, setting, ahead, style),
                triggers=np.ones((n, setting.steps, 1), bool),
                hold_fire=flag,
                config=setting.config,
            )
            unguarded += int((~answer.guarded).sum())
            apply = tick + setting.lead
            outstanding.add(tick, apply + setting.steps - 1, setting.tables.ids, answer.points)
            lost = rng.random() < setting.loss
            late = int(rng.integers(0, setting.delay + 1))
            chunks.append(Chunk(apply, answer, 10**9 if lost else apply - setting.lead + late, flag))
        command, driver, source = hop(chunks, tick, position, velocity, setting, rng)
        taken = np.where((taken == 0) & (rng.random(n) < setting.kidnaps), 8, np.maximum(taken - 1, 0))
        whim = np.where((taken == 8)[:, None], rng.normal(size=(n, 2)) * setting.tables.speed[:, None] * 0.6, whim)
        command = np.where((taken > 0)[:, None], whim, command)
        driver[taken > 0], source[taken > 0] = audit.CALLBACK, -1
        fired = [
            k >= 0 and bool(chunks[k].certified.triggers[i, tick - chunks[k].apply, 0]) for i, k in enumerate(source)
        ]
        position = position + command * dt
        if setting.single:
            position = position.astype(np.float32).astype(np.float64)
        velocity = command
        path.append(position)
        speeds.append(velocity)
        commands.append(command)
        drivers.append(driver)
        shots.append(fired)
        known.append([k >= 0 and chunks[k].flag for k in source])
        flags.append(flag)
        if not np.isfinite(position).all():
            break
    trace = audit.Trace(
        ids=setting.tables.ids,
        position=np.stack(path),
        velocity=np.stack(speeds),
        command=np.stack(commands),
        alive=np.ones((len(path), n), bool),
        driver=np.stack(drivers),
        shots=np.array(shots, bool).reshape(len(commands), n),
        hold_fire=np.array(flags, bool),
        hold_known=np.array(known, bool).reshape(len(commands), n),
    )
    report = audit.audit(trace, limits(setting.tables), audit.AuditConfig(executed=1.0, admission=setting.config.eps))
    return Result(trace, report, unguarded, report.steps)


def limits(tables: RuleTables) -> audit.Limits:
    """Says the declared rules again, in the checker's plain numbers."""
    zones = tuple(
        audit.Zone(
            kind=KINDS[tables.shape_kind[k]],
            name=name,
            corners=tables.edges[tables.edge_shape == k][:, :2],
            keep_in=bool(tables.shape_inside[k]),
            binds=tables.shape_mask[:, k],
        )
        for k, name in enumerate(tables.shape_name)
    )
    return audit.Limits(
        dt=tables.dt,
        radius=tables.radius,
        speed=tables.speed,
        acceleration=tables.acceleration,
        home=tables.home,
        leash=tables.leash,
        spacing=tables.spacing,
        hold_fire=tables.hold_fire,
        zones=zones,
    )
