"""What the designers' side is shown: one message per answer, read off results afterwards. Decides nothing."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import Action
from npc_bridge.packing import Value
from npc_sdk.belief import PLAYER, Sight, sees
from npc_sdk.constraints import KINDS, Standing
from npc_sdk.designer.barks import BarkTracker, Intent
from npc_sdk.designer.choice import Choice, ShieldChange, rechosen
from npc_sdk.designer.explain import Explanation, Verdict, explain, verdict
from npc_sdk.designer.request import NpcKey
from npc_sdk.designer.setting import BoardSnapshot
from npc_sdk.planner.proposals import STRUCTURED
from npc_sdk.runtime import Breach, Evidence, Report
from npc_sdk.shield import Certificate, Certified, certificates

TOPIC = "plan"
SHOWN = STRUCTURED + 4  # candidates that are drawn: one a family, and the best of the others
SWING = "swing"  # plans chosen anew between two answers
MOMENTS = slice(4, 15, 5)  # of 0.1 s: where the player is imagined after 0.5, 1 and 1.5 s is enough to draw
PLAYER_SIGHT = Sight(reach=18.0)  # how players see, for the measured exposure


@dataclass(frozen=True, slots=True)
class Thought:
    """One NPC's newest decision and what the shield made of it."""

    key: NpcKey
    tick: int  # of the snapshot it was decided on
    evidence: Evidence
    choice: Choice
    verdict: Verdict


class Watch:
    """Follows one game: explains its newest decisions, lets NPCs call out, and measures what designers ask about."""

    def __init__(self, tick_hz: float) -> None:
        self._barks = BarkTracker(round(tick_hz))
        self._thoughts: dict[int, Thought] = {}
        self._living: frozenset[int] = frozenset()
        self._certified: Certified | None = None
        self._row_of: dict[int, int] = {}
        self.tick = 0  # of the newest snapshot that was answered
        self._exposed = 0.0
        self._told = 0

    def explain(self, npc: int) -> Explanation | None:
        """Returns why an NPC does what it does, None before its first decision."""
        thought = self._thoughts.get(npc)
        return None if thought is None else explain(thought.choice)

    def thought(self, npc: int) -> Thought | None:
        """Returns an NPC's newest decision, None before the first."""
        return self._thoughts.get(npc)

    def certificate(self, npc: int) -> Certificate | None:
        """Returns what the shield made of an NPC's newest chunk, None where it has none."""
        if self._certified is None or npc not in self._row_of:
            return None
        return certificates(self._certified)[self._row_of[npc]]

    def reweigh(self, board: BoardSnapshot) -> list[Value]:
        """Chooses for every living NPC anew among the plans it imagined last, under the board's weights of now.

        Nothing is imagined anew: a term that was not scored then counts from the next decision on. Returns a row an
        NPC, as in `message` but without what has not changed.
        """
        thoughts = [t for npc, t in self._thoughts.items() if npc in self._living]
        weights = board.resolve([t.key for t in thoughts])
        column = {name: m for m, name in enumerate(board.terms.names)}
        for thought, row in zip(thoughts, weights, strict=True):
            told = thought.choice
            turned = np.array([row[column[name]] if name in column else 0.0 for name in told.weighed])
            turned = turned.astype(np.float32).astype(np.float64)  # as the planner has them
            turned = np.concatenate([turned, told.weights[len(told.weighed) :]])  # prices stay until it decides anew
            if not np.array_equal(turned, thought.choice.weights):
                choice = rechosen(thought.choice, turned)
                self._thoughts[choice.npc] = replace(thought, choice=choice, verdict=verdict(choice))
        return [_row(self._thoughts[t.key.id]) for t in thoughts]

    def behind(self, names: tuple[str, ...]) -> Thought | None:
        """Returns the decision of a living NPC that was scored by other terms than these, None if there is none."""
        thoughts = (t for npc, t in self._thoughts.items() if npc in self._living)
        return next((t for t in thoughts if t.choice.weighed != names), None)

    def drop(self, npc: int) -> None:
        """Forgets a decision that cannot be taken again."""
        del self._thoughts[npc]

    def retake(self, npc: int, evidence: Evidence) -> dict[str, Value]:
        """Puts a decision that was taken once more in the place of the newest, and returns its whole row."""
        choice = evidence.choice
        thought = replace(self._thoughts[npc], evidence=evidence, choice=choice, verdict=verdict(choice))
        self._thoughts[npc] = thought
        return _row(thought) | _imagined(evidence)

    @property
    def npcs(self) -> tuple[int, ...]:
        """NPCs that have decided."""
        return tuple(sorted(self._thoughts))

    def take(self, report: Report) -> dict[int, int]:
        """Takes one answer's report in and returns the barks it gives rise to, by NPC."""
        certified, barks = report.certified, {}
        row_of = {int(i): row for row, i in enumerate(report.ids)}
        table = report.game.table
        assert table is not None
        self._living, self.tick = frozenset(row_of), report.snapshot.tick
        self._certified, self._row_of = certified, row_of
        for npc, evidence in report.evidence.items():
            row = row_of[npc]
            rules = tuple(KINDS[c] for c in np.flatnonzero(certified.rejected[row]))
            asked = evidence.choice
            shift = float(np.abs(certified.velocities[row] - report.proposals[row]).sum(0).max()) * report.game.dt
            change = ShieldChange(bool(certified.changed[row].any()), rules, shift if np.isfinite(shift) else 0.0)
            told = verdict(asked)
            key = NpcKey(npc, int(report.squads[row]), report.game.faction)
            self._thoughts[npc] = Thought(key, self.tick, evidence, replace(asked, shield=change), told)
            scene = int(np.clip(report.squads[row], 0, len(table.squad) - 1))
            seen = bool(table.seen[scene, table.kind[scene] == PLAYER].any())
            start = certified.expected[row, 0, :2]
            path = np.concatenate([start[None], evidence.paths[asked.chosen]]).astype(np.float64)
            player = evidence.ghosts[asked.chosen, 0].astype(np.float64)
            intent = Intent(npc, told.family, told.leading, path, player, seen)
            bark = self._barks.update(report.snapshot.tick, intent)
            if bark:
                barks[npc] = bark
        return barks

    def message(
        self, name: str, report: Report, action: Action, board: BoardSnapshot, facts: dict[str, Value]
    ) -> dict[str, Value]:
        """Builds the telemetry message of one answer; `facts` are the server's own (latencies, counters, model)."""
        exposed = self._exposure(report)
        executing = report.snapshot.executing
        rungs = dict(zip(executing.ids.tolist(), executing.rung.tolist(), strict=True))
        npcs: list[Value] = []
        for row, (npc, certificate) in enumerate(zip(report.ids.tolist(), certificates(report.certified), strict=True)):
            key = NpcKey(npc, int(report.squads[row]), report.game.faction)
            entry: dict[str, Value] = {
                "id": npc,
                "squad": int(report.squads[row]),
                "persona": board.persona_of(key),
                "status": int(action.status[row]),
                "bark": int(action.bark[row]),
                "rung": int(rungs.get(npc, 4)),
                "exposed": bool(exposed[row]),
                "certificate": dict(certificate.numbers()),
            }
            thought = self._thoughts.get(npc)
            if thought is not None and npc in report.evidence:
                entry |= _row(thought) | _imagined(thought.evidence)
            if npc in report.standings:
                entry["forecasts"] = [_stood(standing) for standing in report.standings[npc]]
            npcs.append(entry)
        return {
            "game": name,
            "tick": report.snapshot.tick,
            "apply_tick": action.apply_tick,
            "revision": report.revision,
            "npcs": npcs,
            "beliefs": _beliefs(report),
            "exposed_fraction": self._exposed,
            "intervened": report.intervened,
            "wasted": None if math.isnan(report.wasted) else report.wasted,
            "judged": report.findings.judged,
            "breaches": [_told(breach) for breach in report.findings.breaches],
            **facts,
        }

    def _exposure(self, report: Report) -> NDArray[np.bool_]:
        """Measures, on the true state, which NPCs are in a player's view; keeps a running share of about 3 s."""
        frame, slots = report.game.frame, report.slots
        assert frame is not None
        players = np.flatnonzero((frame.kind[0] == PLAYER) & frame.alive[0])
        if not len(players) or not len(slots):
            return np.zeros(len(slots), np.bool_)
        eyes = frame.pose[:, players, None, :2]
        seen = sees(
            eyes, frame.heading[:, players, None], frame.pose[:, None, slots, :2], PLAYER_SIGHT,
            report.game.map.opaque_edges[None],
        )[0].any(0)  # fmt: skip
        self._told += 1
        rate = max(1.0 / self._told, report.game.dt / 3.0)
        self._exposed += rate * (float(seen.mean()) - self._exposed)
        return np.asarray(seen)


def _row(thought: Thought) -> dict[str, Value]:
    """What a decision's choice came to: all that other weights can change."""
    choice, short = thought.choice, thought.verdict
    return {
        "id": choice.npc,
        "family": short.family,
        "leading": short.leading,
        "J": short.objective,
        "lead": short.lead,
        "path": _block(thought.evidence.paths[choice.chosen]),
        "alternatives_J": [float(j) for j in choice.objective[:SHOWN]],
        "feasible": [bool(f) for f in choice.feasible[:SHOWN]],
        "ghost": _block(thought.evidence.ghosts[choice.chosen, MOMENTS]),
    }


def _imagined(evidence: Evidence) -> dict[str, Value]:
    """What a decision was chosen from: other weights leave it as it is."""
    return {"alternatives": _block(evidence.paths[:SHOWN]), "ghosts": _block(evidence.ghosts[:SHOWN, MOMENTS])}


def _block(array: NDArray[np.floating]) -> bytes:
    return np.ascontiguousarray(array, "<f4").tobytes()


def _told(breach: Breach) -> dict[str, Value]:
    return dict(asdict(breach))


def _stood(standing: Standing) -> dict[str, Value]:
    told = asdict(standing).items()
    return {"kind": standing.kind, **{k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in told}}


def _beliefs(report: Report) -> list[Value]:
    table = report.game.table
    assert table is not None
    out: list[Value] = []
    for scene, slot in zip(*np.nonzero(table.kind == PLAYER), strict=True):
        out.append(
            {
                "squad": int(table.squad[scene]),
                "player": int(table.ids[scene, slot]),
                "x": float(table.pose[scene, slot, 0]),
                "y": float(table.pose[scene, slot, 1]),
                "sigma": float(table.sigma[scene, slot]),
                "age": float(table.age[scene, slot]),
                "seen": bool(table.seen[scene, slot]),
            }
        )
    return out
