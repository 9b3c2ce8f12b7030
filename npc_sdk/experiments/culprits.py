"""Small games of the rule zoo in which exactly one thing goes wrong, for every kind of culprit there is.

Chance is drawn per tick, not in a row: so a game can be played again with one thing changed (`Replay`) and everything
else the same. What is declared and what chance brings is `Episode`; what came of it is `Played`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from npc_sdk import audit
from npc_sdk.constraints import TRIGGERS, AllyDistance, FriendlyFire, KeepAway, KeepOut, RuleTables, Splash, StayNear
from npc_sdk.experiments import zoo
from npc_sdk.shield import Aim, Case, Certified, Movers, Others, Outstanding, Wanted, certified_limits, issue

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TICKS = 90
RATES = (20, 30, 60)  # Hz
_STOPS_WITHIN = 16  # ticks
_DOWN = 30  # ticks for which a flag stays up
_SEIZED = 8  # ticks in the game's hands
_TURN = 15  # ticks after which the others think again
_AHEAD = 12  # ticks that a forecast reaches
_FIRES = 0.2  # share of ticks in which the game's own behaviour shoots
_DRAWS = 400  # games that are looked at until one suits


class Culprit(Enum):
    """The one thing that goes wrong in an episode, and what it is to be called."""

    HOSTILE = ("npc", "")  # an NPC's proposals go out without the shield
    PLAYER = ("external", "")  # others walk where they please, at most as fast as declared
    GAME = ("external", "")  # the game's own behaviour takes an NPC over for a while
    SHOVE = ("breach", "K1")  # the engine executes another motion than it was told
    STALE = ("breach", "K2")  # brain and last hop know an NPC as it was some ticks ago
    ZONE = ("breach", "K3")  # a zone is there at once
    FLAG = ("breach", "K3")  # the hold-fire flag is up at once
    FAST = ("breach", "K4")  # others are faster than declared
    APART = ("breach", "K4b")  # two halves of the NPCs are certified without each other
    SPAWN = ("inadmissible", "K5")  # an NPC starts where it has no legal brake
    COAST = ("breach", "K6")  # the last hop does not brake when it has no step to run
    FORECAST = ("miss", "")  # somebody goes elsewhere than a plan expected

    def __new__(cls, category: str, assumption: str) -> Culprit:
        """Numbers the members, as several are called the same."""
        member = object.__new__(cls)
        member._value_ = len(cls.__members__)
        return member

    def __init__(self, category: str, assumption: str) -> None:
        self.category = category
        self.assumption = assumption


ALONE = (Culprit.GAME, Culprit.SHOVE, Culprit.STALE, Culprit.ZONE, Culprit.FLAG, Culprit.APART, Culprit.SPAWN,
         Culprit.COAST)  # fmt: skip
"""Culprits of games without anybody else: two causes at once would have no one answer."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A game, and what goes wrong in it. Everything that happens follows from these fields."""

    culprit: Culprit
    number: int  # of all chance
    setting: zoo.Setting
    victim: int  # the NPC that it happens to
    when: int  # tick
    strength: float  # 0 to 1
    zone: KeepOut | None = None  # that is there from `when` on


@dataclass(frozen=True, slots=True)
class Replay:
    """What is done otherwise the second time."""

    honest: bool = False  # what goes wrong does not
    without_zone: bool = False
    paths: Floats | None = None  # t1 o 2, where the others went the first time, to go there again


@dataclass(frozen=True, slots=True)
class Played:
    """What came of it."""

    trace: audit.Trace
    limits: audit.Limits
    pushed: Floats  # t a 2, m, by which the engine moved each NPC further than it was told


@dataclass(slots=True)
class _Mind:
    """One brain: what it has promised, and whose NPCs it certifies."""

    members: NDArray[np.intp]
    outstanding: Outstanding = field(default_factory=Outstanding)


def draw(culprit: Culprit, number: int) -> Episode:
    """Draws an episode; the same number gives the same one."""
    for attempt in range(_DRAWS):
        rng = np.random.default_rng([number, culprit.value, attempt])
        rate = float(rng.choice(RATES))
        speed = float(0.5 * 20.0 ** rng.random())
        acceleration = max(float(2.0 * 20.0 ** rng.random()), speed * rate / _STOPS_WITHIN)
        seed = int(rng.integers(2**31))
        setting = zoo.make_setting(seed, 1.0 / rate, speed, acceleration, float(rng.uniform(0.5, 1.0)), 4)
        if culprit in ALONE:
            setting = replace(setting, others=np.zeros((0, 2)))
        if _suits(culprit, setting):
            break
    else:
        raise AssertionError(f"expected a game for {culprit.name} among {_DRAWS}")
    n = len(setting.ids)
    episode = Episode(
        culprit=culprit,
        number=number,
        setting=setting,
        victim=int(rng.integers(n)),
        when=notice(setting) + int(rng.integers(1, 20)),
        strength=float(rng.random()),
    )
    if culprit is Culprit.ZONE:
        return _with_zone(episode, rng)
    if culprit is Culprit.SPAWN:
        return replace(episode, when=0)
    return episode


def _suits(culprit: Culprit, setting: zoo.Setting) -> bool:
    """Says whether a game has what a culprit needs to do harm."""
    kinds = {type(rule) for rule in setting.rules}
    if not len(setting.ids):
        return False
    if culprit is Culprit.PLAYER:
        return len(setting.others) > 0 and bool(kinds & {KeepAway, StayNear})
    if culprit is Culprit.FAST:
        return len(setting.others) > 0 and bool(kinds & {KeepAway, Splash, FriendlyFire})
    if culprit is Culprit.FORECAST:
        return len(setting.others) > 0
    if culprit is Culprit.APART:
        return len(setting.ids) > 1 and AllyDistance in kinds
    return True


def notice(setting: zoo.Setting) -> int:
    """Ticks in which everything that was sent before has run out, the brake after it included (K3)."""
    body = setting.body
    rate = float(certified_limits(setting.tables(), np.zeros(1, np.intp), setting.config)[1][0])
    return setting.lead + setting.steps + math.ceil(body.max_speed / (rate * setting.dt)) + 2


def _with_zone(episode: Episode, rng: np.random.Generator) -> Episode:
    """Puts a zone into the way of the NPC that is fastest when it comes up."""
    setting = episode.setting
    trace = play(episode, Replay(without_zone=True)).trace
    pace = np.linalg.norm(trace.velocity[episode.when], axis=-1)
    npc = int(pace.argmax())
    rate = float(certified_limits(setting.tables(), np.zeros(1, np.intp), setting.config)[1][0])
    brake = float(pace[npc]) ** 2 / (2.0 * rate)
    ahead = trace.velocity[episode.when, npc] / max(float(pace[npc]), 1e-9)
    size = max(0.7 * brake, 0.5 * setting.body.radius)
    middle = trace.position[episode.when, npc] + ahead * (0.5 * brake + setting.body.radius + 0.3 * size)
    return replace(episode, victim=npc, zone=KeepOut("sudden", zoo.star(rng, middle, 0.3 * size, size, 7)))


def limits(episode: Episode, replayed: Replay) -> audit.Limits:
    """Returns the rules as declared, with the zone from its tick on."""
    declared, zone = replace(zoo.limits(episode.setting), notice=notice(episode.setting)), episode.zone
    if zone is None or replayed.without_zone:
        return declared
    told = episode.when - declared.notice if replayed.honest else episode.when
    everybody = np.ones(len(episode.setting.ids), np.bool_)
    sudden = audit.Zone(zone.kind, zone.name, np.array(zone.polygon), False, everybody, episode.when, told)
    return replace(declared, zones=(*declared.zones, sudden))


def play(episode: Episode, replayed: Replay | None = None) -> Played:
    """Plays an episode."""
    return _Game(episode, replayed or Replay()).run()


class _Game:
    """One play of an episode, tick by tick: minds decide, the last hop picks, the engine moves."""

    def __init__(self, episode: Episode, replayed: Replay) -> None:
        self.episode = episode
        self.replayed = replayed
        self.setting = setting = episode.setting
        self.wrong = None if replayed.honest else episode.culprit
        self.n = n = len(setting.ids)
        self.declared = limits(episode, replayed)
        self.tables = setting.tables()
        self.later = self.tables
        if episode.zone is not None and not replayed.without_zone:
            self.later = replace(setting, rules=(*setting.rules, episode.zone)).tables()
        self.rate = certified_limits(self.tables, np.arange(n), setting.config)[1]
        self.corners = self.tables.edges[:, :2]
        everybody = np.arange(n)
        halves = [everybody[::2], everybody[1::2]] if self.wrong is Culprit.APART else [everybody]
        self.minds = [_Mind(members) for members in halves]
        self.chunks: list[list[zoo.Chunk]] = [[] for _ in halves]
        self.position, self.velocity = setting.kept(setting.position), setting.velocity.copy()
        if self.wrong is Culprit.SPAWN:
            self._spawn()
        self.whom = setting.others.copy()
        self.past: list[tuple[Floats, Floats]] = []
        self.course = np.zeros_like(self.whom)
        dice = np.random.default_rng([episode.number, 5])
        self.ammo, self.shots = dice.integers(0, 8, n).astype(float), np.zeros(n)
        self.style = np.zeros(n, np.int64)
        self.last = np.zeros((n, 2))

    def _dice(self, tick: int, what: int) -> np.random.Generator:
        """Chance of one kind in one tick: whatever else is done otherwise, it comes out the same."""
        return np.random.default_rng([self.episode.number, tick, what])

    def run(self) -> Played:
        """Plays to the end."""
        rows = [(self.position, self.velocity, self.whom, self.ammo)]
        done = []
        for tick in range(TICKS):
            self.past.append((self.position, self.velocity))
            seen = self._seen(tick)
            self._think(tick, *seen)
            row = self._move(tick, *seen)
            rows.append((self.position, self.velocity, self.whom, self.ammo))
            done.append(row)
        places, speeds, others, levels = (np.stack(column) for column in zip(*rows, strict=True))
        whole = {name: np.stack([row[name] for row in done]) for name in done[0]}
        trace = audit.Trace(
            ids=self.setting.ids,
            position=places,
            velocity=speeds,
            command=whole["command"],
            alive=np.ones(places.shape[:2], np.bool_),
            driver=whole["driver"],
            attacks=whole["attacks"],
            hold_fire=whole["flag"],
            hold_known=whole["known"],
            aim=whole["aim"][..., 0],
            reach=whole["aim"][..., 1],
            others=others,
            levels={zoo.AMMO: levels},
            believed=whole["believed"],
            braking=whole["braking"],
            session=whole["session"],
            decided=whole["decided"],
            forecasts=self._forecasts(others),
        )
        return Played(trace, self.declared, whole["pushed"])

    # What the brain knows.

    def _seen(self, tick: int) -> tuple[Floats, Floats]:
        """Where brain and last hop take the NPCs to be."""
        if self.wrong is not Culprit.STALE or tick < self.episode.when:
            return self.position, self.velocity
        place, pace = self.position.copy(), self.velocity.copy()
        old = self.past[max(0, tick - 2 - round(6 * self.episode.strength))]
        place[self.episode.victim], pace[self.episode.victim] = old[0][self.episode.victim], old[1][self.episode.victim]
        return place, pace

    def _flag(self, tick: int) -> bool:
        up = self.episode.culprit is Culprit.FLAG and self.episode.when <= tick < self.episode.when + _DOWN
        return bool(up)

    def _flag_known(self, tick: int) -> bool:
        early = 0 if self.wrong is Culprit.FLAG else self.declared.notice
        return any(self._flag(later) for later in range(tick, tick + early + 1))

    def _rules(self, tick: int) -> RuleTables:
        early = 0 if self.wrong is Culprit.ZONE else self.declared.notice
        return self.later if tick >= self.episode.when - early else self.tables

    # Deciding.

    def _think(self, tick: int, place: Floats, pace: Floats) -> None:
        """One look of every mind at what is seen."""
        setting, dice = self.setting, self._dice(tick, 0)
        if tick % 12 == 0:
            self.style = self._styles(tick)
        idle, lost, late = dice.random() < 0.1, dice.random() < setting.loss, int(dice.integers(0, setting.delay + 1))
        wanted = self._wanted(tick)
        for mind, chunks in zip(self.minds, self.chunks, strict=True):
            chunks[:] = [chunk for chunk in chunks if tick - chunk.apply < setting.steps]
            if not idle:
                chunks.append(self._decide(tick, mind, chunks, place, pace, wanted, 10**9 if lost else tick + late))

    def _styles(self, tick: int) -> NDArray[np.int64]:
        """What the NPCs are after for a while."""
        style = self._dice(tick, 1).integers(0, zoo.NOISE, self.n)
        if self.episode.culprit in (Culprit.APART, Culprit.FAST):
            style[:] = zoo.SOMEBODY
        return np.asarray(style)

    def _wanted(self, tick: int) -> tuple[Bools, Aim, Floats]:
        """The attacks asked for by all NPCs, where they are aimed at, and whose go first."""
        dice, setting = self._dice(tick, 2), self.setting
        keen = np.where(self.episode.culprit is Culprit.FLAG, 1.0, dice.choice([0.0, 0.3, 1.0], (self.n, 1, 1)))
        asked = dice.random((self.n, setting.steps, len(TRIGGERS))) < keen
        angle, reach = dice.uniform(-np.pi, np.pi, (2, self.n, setting.steps))
        if len(self.whom):  # at where the last of the others is
            gap = self.whom[-1] - self.position
            near = dice.random((self.n, 1)) < 0.7
            angle = np.where(near, np.arctan2(gap[:, 1], gap[:, 0])[:, None] + 0.2 * angle, angle)
            reach = np.where(near, np.hypot(*gap.T)[:, None] + reach * setting.body.max_speed * 0.3, reach)
        return asked, Aim(angle, np.abs(reach)), dice.choice([0.0, 1.0, np.nan], self.n)

    def _decide(
        self,
        tick: int,
        mind: _Mind,
        chunks: Sequence[zoo.Chunk],
        place: Floats,
        pace: Floats,
        wanted: tuple[Bools, Aim, Floats],
        arrives: int,
    ) -> zoo.Chunk:
        """Has one chunk certified for a mind's NPCs, and remembers it as promised."""
        setting, me, tables = self.setting, mind.members, self._rules(tick)
        fields = {zoo.AMMO: self.ammo[me], zoo.SHOTS: self.shots[me]}
        ahead, now = place[me], pace[me]
        sure = [replace(chunk, arrives=0) for chunk in chunks]
        for later in range(tick, tick + setting.lead):
            now, _, _ = zoo.hop(sure, later, ahead, now, setting, self.rate[me], None)
            ahead = ahead + now * setting.dt
        apply, flag = tick + setting.lead, self._flag_known(tick)
        wishes = zoo.wishes(self._dice(tick, 3), setting, self.corners, place, self.whom, self.style)[me]
        asked, aim, priority = wanted
        movers = Movers(setting.ids[me], ahead, now, place[me], pace[me])
        aimed = Aim(aim.angle[me], aim.reach[me])
        orders = Wanted(asked[me], apply, tick, flag, fields, priority[me], aimed)
        others = Others(self.whom, setting.names, setting.lead)
        certified = issue(mind.outstanding, Case(movers, tables, wishes, others, orders, setting.config), tick)
        if self.wrong is Culprit.HOSTILE:
            bare = zoo.unshielded(movers, tables, mind.outstanding, wishes, wanted=orders)
            certified = _overruled(certified, bare, self.episode.victim)
        return zoo.Chunk(apply, certified, arrives, flag, aimed)

    # Moving.

    def _move(self, tick: int, place: Floats, pace: Floats) -> dict[str, NDArray[np.generic]]:
        """One tick of the last hop, the engine and everybody else."""
        setting, n, victim = self.setting, self.n, self.episode.victim
        command, driver = np.zeros((n, 2)), np.full(n, audit.BRAKE, np.uint8)
        session, decided = np.zeros(n, np.int64), np.full(n, -1)
        braking, believed = np.zeros(n), np.concatenate([place, pace], 1)
        fired, known, aimed = np.zeros((n, len(TRIGGERS)), np.bool_), np.zeros(n, np.bool_), np.zeros((n, 2))
        for number, (mind, held) in enumerate(zip(self.minds, self.chunks, strict=True)):
            me, chunks = mind.members, held
            dice = self._dice(tick, 10 + number)
            told, who, which = zoo.hop(chunks, tick, place[me], pace[me], setting, self.rate[me], dice)
            braking[me] = self.rate[me] if not chunks else chunks[-1].certified.brake
            if self.episode.culprit is Culprit.COAST:
                cut = (me == victim) & (tick >= self.episode.when)  # the link is down for good
                gone, _, _ = zoo.hop([], tick, place[me], pace[me], setting, self.rate[me], None)
                told[cut], who[cut], which[cut], braking[me[cut]] = gone[cut], audit.BRAKE, -1, self.rate[me[cut]]
            command[me], driver[me], session[me] = told, who, number + 1
            for row in np.flatnonzero(which >= 0):
                npc, chunk = me[row], chunks[which[row]]
                step, answer = tick - chunk.apply, chunk.certified
                decided[npc], known[npc] = chunk.apply - setting.lead, chunk.flag
                believed[npc] = answer.expected[row, step]
                fired[npc] = answer.triggers[row, step]
                aimed[npc] = chunk.aim.angle[row, step], chunk.aim.reach[row, step]
        self._interfere(tick, command, driver, fired)
        pushed, pace_after = self._engine(tick, command)
        self.position = setting.kept(self.position + command * setting.dt + pushed)
        self.velocity = pace_after
        self.whom = self._others(tick)
        luck = self._dice(tick, 4).random(n) < 0.02
        self.ammo, self.shots = self.ammo - fired @ zoo.ROUNDS + luck, self.shots + fired[:, 0]
        return {
            "command": command,
            "driver": driver,
            "attacks": fired,
            "flag": np.array(self._flag(tick)),
            "known": known,
            "aim": aimed,
            "believed": believed,
            "braking": braking,
            "session": session,
            "decided": decided,
            "pushed": pushed,
        }

    def _interfere(self, tick: int, command: Floats, driver: NDArray[np.uint8], fired: Bools) -> None:
        """Lets the game or a dead last hop drive the victim."""
        victim, since = self.episode.victim, tick - self.episode.when
        if self.wrong is Culprit.GAME and 0 <= since % 30 < _SEIZED and since >= 0:
            whim = self._dice(tick - since % 30, 6).normal(size=2) * self.declared.speed[victim]
            command[victim], driver[victim] = whim, audit.CALLBACK
            fired[victim] = self._dice(tick, 7).random(len(TRIGGERS)) < _FIRES
        if self.wrong is Culprit.COAST and since >= 0:
            command[victim] = self.velocity[victim]
            driver[victim] = audit.NONE if self.episode.strength < 0.5 else audit.BRAKE

    def _engine(self, tick: int, command: Floats) -> tuple[Floats, Floats]:
        """How much further than told the engine moves everybody, and how fast they are afterwards."""
        pushed, pace = np.zeros((self.n, 2)), command.copy()
        victim, since = self.episode.victim, tick - self.episode.when
        if self.wrong is not Culprit.SHOVE or since < 0 or since > 40:
            return pushed, pace
        dice, dt = self._dice(self.episode.when, 8), self.setting.dt
        form = int(dice.integers(3))
        corner = self.corners[dice.integers(len(self.corners))]
        if form == 0 and since == 0:  # put somewhere else, at rest or flung
            pushed[victim] = (corner - self.position[victim]) * dice.uniform(0.3, 1.1)
            if dice.random() < 0.5:
                pace[victim] = command[victim] + dice.normal(size=2) * self.setting.body.max_speed
        elif form == 1 and since < 8:  # runs further than told
            most = 3.0 * self.setting.body.max_speed / max(float(np.hypot(*command[victim])), 1e-9)
            pushed[victim] = command[victim] * dt * np.clip(dice.uniform(0.3, 2.0), 0.0, max(0.0, most - 1.0))
            pace[victim] = command[victim] + pushed[victim] / dt
        elif form == 2 and since < 25:  # slides on
            pushed[victim] = (self.velocity[victim] - command[victim]) * dt
            pace[victim] = self.velocity[victim]
        return pushed, pace

    def _others(self, tick: int) -> Floats:
        """Where everybody else goes."""
        if not len(self.whom):
            return self.whom
        pace = np.full(len(self.whom), self.setting.top_speed)
        if self.wrong is Culprit.FAST and 0 <= tick - self.episode.when < 25:
            pace *= 1.5 + 2.5 * self.episode.strength
        paths = self.replayed.paths
        gap = self._wish(tick) if paths is None else paths[tick + 1] - self.whom
        share = pace * self.setting.dt * (1.0 - 1e-9) / np.maximum(np.hypot(gap[:, 0], gap[:, 1]), 1e-12)
        if paths is not None:  # the same way as the first time, as far as the declared speed carries
            share = np.minimum(share, 1.0)
        return np.asarray(self.whom + gap * share[:, None])

    def _wish(self, tick: int) -> Floats:
        """Which way the others want to go: at an NPC, or anywhere, for a while each."""
        dice = self._dice(tick - tick % _TURN, 9)
        anywhere, target = dice.normal(size=self.whom.shape), dice.integers(self.n, size=len(self.whom))
        hunts = dice.random(len(self.whom)) < 0.6
        hunts[0] |= self.episode.culprit in (Culprit.FAST, Culprit.PLAYER)
        return np.where(hunts[:, None], self.position[target] - self.whom, anywhere)

    def _spawn(self) -> None:
        """Puts the victim where it has no legal brake, or has nobody's leave to be."""
        dice, victim, setting = np.random.default_rng([self.episode.number, 11]), self.episode.victim, self.setting
        zones = [np.array(w.vertices) for w in setting.walls]
        zones += [np.array(rule.polygon) for rule in setting.rules if isinstance(rule, KeepOut)]
        polygon = zones[dice.integers(len(zones))]
        edge = polygon[dice.integers(len(polygon))]
        form = int(dice.integers(3))
        if form == 0:
            self.position[victim] = polygon.mean(0)
        elif form == 1:  # before a corner, and fast
            way = edge - self.position[victim]
            ahead = way / max(float(np.hypot(*way)), 1e-9)
            self.position[victim] = edge - ahead * (setting.body.radius + 0.3 * setting.body.max_speed * setting.dt)
            self.velocity[victim] = ahead * setting.body.max_speed * 0.9
        else:
            mate = self.position[dice.integers(self.n)]
            self.position[victim] = mate + dice.normal(size=2) * setting.body.radius

    def _forecasts(self, others: Floats) -> tuple[audit.Forecast, ...]:
        """What the victim's plan expected of the first of the others: that it goes on as it went."""
        if self.episode.culprit is not Culprit.FORECAST:
            return ()
        made, dt = self.episode.when, self.setting.dt
        ahead = np.arange(1, _AHEAD + 1)
        way = others[made, 0] - others[made - 1, 0]
        radius = 0.4 * ahead * self.setting.top_speed * dt
        return (audit.Forecast(self.episode.victim, 0, made, others[made, 0] + ahead[:, None] * way, radius),)


def _overruled(answer: Certified, bare: Certified, npc: int) -> Certified:
    """The certified chunk with one NPC's proposals as they were; the last hop is as strict with it as with all."""
    velocities, expected, triggers = answer.velocities.copy(), answer.expected.copy(), answer.triggers.copy()
    velocities[npc], expected[npc], triggers[npc] = bare.velocities[npc], bare.expected[npc], bare.triggers[npc]
    return replace(answer, velocities=velocities, expected=expected, triggers=triggers)
