"""Says who broke a rule by playing again with each mover frozen in turn, and compares with what the audit says.

Nothing here asks the audit: breaches are found by trying many points (`rooms`), and a mover is to blame if the breach
is gone once it stands still, or once the engine, the link, the zone or the others keep to what was declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from npc_sdk import audit
from npc_sdk.constraints import KINDS
from npc_sdk.experiments import kept
from npc_sdk.experiments.campaign import code
from npc_sdk.experiments.culprits import Culprit, Episode, Played, Replay, draw, play
from npc_sdk.experiments.kept import in_turn
from npc_sdk.experiments.rooms import Motion, motion, rooms

LABELS = ("npc", "external", "K1", "K2", "K3", "K4", "K4b", "K6", "inadmissible", "miss", "undecided")
"""Who it was; a number of an assumption stands for its breach. `undecided` are breaches with several causes or none."""
VERDICTS = (*LABELS[:-1], "unseen")
"""What the audit makes of it."""
RULES = (*KINDS, "forecast")
EPISODES = 12  # per shard: one of every kind

_BETTER = 1e-5  # m by which freezing a mover must help
_DOUBT = 4.0  # times more or less than that, in which measuring by points cannot tell
_ABOUT_OTHERS = ("keep_away", "stay_near")
_ABOUT_MOTION = ("speed", "acceleration", "turn")
_COUNTED = ("hold_fire", "cooldown", "attack_limit", "attack_tokens", "reserve")
_ABOUT_ATTACKS = (*_COUNTED, "friendly_fire", "splash")
_TOGETHER = ("spacing", "in_turn")  # what a mate may do to an NPC

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule begins to be broken by an NPC; `room` says by how much, in the rule's unit."""

    tick: int
    npc: int  # column
    rule: str
    room: float


@dataclass(frozen=True, slots=True)
class Named:
    """A breach, who did it by replay, and who by the audit."""

    breach: Breach
    label: str
    verdict: str


def breaches(episode: Episode, played: Played) -> list[Breach]:
    """Finds where rules begin to be broken, by more than rounding."""
    out, on = list[Breach](), dict[str, NDArray[np.bool_]]()
    nobody = np.zeros(len(episode.setting.ids), np.bool_)
    for tick in range(len(played.trace.command)):
        for rule, room in rooms(played.trace, played.limits, motion(played.trace, tick)).items():
            deep = room < -_least(rule, episode.setting.config.eps)
            begun = on.get(rule, nobody) & (room < 0.0)
            out += [Breach(tick, int(npc), rule, float(room[npc])) for npc in np.flatnonzero(deep & ~begun)]
            on[rule] = deep | begun
    return out


def _least(rule: str, eps: float) -> float:
    """Returns by how much a rule must be broken to be looked at: nobody is accused over the last bit."""
    if rule in (*_COUNTED, "in_turn"):
        return 0.25
    return 1e-3 if rule in _ABOUT_MOTION else 2.0 * eps


class Replays:
    """Plays one episode again and again, each time with one thing otherwise."""

    def __init__(self, episode: Episode, played: Played) -> None:
        self.episode = episode
        self.played = played
        self.breaches = breaches(episode, played)
        self._honest: Replays | None = None
        self._unzoned: Replays | None = None

    def label(self, breach: Breach) -> str:
        """Names the mover without which the breach would not be, or the assumption with which it would not."""
        culprit = self.episode.culprit
        if breach.rule == "forecast":
            return "miss" if self._gone(breach, self._restored()) else "undecided"
        if breach.rule in _ABOUT_OTHERS:
            return self._met(breach)
        stands = self._better(breach, breach.npc)
        if culprit is Culprit.GAME and (driver := self._driven(breach)) is not None:
            return "external" if self._better(breach, driver) == 1 else "undecided"
        if culprit is not Culprit.HOSTILE and self._gone(breach, self._restored()):
            if culprit is Culprit.GAME and breach.rule in _ABOUT_ATTACKS:
                return "external"
            return culprit.assumption.replace("K5", "inadmissible") or "inadmissible"
        if culprit is Culprit.ZONE and self._gone(breach, self._without_zone()):
            return "undecided"  # it would have been in the zone's way in any case
        if stands == 0:
            return "undecided"
        mates = [m for m in range(len(self.episode.setting.ids)) if m != breach.npc and breach.rule in _TOGETHER]
        return "npc" if stands == 1 or any(self._better(breach, m) == 1 for m in mates) else "undecided"

    def _met(self, breach: Breach) -> str:
        """Names who came too near whom, or went too far."""
        stands = self._better(breach, breach.npc)
        if stands == 0:
            return "undecided"
        if stands < 0:
            return "external" if self._better(breach, None) == 1 else "undecided"
        if self.episode.culprit is Culprit.FAST and self._gone(breach, self._restored()):
            return "K4"
        return "npc"

    def _restored(self) -> Replays:
        """The episode with everything as declared; the others go the same way, as fast as they may."""
        if self._honest is None:
            paths, when = self.played.trace.others.copy(), self.episode.when
            if self.episode.culprit is Culprit.FORECAST:  # the mover frozen is the change of mind
                paths[when + 1 :] = paths[when] + np.arange(1, len(paths) - when)[:, None, None] * (
                    paths[when] - paths[when - 1]
                )
            self._honest = self._again(Replay(honest=True, paths=paths))
        return self._honest

    def _without_zone(self) -> Replays:
        if self._unzoned is None:
            self._unzoned = self._again(Replay(without_zone=True, paths=self.played.trace.others))
        return self._unzoned

    def _again(self, otherwise: Replay) -> Replays:
        return Replays(self.episode, play(self.episode, otherwise))

    def _gone(self, breach: Breach, again: Replays) -> bool:
        """Says whether the NPC nowhere breaks the rule the second time, or only by the other's doing."""
        found = [b for b in again.breaches if (b.npc, b.rule) == (breach.npc, breach.rule)]
        return not found or (breach.rule in _ABOUT_OTHERS and all(again._better(b, b.npc) < 0 for b in found))

    def _driven(self, breach: Breach) -> int | None:
        """Returns whom the game drove in the tick: the NPC, or a mate that it came too close to."""
        driven = np.flatnonzero(self.played.trace.driver[breach.tick] == audit.CALLBACK).tolist()
        if breach.npc in driven:
            return breach.npc
        return int(driven[0]) if driven and breach.rule in _TOGETHER else None

    def _better(self, breach: Breach, mover: int | None) -> int:
        """Plays the tick again with an NPC frozen, or all others: 1 if that is better, -1 if not, 0 if in doubt."""
        trace, limits = self.played.trace, _about(self.played.limits, breach.rule)
        real = motion(trace, breach.tick)
        if mover is None:
            frozen = replace(real, others_after=real.others_before)
        else:
            frozen = self._frozen(real, mover, breach.rule)
        gain = float(rooms(trace, limits, frozen)[breach.rule][breach.npc]) - float(
            rooms(trace, limits, real)[breach.rule][breach.npc]
        )
        if _BETTER / _DOUBT < gain < _BETTER * _DOUBT:
            return 0
        return 1 if gain > _BETTER else -1

    def _frozen(self, real: Motion, npc: int, rule: str) -> Motion:
        """An NPC stands still in a tick, brakes where a rule about motion is asked, or keeps its peace."""
        if rule in _ABOUT_ATTACKS:
            attacks = real.attacks.copy()
            attacks[npc] = False
            return replace(real, attacks=attacks)
        command, after = real.command.copy(), real.after.copy()
        speed = float(np.hypot(*real.pace[npc]))
        lost = float(self.played.limits.brake[npc]) * self.episode.setting.dt
        kept = max(0.0, 1.0 - lost / max(speed, 1e-12)) if rule in _ABOUT_MOTION else 0.0
        command[npc] = real.pace[npc] * kept
        after[npc] = real.before[npc] + command[npc] * self.episode.setting.dt + self.played.pushed[real.tick, npc]
        return replace(real, command=command, after=after)


def _about(limits: audit.Limits, rule: str) -> audit.Limits:
    """Returns the limits without those of other rules about places, counts and shots."""
    return replace(
        limits,
        zones=tuple(zone for zone in limits.zones if zone.kind == rule),
        meshes=tuple(mesh for mesh in limits.meshes if mesh.kind == rule),
        clearways=tuple(zone for zone in limits.clearways if zone.kind == rule),
        cones=tuple(cone for cone in limits.cones if cone.kind == rule),
        bursts=tuple(burst for burst in limits.bursts if burst.kind == rule),
    )


def verdict(report: audit.AuditReport, ids: NDArray[np.uint32], breach: Breach) -> str:
    """Returns what the audit says of a breach; of several zones of a kind, of the one that is broken most."""
    found = [v for v in report.examples if (v.tick, v.npc, v.rule) == (breach.tick, int(ids[breach.npc]), breach.rule)]
    if not found:
        return "unseen"
    worst = min(found, key=lambda v: v.margin)
    return worst.assumption if worst.category == "breach" else worst.category


def judged(episode: Episode, played: Played) -> audit.AuditReport:
    """Has the audit judge an episode, with every violation kept."""
    how = episode.setting.config
    config = audit.AuditConfig(
        executed=how.eps,
        admission=how.eps,
        place=how.tolerance + 1e-9,
        pace=how.velocity_tolerance + 1e-9,
        keep=10**9,
    )
    return audit.audit(played.trace, played.limits, config)


def trial(episode: Episode) -> list[Named]:
    """Plays an episode and names every breach in it twice: by replay and by the audit."""
    played = play(episode)
    report, replays = judged(episode, played), Replays(episode, played)
    ids = episode.setting.ids
    return [Named(b, replays.label(b), verdict(report, ids, b)) for b in replays.breaches]


@dataclass(frozen=True, slots=True)
class Example:
    """A breach that the audit names otherwise than the replays do."""

    culprit: str
    number: int
    tick: int
    npc: int
    rule: str
    label: str
    verdict: str


@dataclass(slots=True)
class Score:
    """Running counts. An episode is labelled if one of its breaches is, and right if all that are labelled are."""

    matrix: Counts  # label, verdict
    culprits: Counts  # culprit; episodes, labelled, right, whose own label was found
    wrong: list[Example]

    @classmethod
    def none(cls) -> Score:
        """Starts at nothing."""
        return cls(np.zeros((len(LABELS), len(VERDICTS))), np.zeros((len(Culprit), 4)), [])

    def add(self, episode: Episode, named: Sequence[Named]) -> None:
        """Takes an episode in."""
        known = [n for n in named if n.label != "undecided"]
        for n in named:
            self.matrix[LABELS.index(n.label), VERDICTS.index(n.verdict)] += 1
        culprit = episode.culprit
        own = culprit.assumption.replace("K5", "inadmissible") or culprit.category
        right = all(n.label == n.verdict for n in known)
        self.culprits[culprit.value] += [1, bool(known), bool(known) and right, any(n.label == own for n in known)]
        self.wrong += [
            Example(culprit.name, episode.number, n.breach.tick, n.breach.npc, n.breach.rule, n.label, n.verdict)
            for n in known
            if n.label != n.verdict
        ]

    def plus(self, table: dict[str, Counts]) -> None:
        """Adds what a shard kept."""
        self.matrix = self.matrix + table["matrix"]
        self.culprits = self.culprits + table["culprits"]
        names = [culprit.name for culprit in Culprit]
        for kind, number, tick, npc, rule, label, told in table["wrong"].reshape(-1, 7).astype(int).tolist():
            self.wrong.append(Example(names[kind], number, tick, npc, RULES[rule], LABELS[label], VERDICTS[told]))

    def table(self) -> dict[str, Counts]:
        """Returns the counts as arrays, to be kept."""
        rows = [
            [
                *(Culprit[w.culprit].value, w.number, w.tick, w.npc),
                *(RULES.index(w.rule), LABELS.index(w.label), VERDICTS.index(w.verdict)),
            ]
            for w in self.wrong
        ]
        return {"matrix": self.matrix, "culprits": self.culprits, "wrong": np.array(rows, np.float64).reshape(-1)}

    @property
    def labelled(self) -> int:
        """Episodes with a breach that the replays can name."""
        return int(self.culprits[:, 1].sum())

    @property
    def right(self) -> int:
        """Those of them of which the audit says the same throughout."""
        return int(self.culprits[:, 2].sum())

    @property
    def excused(self) -> int:
        """Breaches of an NPC's own that the audit lays at somebody else's door, or does not see."""
        row = self.matrix[LABELS.index("npc")]
        return int(row.sum() - row[VERDICTS.index("npc")])


def shard(index: int, seed: int) -> Score:
    """Plays one episode of every kind."""
    score = Score.none()
    for culprit in Culprit:
        episode = draw(culprit, seed * 1_000_003 + index)
        score.add(episode, trial(episode))
    return score


def _kept(index: int, seed: int, folder: Path | None, shipped: str) -> Score:
    return kept.shard(folder, shipped, f"attribution_{seed}_{index}", Score.none(), partial(shard, index, seed))


def trials(episodes: int, seed: int, folder: Path | None = None, jobs: int = 1) -> Iterator[Score]:
    """Yields shards of at least so many episodes; finished ones in the folder are not played again."""
    work = partial(_kept, seed=seed, folder=folder, shipped=code())
    yield from in_turn(work, range(-(-episodes // EPISODES)), jobs)
