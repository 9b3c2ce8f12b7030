"""The rule zoo: small random games in which every rule binds, hostile wishes, and a link that loses and delays.

Nothing here is learned or planned; it exercises the shield alone, by the hundred thousand steps. Its last hop is
written anew, and nastier than the real one: it may brake at any step and run any held chunk that matches, because the
certificate promises that none of this matters. What the checker is told about the rules is read from the rules, not
from the tables that the shield uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from npc_sdk import audit
from npc_sdk.constraints import (
    KINDS,
    TRIGGERS,
    AccelerationLimit,
    AllyDistance,
    AttackLimit,
    AttackTokens,
    Cooldown,
    FriendlyFire,
    HoldFire,
    KeepAway,
    KeepIn,
    KeepOut,
    Leash,
    MoveInTurn,
    Navmesh,
    NoStop,
    Reserve,
    Rule,
    RuleTables,
    SpeedLimit,
    Splash,
    StayNear,
    TurnLimit,
    compile_rules,
)
from npc_sdk.constraints.clearance import is_simple
from npc_sdk.shield import (
    Aim,
    Case,
    Certified,
    Ledger,
    Movers,
    Others,
    Outstanding,
    Shield,
    ShieldConfig,
    Tally,
    Wanted,
    certified_limits,
    certify,
    issue,
)

Floats = NDArray[np.float64]
Corners: TypeAlias = tuple[tuple[float, float], ...]

AMMO, SHOTS = "ammo", "shots"  # fields of the zoo's NPCs
ROUNDS = np.array([1.0, 2.0])  # that a shot and a throw cost
_RELOAD = 0.02  # share of NPC-ticks in which a round is found
CORNER, SOMEBODY, PIT, NO_NUMBER, ZIGZAG, NOISE, DOOR = range(7)  # what an NPC wishes for
_STYLES = 7
_PER_SPOT = 30  # NPCs to every pit and doorway, and to every few walls
_CELLS = 12  # polygons of a navmesh, at most
_TRIES = 30  # for a place to start from
_SQUATTERS = 3  # one NPC in so many, where there is a clearway
PLAYER, WARD = "player", "protected"


@dataclass(frozen=True, slots=True)
class Outline:
    """A declared polygon."""

    name: str
    kind: str
    vertices: Corners


@dataclass(frozen=True, slots=True)
class Body:
    """What an NPC can do."""

    max_speed: float
    max_acceleration: float
    brake: float
    radius: float
    cell: float = 0.0  # m that a step goes along an axis; 0: it goes as it likes
    diagonals: bool = False
    kind: str = "velocity"
    turn_rate: float = np.inf  # rad/s, of a car


@dataclass(frozen=True, slots=True)
class Setting:
    """One random game: what is declared, where everybody starts, how bad the link is."""

    rules: tuple[Rule, ...]
    walls: tuple[Outline, ...]
    bounds: tuple[float, float, float, float]
    body: Body
    dt: float
    ids: NDArray[np.uint32]
    squads: NDArray[np.int64]
    homes: Floats
    config: ShieldConfig
    position: Floats
    velocity: Floats
    others: Floats  # o 2, the first is a player, the last, if there are two, somebody to protect
    top_speed: float  # m/s, of the others
    steps: int
    lead: int
    loss: float
    delay: int
    obstinate: float  # share of NPC-ticks that brake for no reason
    single: bool  # the engine keeps float32 positions
    chase: bool = False  # every NPC runs at another, a new one every so often
    kidnaps: float = 0.0  # share of NPC-ticks in which the game's own behaviour takes over for a while
    heading: Floats | None = None  # n, rad, of cars; None: where they go
    flies: bool = False  # who is taken over is in the air, and shown to be

    def tables(self) -> RuleTables:
        """Compiles the rules."""
        return compile_rules(
            self.rules,
            ids=self.ids,
            squads=self.squads,
            homes=self.homes,
            kinematics=self.body,
            walls=self.walls,
            bounds=self.bounds,
            dt=self.dt,
        )

    def kept(self, position: Floats) -> Floats:
        """Returns places as the engine keeps them, the start's too."""
        return position.astype(np.float32).astype(np.float64) if self.single else position.copy()

    @property
    def names(self) -> tuple[frozenset[str], ...]:
        """Roles of the others."""
        return tuple(frozenset([role]) for role in (PLAYER, WARD)[: len(self.others)])


@dataclass(frozen=True, slots=True)
class Chunk:
    """An answer on its way."""

    apply: int
    certified: Certified
    arrives: int
    flag: bool  # hold-fire, as the decision knew it
    aim: Aim


@dataclass(frozen=True, slots=True)
class Result:
    """What was played, and the checker's word on it."""

    trace: audit.Trace
    report: audit.AuditReport
    tally: Tally  # of what the shield did


def star(rng: np.random.Generator, centre: Floats, low: float, high: float, corners: int) -> Corners:
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


def sliver(rng: np.random.Generator, centre: Floats, length: float) -> Corners:
    """A wall about a thousandth as thick as it is long."""
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)]) * length
    across = np.array([-np.sin(angle), np.cos(angle)]) * length * 1e-3
    points = [centre - along, centre + along, centre + along + across]
    return tuple((float(x), float(y)) for x, y in points)


def make_setting(
    seed: int,
    dt: float = 1 / 30,
    speed: float = 4.0,
    acceleration: float = 16.0,
    size: float = 1.0,
    most: int = 6,
    radius: float | None = None,
    config: ShieldConfig | None = None,
) -> Setting:
    """Draws a game. Lengths scale with what an NPC needs to stop; starts are those that the shield admits.

    Body and margins are drawn to scale unless a radius, m, and a config are given.
    """
    rng = np.random.default_rng(seed)
    unit = speed * speed / (2.0 * acceleration) + 1.5 * speed * dt
    drawn = float(rng.choice([0.02, 0.2, 0.5])) * unit
    radius = drawn if radius is None else radius
    config = config or ShieldConfig(0.01 * unit, 0.05 * 0.7 * acceleration * dt, max(1e-3 * unit, 1e-6))
    n = int(rng.integers(2, most + 1))
    half = size * 7.0 * unit * max(1.0, np.sqrt(n / 6.0)) + 4.0 * radius
    walls = []
    spots = 1 + (n - 1) // _PER_SPOT
    for k in range(int(rng.integers(1, 5)) * spots):
        centre = rng.uniform(-half, half, 2)
        shape = sliver(rng, centre, 2.0 * unit) if rng.random() < 0.4 else star(rng, centre, 0.3 * unit, 1.5 * unit, 7)
        walls.append(Outline(f"wall {k}", "wall", shape))
    ids = np.arange(101, 101 + n, dtype=np.uint32)
    top_speed = float(rng.uniform(0.3, 1.5)) * speed
    homes = rng.uniform(-half, half, (n, 2))
    rules = (
        *_rules_about_places(rng, ids, homes, unit, half, radius, spots),
        *_rules_about_motion(rng, speed, acceleration, dt, unit, config.velocity_tolerance),
    )
    rules += (*_rules_about_others(rng, unit, radius, top_speed), *_rules_about_attacks(rng, dt, unit, top_speed))
    apart = np.random.default_rng([seed, 1])  # games without such a rule stay as they were
    rules += (*_rules_about_turns(apart, dt),)
    setting = Setting(
        rules=rules,
        walls=tuple(walls),
        bounds=(-half, -half, half, half),
        body=Body(speed, acceleration, acceleration, radius),
        dt=dt,
        ids=ids,
        squads=np.arange(n) % 2,
        homes=homes,
        config=config,
        position=np.zeros((n, 2)),
        velocity=np.zeros((n, 2)),
        others=homes[0] + rng.uniform(-5, 5, (int(rng.choice([0, 1, 2, 2])), 2)) * unit,
        top_speed=top_speed,
        steps=int(rng.integers(2, 9)),
        lead=int(rng.integers(0, 4)),
        loss=float(rng.choice([0.0, 0.1, 0.4])),
        delay=int(rng.integers(0, 5)),
        obstinate=float(rng.choice([0.0, 0.03])),
        single=bool(rng.random() < 0.5),
    )
    return _placed(setting, rng, unit)


def _rules_about_places(
    rng: np.random.Generator,
    ids: NDArray[np.uint32],
    homes: Floats,
    unit: float,
    half: float,
    radius: float,
    spots: int,
) -> list[Rule]:
    rules: list[Rule] = []
    if rng.random() < 0.7:
        for k in range(spots):
            rules.append(KeepOut(f"pit {k}", star(rng, rng.uniform(-half, half, 2), 0.5 * unit, 2.0 * unit, 9)))
    if rng.random() < 0.5:
        some = tuple(ids[: len(ids) // 2 + 1].tolist())
        rules.append(KeepIn("room", star(rng, np.zeros(2), 0.6 * half, 1.3 * half, 11), some))
    if rng.random() < 0.3:
        few = slice(_CELLS)
        cells = [star(rng, place + rng.uniform(-1, 1, 2) * unit, 3.0 * unit, 6.0 * unit, 8) for place in homes[few]]
        rules.append(Navmesh("floor", tuple(cells), tuple(ids[few].tolist())))
    if rng.random() < 0.5:
        for k in range(spots):
            centre = homes[k * _PER_SPOT % len(homes)] + rng.uniform(-2, 2, 2) * unit
            rules.append(NoStop(f"door {k}", star(rng, centre, 0.5 * unit, 1.5 * unit, 6)))
    if rng.random() < 0.5:
        rules.append(Leash("post", float(rng.uniform(2.0, 5.0)) * unit))
    if rng.random() < 0.9:
        rules.append(AllyDistance("spread", float(rng.uniform(0.5, 1.5)) * unit + 2 * radius))
    return rules


def _rules_about_motion(
    rng: np.random.Generator, speed: float, acceleration: float, dt: float, unit: float, give: float
) -> list[Rule]:
    rules: list[Rule] = []
    if rng.random() < 0.3:
        rules.append(SpeedLimit("slow", speed * float(rng.uniform(0.5, 0.9))))
    if rng.random() < 0.3:
        rules.append(AccelerationLimit("gentle", acceleration * float(rng.uniform(0.7, 0.95))))
    # A velocity that may be off by the tolerance must still tell its direction to half of what a tick may turn.
    above = speed * float(rng.uniform(0.15, 0.4))
    if rng.random() < 0.5 and give < 0.1 * above:
        rules.append(TurnLimit("steady", max(float(rng.uniform(0.05, 0.3)), 2.5 * give / above) / dt, above))
    return rules


def _rules_about_turns(rng: np.random.Generator, dt: float) -> list[Rule]:
    if rng.random() > 0.3:
        return []
    per, whom = str(rng.choice(["squad", "all"])), str(rng.choice(["squad:1", "all"]))
    return [MoveInTurn("bounding", int(rng.integers(1, 3)), float(rng.uniform(10, 60)) * dt, per, whom)]


def _rules_about_others(rng: np.random.Generator, unit: float, radius: float, top_speed: float) -> list[Rule]:
    rules: list[Rule] = []
    if rng.random() < 0.6:
        rules.append(KeepAway("room to breathe", float(rng.uniform(0.5, 2.5)) * unit + 2 * radius, top_speed))
    if rng.random() < 0.4:
        rules.append(StayNear("escort", float(rng.uniform(3.0, 8.0)) * unit, top_speed))
    return rules


def _rules_about_attacks(rng: np.random.Generator, dt: float, unit: float, top_speed: float) -> list[Rule]:
    kind = str(rng.choice(["any", "fire", "throw"]))
    rules: list[Rule] = [HoldFire("cutscene")]
    if rng.random() < 0.4:
        rules.append(Cooldown("reload", float(rng.uniform(2, 12)) * dt, kind))
    if rng.random() < 0.5:
        per = str(rng.choice(["npc", "squad"]))
        rules.append(AttackLimit("burst", int(rng.integers(1, 5)), float(rng.uniform(5, 40)) * dt, per, kind))
    if rng.random() < 0.6:
        rules.append(AttackLimit("hits", int(rng.integers(1, 5)), float(rng.uniform(5, 40)) * dt, "npc", "fire", SHOTS))
    if rng.random() < 0.6:
        hold, capacity = float(rng.uniform(2, 20)) * dt, float(rng.choice([0.5, 1.0, 1.5, 2.0]))
        rules.append(AttackTokens("light", capacity, hold, 1.0, "attackers", kind, "squad:0"))
        rules.append(AttackTokens("heavy", capacity, hold, 0.5, "attackers", "any", "squad:1"))
    if rng.random() < 0.5:
        rules.append(Reserve("keep one", AMMO, float(ROUNDS[0]), 1.0, "fire"))
        rules.append(Reserve("throw what is left", AMMO, float(ROUNDS[1]), 0.0, "throw"))
    whom = str(rng.choice(["npc", WARD]))
    if rng.random() < 0.5:
        spread, clearance = float(rng.uniform(0.0, 0.4)), float(rng.uniform(0.2, 1.0)) * unit
        reach = float(rng.uniform(3, 9)) * unit
        rules.append(FriendlyFire("mates", reach, spread, clearance, whom, top_speed, "fire"))
    if rng.random() < 0.5:
        flight = int(rng.integers(0, 12)) * dt
        rules.append(Splash("bystanders", float(rng.uniform(1, 4)) * unit, flight, whom, top_speed, "throw"))
    return rules


def _placed(setting: Setting, rng: np.random.Generator, unit: float) -> Setting:
    """Puts as many NPCs as find a place where the shield admits them: at rest if they take turns, else moving."""
    n, tables, others = len(setting.ids), setting.tables(), Others(setting.others, setting.names)
    place, motion, placed = np.zeros((n, 2)), np.zeros((n, 2)), np.zeros(n, np.bool_)
    waits = np.any([np.zeros(n, np.bool_), *(rule.binds for rule in tables.turns)], axis=0)
    for _ in range(_TRIES):
        if placed.all():
            break
        new = ~placed
        count = int(new.sum())
        place[new] = setting.homes[new] + rng.uniform(-1, 1, (count, 2)) * 3.0 * unit
        heading, pace = rng.uniform(0, 2 * np.pi, count), rng.uniform(0, setting.body.max_speed, count)
        motion[new] = np.where(waits[new], 0.0, pace)[:, None] * np.stack([np.cos(heading), np.sin(heading)], 1)
        while True:  # newcomers that stand in each other's way leave, the later first
            rows = np.flatnonzero(placed | new)
            trial = Movers(setting.ids[rows], place[rows], motion[rows])
            wish = np.zeros((len(rows), 1, 2))
            found = certify(trial, tables, Outstanding(), wish, others=others, config=setting.config)
            wrong = rows[~found.guarded & new[rows]]
            if len(wrong) == 0:
                break
            new[wrong[len(wrong) // 2 :]] = False
        placed |= new
    return replace(
        setting,
        ids=setting.ids[placed],
        squads=setting.squads[placed],
        homes=setting.homes[placed],
        position=place[placed],
        velocity=motion[placed],
    )


def by_cells(setting: Setting, seed: int) -> Setting:
    """The same game with bodies that go by whole cells, at rest when it begins.

    Where one may move it may stand, but for a doorway: who was crossing it begins off its certificate (K5).
    """
    rng, body = np.random.default_rng([seed, 78]), setting.body
    diagonals = bool(rng.random() < 0.5)
    pace = body.max_speed * float(rng.choice([0.4, 0.7, 1.0])) / (np.sqrt(2.0) if diagonals else 1.0)
    least = pace * float(rng.uniform(1.0, 1.5))  # m/s, which may leave no diagonals
    harder = max(1.0, float(rng.uniform(1.6, 3.2)) * body.max_speed / setting.dt / body.max_acceleration)
    rules = list[Rule]()
    for rule in setting.rules:
        if isinstance(rule, SpeedLimit):
            rule = replace(rule, speed=max(rule.speed, least))
        if isinstance(rule, AccelerationLimit):
            rule = replace(rule, acceleration=rule.acceleration * harder)
        rules.append(rule)
    hard = body.max_acceleration * harder
    stepping = replace(body, max_acceleration=hard, brake=hard, cell=float(pace) * setting.dt, diagonals=diagonals)
    return replace(setting, rules=tuple(rules), body=stepping, velocity=np.zeros_like(setting.velocity))


def by_car(setting: Setting, seed: int) -> Setting:
    """The same game with cars that head where they go, and half of which stand and head anywhere."""
    rng, body, dt = np.random.default_rng([seed, 79]), setting.body, setting.dt
    turn_rate = float(rng.uniform(0.05, 0.4)) / dt
    hard = min([body.max_acceleration, *(r.acceleration for r in setting.rules if isinstance(r, AccelerationLimit))])
    least = min([turn_rate, *(r.rate for r in setting.rules if isinstance(r, TurnLimit))])
    tells = min(setting.config.velocity_tolerance, 0.25 * hard * dt * np.sin(0.25 * least * dt))
    stands = rng.random(len(setting.ids)) < 0.5
    velocity = np.where(stands[:, None], 0.0, setting.velocity)
    facing = np.where(stands, rng.uniform(-np.pi, np.pi, len(stands)), np.arctan2(*velocity.T[::-1]))
    return replace(
        setting,
        body=replace(body, kind="car", turn_rate=turn_rate),
        config=replace(setting.config, velocity_tolerance=float(tells)),
        velocity=velocity,
        heading=facing,
    )


def ahead_of(rng: np.random.Generator, setting: Setting, heading: Floats, wish: Floats) -> Floats:
    """Lets most cars wish for what they can nearly do: to one side all along, to and fro, or where nobody can turn."""
    n, m, _ = wish.shape
    side = rng.choice([-1.0, 0.5, 1.0, 3.0], (n, 1)) * np.where(rng.random((n, m)) < 0.2, -1.0, 1.0)
    course = heading[:, None] + np.cumsum(side, 1) * setting.body.turn_rate * setting.dt
    pace = setting.body.max_speed * rng.uniform(0.02, 1.2, (n, 1))
    drives = np.stack([np.cos(course), np.sin(course)], 2) * pace[..., None]
    return np.where(rng.random((n, 1, 1)) < 0.7, drives, wish)


def turned(heading: Floats, velocity: Floats) -> Floats:
    """Returns where everybody heads, rad: where it goes, or as before where it stands."""
    return np.where(np.any(velocity != 0.0, axis=1), np.arctan2(velocity[:, 1], velocity[:, 0]), heading)


def make_crowd(seed: int) -> Setting:
    """Draws a game of NPCs among themselves, with a bad link, and not about the origin."""
    rng, middle = np.random.default_rng(seed), np.array([40.0, -30.0])
    angle = rng.uniform(0, 0.5) + np.arange(6) * np.pi / 3
    return Setting(
        rules=(AllyDistance("spread", 1.0), HoldFire("cutscene")),
        walls=(),
        bounds=(35.0, -35.0, 45.0, -25.0),
        body=Body(6.0, 50.0, 50.0, 0.1),
        dt=1 / 30,
        ids=np.arange(101, 107, dtype=np.uint32),
        squads=np.zeros(6, np.int64),
        homes=np.zeros((6, 2)),
        config=ShieldConfig(0.005, 0.02),
        position=middle + 4.0 * np.stack([np.cos(angle), np.sin(angle)], 1),
        velocity=np.zeros((6, 2)),
        others=np.zeros((0, 2)),
        top_speed=1.0,
        steps=12,
        lead=2,
        loss=0.6,
        delay=0,
        obstinate=0.0,
        single=False,
        chase=True,
    )


def wishes(
    rng: np.random.Generator,
    setting: Setting,
    corners: Floats,
    position: Floats,
    whom: Floats,
    style: NDArray[np.int64],
) -> Floats:
    """Hostile proposals: at a corner, into a pit, at somebody, heavy-tailed noise, and numbers that are none."""
    n, m, speed = len(position), setting.steps, setting.body.max_speed
    out = rng.normal(size=(n, m, 2)) * speed * 10.0 ** rng.uniform(-2, 4, (n, 1, 1))
    here = {kind: position[style == kind] for kind in range(_STYLES)}
    gap = _nearest(corners, here[CORNER]) - here[CORNER]
    other = corners[rng.integers(len(corners), size=len(gap))] - here[CORNER]
    out[style == CORNER] = (np.where(rng.random((len(gap), 1)) < 0.5, gap, other) * 1e3)[:, None]
    gap = _drawn(rng, np.concatenate([position, whom]), len(here[SOMEBODY])) - here[SOMEBODY]
    out[style == SOMEBODY] = (gap * 1e3 + rng.normal(size=gap.shape) * 1e-3)[:, None]
    pits = np.array([*(np.mean(w.vertices, 0) for w in setting.walls), *_middles(setting, KeepOut)]).reshape(-1, 2)
    goal, near = _drawn(rng, pits, len(here[PIT])), _middles(setting, KeepOut)
    if len(near):  # every other one goes for the nearest zone, and stays there if it may
        goal[::2] = _nearest(near, here[PIT][::2])
    gap = goal - here[PIT]
    out[style == PIT] = (speed * gap / np.maximum(np.hypot(gap[:, 0], gap[:, 1]), 1e-12)[:, None])[:, None]
    out[style == DOOR] = _arriving(_nearest(_middles(setting, NoStop), here[DOOR]) - here[DOOR], speed, setting.dt, m)
    odd = np.flatnonzero(style == NO_NUMBER)
    out[odd, rng.integers(m, size=len(odd))] = rng.choice([np.nan, np.inf, -np.inf, 1e30, 1e300], (len(odd), 2))
    if len(whom):
        gap = here[ZIGZAG] - _drawn(rng, whom, len(here[ZIGZAG]))
        sides = np.where(np.arange(m) % 2 == 0, 1.0, rng.choice([-1.0, 1.0], (len(gap), 1)))
        out[style == ZIGZAG] = gap[:, None] * 1e3 * sides[..., None]
    return out


def _drawn(rng: np.random.Generator, points: Floats, n: int) -> Floats:
    return points[rng.integers(len(points), size=n)] if n else np.zeros((0, 2))


def _nearest(points: Floats, position: Floats) -> Floats:
    if len(position) == 0:
        return position
    gap = points[None] - position[:, None]
    return np.asarray(points[np.hypot(gap[..., 0], gap[..., 1]).argmin(1)])


def _middles(setting: Setting, kind: type[KeepOut] | type[NoStop]) -> Floats:
    return np.array([np.mean(rule.polygon, 0) for rule in setting.rules if isinstance(rule, kind)]).reshape(-1, 2)


def styles(rng: np.random.Generator, setting: Setting) -> NDArray[np.int64]:
    """Draws what each NPC is after for a while; squatters want nothing but a doorway, and for the whole game."""
    n = len(setting.ids)
    style = np.full(n, SOMEBODY) if setting.chase else rng.integers(0, DOOR, n)
    if any(isinstance(rule, NoStop) for rule in setting.rules):
        style[::_SQUATTERS] = DOOR
    return style


def _arriving(gap: Floats, speed: float, dt: float, steps: int) -> Floats:
    """Goes straight to a place, and stands still there."""
    far = np.hypot(gap[:, 0], gap[:, 1])[:, None]
    ways = np.diff(np.minimum(np.arange(steps + 1) * speed * dt, far), axis=1)
    return np.asarray(ways[..., None] / dt * (gap / np.maximum(far, 1e-12))[:, None])


def hop(
    chunks: Sequence[Chunk],
    tick: int,
    position: Floats,
    velocity: Floats,
    setting: Setting,
    rate: Floats,
    rng: np.random.Generator | None,
) -> tuple[Floats, NDArray[np.uint8], NDArray[np.int64]]:
    """Picks every NPC's command: a matching step of a held chunk, else the brake. With a generator it is unreliable."""
    n = len(position)
    brake = rate if not chunks else chunks[-1].certified.brake
    size = np.hypot(velocity[:, 0], velocity[:, 1])
    command = velocity * np.maximum(0.0, 1.0 - brake * setting.dt / np.maximum(size, 1e-12))[:, None]
    driver, source = np.full(n, audit.BRAKE, np.uint8), np.full(n, -1)
    sleepy = np.zeros(n, np.bool_) if rng is None else rng.random(n) < setting.obstinate
    for index, chunk in enumerate(chunks):
        step = tick - chunk.apply
        if chunk.arrives > tick or not 0 <= step < setting.steps:
            continue
        answer = chunk.certified
        off = position - answer.expected[:, step, :2]
        pace = velocity - answer.expected[:, step, 2:]
        fits = (np.hypot(off[:, 0], off[:, 1]) <= answer.tolerance) & ~sleepy
        fits &= np.hypot(pace[:, 0], pace[:, 1]) <= setting.config.velocity_tolerance
        if rng is not None:
            fits &= (source < 0) | (rng.random(n) < 0.8)  # now and then an older one goes on
        command[fits] = answer.velocities[fits, step]
        driver[fits], source[fits] = audit.PLAN, index
    return command, driver, source


def walk(rng: np.random.Generator, setting: Setting, whom: Floats, heading: Floats, position: Floats) -> Floats:
    """Moves the others: anywhere at any speed up to the declared one, often at an NPC."""
    turn = rng.random(len(whom)) < 0.1
    heading[turn] = rng.normal(size=(int(turn.sum()), 2))
    hunting = rng.random(len(whom)) < 0.3
    if len(position):
        target = position[rng.integers(0, len(position), len(whom))]
        heading[hunting] = (target - whom)[hunting]
    size = np.maximum(np.hypot(heading[:, 0], heading[:, 1]), 1e-9)[:, None]
    pace = setting.top_speed * np.where(rng.random((len(whom), 1)) < 0.5, 1.0, rng.random((len(whom), 1)))
    return np.asarray(whom + heading / size * pace * setting.dt * (1.0 - 1e-9))


def unshielded(
    movers: Movers, tables: RuleTables, outstanding: Outstanding, proposals: Floats, *, wanted: Wanted, **more: object
) -> Certified:
    """The control: wishes go out as they are, short of what is no number and of three times the body's speed."""
    body = 3.0 * float(tables.speed.max(initial=1.0))
    wish = np.nan_to_num(proposals, nan=0.0, posinf=body, neginf=-body)
    size = np.maximum(np.hypot(wish[..., 0], wish[..., 1]), 1e-12)[..., None]
    velocities = wish * np.minimum(1.0, body / size)
    n, m, _ = velocities.shape
    before = np.concatenate([movers.velocity[:, None], velocities[:, :-1]], 1)
    place = movers.position[:, None] + np.cumsum(before * tables.dt, 1) - before[:, :1] * tables.dt
    nothing = np.zeros((n, len(KINDS)), np.bool_)
    return Certified(
        velocities=velocities,
        expected=np.concatenate([place, before], 2),
        points=np.zeros((n, m, 2, 2)),
        triggers=wanted.triggers,
        brake=tables.acceleration,
        tolerance=np.full(n, 1e9),
        guarded=np.ones(n, np.bool_),
        broken=nothing,
        active=nothing,
        rejected=nothing,
        margins=np.full(nothing.shape, np.inf),
        changed=np.zeros((n, m), np.bool_),
        rank=np.zeros((n, m), np.int8),
    )


class Script(Protocol):
    """What everybody wants in a game that is not left to chance."""

    def wishes(self, tick: int) -> Floats:
        """Returns the NPCs' proposals from this tick on: n m 2, m/s."""
        ...

    def others(self, tick: int, whom: Floats) -> Floats:
        """Returns where the others go in this tick, at most their declared speed: o 2, m."""
        ...


def play(
    setting: Setting,
    seed: int,
    ticks: int = 150,
    shield: Shield = certify,
    script: Script | None = None,
    ledger: Ledger | None = None,
) -> Result:
    """Plays a game and has it judged.

    Args:
        setting: the game.
        seed: of everything that happens in it.
        ticks: how long.
        shield: what certifies; another one than the real one for tests of the checker.
        script: says what NPCs propose and where the others go, in place of hostile chance.
        ledger: is told every call of the shield and its answer.
    """
    rng = np.random.default_rng(seed)
    n, dt, tables = len(setting.position), setting.dt, setting.tables()
    corners, rate = tables.edges[:, :2], certified_limits(tables, np.arange(n), setting.config)[1]
    position, velocity, whom = setting.kept(setting.position), setting.velocity.copy(), setting.others.copy()
    facing = turned(np.zeros(n) if setting.heading is None else setting.heading, velocity)
    faced = [facing]
    heading, half = rng.normal(size=whom.shape), setting.bounds[2]
    ammo, shots = rng.integers(0, 8, n).astype(float), np.zeros(n)
    outstanding, chunks = Outstanding(), list[Chunk]()
    rows: list[tuple[Floats, Floats, Floats, Floats]] = [(position, velocity, whom, ammo)]
    done: list[tuple[Floats, NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_], Floats, bool]] = []
    flag, style, tally, game = False, styles(rng, setting), Tally(), f"zoo {seed}"
    if ledger is not None:
        ledger.begin(game)
    taken, whim = np.zeros(n, np.int64), np.zeros((n, 2))
    for tick in range(ticks):
        flag = flag ^ bool(rng.random() < 0.05)
        if tick % 12 == 0:
            style = styles(rng, setting)
        chunks = [chunk for chunk in chunks if tick - chunk.apply < setting.steps]
        if rng.random() > 0.1 and np.isfinite(velocity).all():
            ahead, pace, course = position, velocity, facing
            sure = [replace(chunk, arrives=0) for chunk in chunks]
            for later in range(tick, tick + setting.lead):
                pace, _, _ = hop(sure, later, ahead, pace, setting, rate, None)
                ahead, course = ahead + pace * dt, turned(course, pace)
            if not np.isfinite(ahead).all():
                continue
            apply = tick + setting.lead
            asked = rng.random((n, setting.steps, len(TRIGGERS))) < rng.choice([0.0, 0.3, 1.0], (n, 1, 1))
            angle, reach = rng.uniform(-np.pi, np.pi, (2, n, setting.steps)) * [[[1.0]], [[half / np.pi]]]
            proposed = script.wishes(apply) if script else wishes(rng, setting, corners, ahead, whom, style)
            if setting.body.kind == "car":
                proposed = ahead_of(rng, setting, course, proposed)
            aim = Aim(np.where(rng.random((n, 1)) < 0.02, np.nan, angle), np.abs(reach))
            priority = rng.choice([0.0, 1.0, np.nan], n)
            case = Case(
                Movers(
                    setting.ids,
                    ahead,
                    pace,
                    position,
                    velocity,
                    heading=course,
                    seen_heading=facing,
                    airborne=taken > 0 if setting.flies else None,
                ),
                tables,
                proposed,
                Others(whom, setting.names, setting.lead),
                Wanted(asked, apply, tick, flag, {AMMO: ammo, SHOTS: shots}, priority, aim),
                setting.config,
            )
            certified = issue(outstanding, case, tick, shield)
            if ledger is not None:
                ledger.step(game, tick, case, certified)
            tally.add(certified)
            arrives = 10**9 if rng.random() < setting.loss else tick + int(rng.integers(0, setting.delay + 1))
            chunks.append(Chunk(apply, certified, arrives, flag, aim))
        command, driver, source = hop(chunks, tick, position, velocity, setting, rate, rng)
        taken = np.where((taken == 0) & (rng.random(n) < setting.kidnaps), 8, np.maximum(taken - 1, 0))
        whim = np.where((taken == 8)[:, None], rng.normal(size=(n, 2)) * tables.speed[:, None] * 0.6, whim)
        command = np.where((taken > 0)[:, None], whim, command)
        driver[taken > 0], source[taken > 0] = audit.CALLBACK, -1
        fired, knew, aimed = np.zeros((n, len(TRIGGERS)), np.bool_), np.zeros(n, np.bool_), np.zeros((n, 2))
        for index in np.unique(source[source >= 0]):
            led, chunk = source == index, chunks[index]
            step = tick - chunk.apply
            fired[led], knew[led] = chunk.certified.triggers[led, step], chunk.flag
            aimed[led] = np.stack([chunk.aim.angle[led, step], chunk.aim.reach[led, step]], 1)
        fired[taken > 0] = rng.random((int((taken > 0).sum()), len(TRIGGERS))) < 0.2
        position = setting.kept(position + command * dt)
        velocity, facing = command, turned(facing, command)
        faced.append(facing)
        whom = script.others(tick, whom) if script else walk(rng, setting, whom, heading, rows[-1][0])
        ammo, shots = ammo - fired @ ROUNDS + (rng.random(n) < _RELOAD), shots + fired[:, 0]
        rows.append((position, velocity, whom, ammo))
        done.append((command, driver, fired, knew, aimed, flag))
        if not np.isfinite(position).all():
            break
    places, speeds, others, levels = (np.stack(column) for column in zip(*rows, strict=True))
    commands, drivers, attacks, known, aims = (np.stack([row[k] for row in done]) for k in range(5))
    trace = audit.Trace(
        ids=setting.ids,
        position=places,
        velocity=speeds,
        command=commands,
        alive=np.ones(places.shape[:2], np.bool_),
        driver=drivers,
        attacks=attacks,
        hold_fire=np.array([row[5] for row in done], np.bool_),
        hold_known=known,
        aim=aims[..., 0],
        reach=aims[..., 1],
        others=others,
        levels={AMMO: levels},
        heading=np.stack(faced) if setting.body.kind == "car" else np.zeros((0, 0)),
    )
    executed = 1.0 if shield is not unshielded else 1e9
    config = audit.AuditConfig(executed=executed, admission=setting.config.eps, settle_ticks=20)
    return Result(trace, audit.audit(trace, limits(setting), config), tally)


def limits(setting: Setting) -> audit.Limits:
    """Says the declared rules again, in the checker's plain numbers."""
    n, body = len(setting.ids), setting.body
    x0, y0, x1, y1 = setting.bounds
    everybody = np.ones(n, np.bool_)
    zones = [audit.Zone("wall", w.name, np.array(w.vertices), False, everybody) for w in setting.walls]
    zones.append(audit.Zone("bounds", "bounds", np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]), True, everybody))
    speed, acceleration = np.full(n, body.max_speed), np.full(n, min(body.max_acceleration, body.brake))
    leash, spacing, silent = np.full(n, np.inf), np.zeros((n, n)), np.zeros(n, np.bool_)
    turn, above = np.full(n, np.inf), np.full(n, np.inf)
    clearways, apart, quotas, stocks = list[audit.Zone](), list[audit.Apart](), list[audit.Quota](), list[audit.Stock]()
    shares: dict[str, audit.Share] = {}
    meshes, taken = list[audit.Mesh](), list[audit.Turns]()
    cones, bursts = list[audit.Cone](), list[audit.Burst]()
    for rule in setting.rules:
        who = (
            everybody
            if rule.who == "all"
            else np.isin(setting.ids, np.array(rule.who if isinstance(rule.who, tuple) else (), np.uint32))
        )
        if isinstance(rule.who, str) and rule.who.startswith("squad:"):
            who = setting.squads == int(rule.who[6:])
        match rule:
            case KeepOut() | KeepIn():
                inside = isinstance(rule, KeepIn)
                zones.append(audit.Zone(rule.kind, rule.name, np.array(rule.polygon), inside, who))
            case Navmesh():
                cells = tuple(np.array(polygon) for polygon in rule.polygons)
                spacing_m = float(np.sqrt(2.0 * setting.config.eps * body.radius))
                outline = audit.mesh_outline(cells, spacing_m)
                meshes.append(audit.Mesh(rule.kind, rule.name, cells, who, outline))
            case NoStop():
                clearways.append(audit.Zone(rule.kind, rule.name, np.array(rule.polygon), False, who))
            case Leash():
                leash[who] = np.minimum(leash[who], rule.radius)
            case SpeedLimit():
                speed[who] = np.minimum(speed[who], rule.speed)
            case AccelerationLimit():
                acceleration[who] = np.minimum(acceleration[who], rule.acceleration)
            case TurnLimit():
                turn[who], above[who] = np.minimum(turn[who], rule.rate), np.minimum(above[who], rule.above)
            case AllyDistance():
                spacing[np.ix_(who, who)] = np.maximum(spacing[np.ix_(who, who)], rule.distance)
            case HoldFire():
                silent |= who
            case MoveInTurn():
                group = setting.squads if rule.per == "squad" else np.zeros(n, np.int64)
                taken.append(audit.Turns(rule.kind, rule.most, group, who))
            case KeepAway() | StayNear():
                whom = tuple(o for o, names in enumerate(setting.names) if rule.to in names)
                near = isinstance(rule, StayNear)
                apart.append(audit.Apart(rule.kind, rule.distance, rule.top_speed, near, who, whom))
            case Cooldown() | AttackLimit():
                most = rule.most if isinstance(rule, AttackLimit) else 1
                squads = isinstance(rule, AttackLimit) and rule.per == "squad"
                group = setting.squads if squads else np.arange(n)
                quotas.append(
                    audit.Quota(rule.kind, most, _ticks(rule.seconds, setting.dt), _counts(rule.attack), group, who)
                )
            case AttackTokens():
                old = shares.get(rule.pool or rule.name)
                shares[rule.pool or rule.name] = _shared(old, rule, who, setting.dt)
            case Reserve():
                stocks.append(audit.Stock(rule.kind, rule.field, rule.cost, rule.least, _counts(rule.attack), who))
            case FriendlyFire() | Splash():
                whom = tuple(o for o, names in enumerate(setting.names) if rule.to in names)
                attack, npcs = _counts(rule.attack), rule.to == "npc"
                if isinstance(rule, Splash):
                    flight = round(rule.flight / setting.dt)
                    bursts.append(audit.Burst(rule.kind, rule.radius, flight, attack, who, npcs, whom, rule.top_speed))
                else:
                    sector = (rule.reach, rule.spread, rule.clearance)
                    cones.append(audit.Cone(rule.kind, *sector, attack, who, npcs, whom, rule.top_speed))
    np.fill_diagonal(spacing, 0.0)
    return audit.Limits(
        dt=setting.dt,
        radius=np.full(n, body.radius),
        speed=speed,
        acceleration=acceleration,
        brake=acceleration - (setting.config.velocity_tolerance + 3e-7 * speed) / setting.dt,
        home=setting.homes,
        leash=leash,
        spacing=spacing,
        hold_fire=silent,
        zones=tuple(zones),
        turn=turn,
        turn_above=above,
        meshes=tuple(meshes),
        clearways=tuple(clearways),
        apart=tuple(apart),
        quotas=tuple(quotas),
        shares=tuple(shares.values()),
        stocks=tuple(stocks),
        cones=tuple(cones),
        bursts=tuple(bursts),
        turns=tuple(taken),
        cell=body.cell,
        diagonals=body.diagonals,
        steering=body.turn_rate,
    )


def _ticks(seconds: float, dt: float) -> int:
    """A window of so many seconds holds attacks that are fewer ticks apart than this."""
    return int(np.ceil(round(seconds / dt, 6)))


def _counts(attack: str) -> NDArray[np.bool_]:
    return np.array([attack in ("any", name) for name in ("fire", "throw")])


def _shared(old: audit.Share | None, rule: AttackTokens, who: NDArray[np.bool_], dt: float) -> audit.Share:
    n = len(who)
    old = old or audit.Share(
        rule.kind, np.inf, np.zeros(n, np.int64), np.zeros(n), np.zeros((n, 2), np.bool_), np.zeros(n, np.bool_)
    )
    return audit.Share(
        kind=rule.kind,
        capacity=min(old.capacity, rule.capacity),
        ticks=np.where(who, np.maximum(old.ticks, _ticks(rule.seconds, dt)), old.ticks),
        weight=np.where(who, np.maximum(old.weight, rule.weight), old.weight),
        attack=old.attack | (who[:, None] & _counts(rule.attack)),
        binds=old.binds | who,
    )
