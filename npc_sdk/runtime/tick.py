"""One tick without I/O: snapshots in, certified chunks out. Values go one way; no socket, no clock."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from npc_bridge.messages import STATUS_CHANGED, STATUS_GUARDED, STATUS_PLANNED, Action, Snapshot
from npc_bridge.schema import Schema
from npc_sdk.belief import Sight, join
from npc_sdk.constraints import ReactionTime, Remark, Rule, Standing, check_polygons
from npc_sdk.designer.request import NpcKey
from npc_sdk.designer.setting import BoardSnapshot
from npc_sdk.errors import ConstraintError
from npc_sdk.runtime.courses import courses
from npc_sdk.runtime.game import Game, check_names
from npc_sdk.runtime.strides import strides
from npc_sdk.runtime.view import Decider, Evidence, Orders, View
from npc_sdk.runtime.witness import Findings
from npc_sdk.shield import (
    Aim,
    Case,
    Certified,
    Ledger,
    Movers,
    Sent,
    ShieldConfig,
    Wanted,
    certified_limits,
    half_planes,
    issue,
)

Floats = NDArray[np.float32]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """How the brain paces itself."""

    lead_ticks: int = 2  # from the snapshot to the tick at which its answer applies; 0 in lock-step
    chunk_steps: int = 6  # certified ticks per answer: 200 ms at 30 Hz, within the ladder's 250 ms
    ahead_ticks: int = 9  # from a snapshot to the end of its answer: a dead brain leads for 300 ms at most
    horizon: int = 20  # model steps of 0.1 s per plan
    stagger: bool = True  # spread the NPCs' decisions over the ticks between two decisions
    shield: ShieldConfig = field(default_factory=ShieldConfig)
    sight: Sight = field(default_factory=Sight)


@dataclass(frozen=True, slots=True)
class Report:
    """What one game's answer rests on: for telemetry, explain and the checks."""

    key: str
    snapshot: Snapshot
    game: Game
    ids: NDArray[np.uint32]  # n
    slots: NDArray[np.intp]  # n
    squads: NDArray[np.int64]  # n
    proposals: NDArray[np.float64]  # n m 2, m/s, what the plans asked for
    evidence: dict[int, Evidence]  # new decisions, by NPC id
    certified: Certified
    revision: int
    findings: Findings  # declared against seen, since the game's last snapshot
    wasted: float  # share of the candidates of its new decisions that break a rule; NaN without one

    @property
    def intervened(self) -> float:
        """Share of the certified NPC-ticks whose motion or attack the shield changed."""
        return float(self.certified.changed.mean()) if self.certified.changed.size else 0.0

    standings: dict[int, tuple[Standing, ...]]  # with rules of class H, by NPC id of those that decided now: forecasts


def at_once(work: Callable[[], None]) -> None:
    work()


def _remark(game: Game, look: int, find: Callable[[], tuple[Remark, ...]]) -> None:
    """Logs what is new in what there is to remark on, unless the rules have changed again meanwhile."""
    if look != game.looks:
        return
    told = find()
    for remark in told:
        if remark not in game.remarked:
            log.warning("%s: %s", game.faction, remark.text)
    game.remarked = told


def _never() -> bool:
    return False


class Runtime:
    """The brain between two sockets. One tick plans for every NPC that is due and certifies all.

    Args:
        decider: chooses plans.
        board: gives the designers' settings; read once per tick.
        config: how the brain paces itself.
        ledger: is told every call of the shield and its answer.
        later: runs what may take a fifth of a second and only writes to the log; on a thread of its own, in play.
    """

    def __init__(
        self,
        decider: Decider,
        board: Callable[[], BoardSnapshot],
        config: RuntimeConfig | None = None,
        ledger: Ledger | None = None,
        later: Callable[[Callable[[], None]], object] = at_once,
    ) -> None:
        self._later = later
        self.config = config or RuntimeConfig()
        self.decider = decider
        self._board = board
        self._ledger = ledger
        self._games: dict[str, Game] = {}

    def register(self, key: str, schema: Schema) -> Game:
        """Makes room for a game; registering it again starts it afresh."""
        game = self._seat(key, schema)
        self._note(lambda ledger: ledger.begin(key))
        return game

    def _seat(self, key: str, schema: Schema) -> Game:
        self.forget(key)
        self._games[key] = game = Game(key, schema, self.config.horizon, self.config.sight)
        return game

    def remember(self, key: str, former: str, attacks: Sent) -> None:
        """Counts a former game's attacks against a game that has just begun: the same one, back again."""
        self._games[key].outstanding.attacks = attacks
        self._note(lambda ledger: ledger.begin(key, attacks=former))

    def change_schema(self, key: str, schema: Schema) -> Game:
        """Gives a game another schema in the same session: its ticks go on, and so does what it has been sent."""
        old = self._games[key]
        game = self._seat(key, schema)
        game.follow(old)
        self._note(lambda ledger: ledger.begin(key, promises=key, by=game.further(old)))
        return game

    def _note(self, what: Callable[[Ledger], None]) -> None:
        """Writes to the log, if there is one; games go on without when the disk is full."""
        if self._ledger is not None:
            try:
                what(self._ledger)
            except OSError as error:
                log.error("the shield's log ends here: %s", error)
                self._ledger = None

    def forget(self, key: str) -> None:
        """Drops a game."""
        if self._games.pop(key, None) is not None:
            self.decider.forget(key)

    def attacks(self, key: str) -> Sent:
        """Returns what counts against a game's rules about attacks: more than a session of it."""
        return self._games[key].outstanding.attacks

    def admit(self, rules: tuple[Rule, ...]) -> None:
        """Refuses rules that cannot hold together in some game that has shown its NPCs.

        Rules for a persona are looked at by themselves only: who wears it changes. What can be obeyed, but hardly as it
        was meant, goes to the log.

        Raises:
            ConstraintError: names the conflicting rules.
        """
        check_polygons(rules)
        check_names(rules, [game.schema for game in self._games.values()])
        named = tuple(r for r in rules if not (isinstance(r.who, str) and r.who.startswith("persona:")))
        for game in self._games.values():
            game.admit(named, self.config.shield)
        for game in self._games.values():
            game.looks += 1
            self._later(partial(_remark, game, game.looks, game.remarks(named, self.config.shield)))

    def tick(
        self,
        due: Sequence[tuple[str, Snapshot]],
        late: Callable[[], bool] = _never,
        lead_ticks: int | None = None,
    ) -> list[tuple[str, Action, Report]]:
        """Answers one snapshot each of some registered games.

        Args:
            due: games and their newest snapshots.
            late: True once the time for planning is used up.
            lead_ticks: from the snapshots to the tick at which these answers apply; the configured one by default.

        A game that cannot be certified, its coordinates too large say, gets no answer; the log says why, and its last
        hop brakes.
        """
        if not due:
            return []
        board = self._board()
        lead = self.config.lead_ticks if lead_ticks is None else lead_ticks
        view, spans = self._look(due, board, late, lead)
        orders = self.decider.decide(view)
        self._adopt(view, orders)
        answers = []
        for index, (key, snapshot) in enumerate(due):
            rows, game = slice(*spans[index]), view.games[index]
            try:
                action, report = self._certify(view, orders, index, rows, snapshot, board)
            except ConstraintError as error:  # one game that cannot be certified must not silence the others
                if str(error) != game.refused:
                    log.error("%s: tick %d: no answer, its NPCs brake: %s", game.faction, snapshot.tick, error)
                game.refused = str(error)
                continue
            game.refused = ""
            answers.append((key, action, report))
        return answers

    def _look(
        self, due: Sequence[tuple[str, Snapshot]], board: BoardSnapshot, late: Callable[[], bool], lead: int
    ) -> tuple[View, list[tuple[int, int]]]:
        """Observes, rolls our NPCs forward to the apply tick, and gathers all games into one batch."""
        config = self.config
        games = tuple(self._games[key] for key, _ in due)
        tables, columns, spans, rules, floors = [], [], [], [], []
        first_scene = first_row = 0
        width = max(game.slots.size for game in games)
        reaction = max((rule.seconds for rule in board.rules if isinstance(rule, ReactionTime)), default=0.0)
        for index, (game, (_, snapshot)) in enumerate(zip(games, due, strict=True)):
            table = game.observe(snapshot, math.ceil(reaction / game.dt - 1e-9))
            slots = game.movers()
            apply_tick = snapshot.tick + lead
            position, velocity, heading = game.ahead(snapshot, slots, lead)
            pose = table.pose.copy()
            pose[:, slots] = np.concatenate([position, velocity], 1).astype(np.float32)
            tables.append(replace(table, pose=pose))
            frame = game.frame
            assert frame is not None
            ids, squads = frame.ids[0, slots], frame.squad[0, slots]
            npcs = [NpcKey(int(i), int(s), game.faction) for i, s in zip(ids, squads, strict=True)]
            scenes = len(table.squad)
            ahead = game.plans.ahead(apply_tick, game.ticks_per_step)
            planned = game.plans.start[slots] >= 0
            columns.append(
                {
                    "game": np.full(len(slots), index),
                    "scene": first_scene + np.clip(squads, 0, scenes - 1),
                    "slot": slots,
                    "ids": ids,
                    "position": position,
                    "velocity": velocity,
                    "heading": heading,
                    "due": game.due(slots, apply_tick, config.stagger),
                    "planned": planned,
                    "weights": board.resolve(npcs),
                    "committed": np.repeat(np.pad(ahead, [(0, width - len(ahead)), (0, 0), (0, 0)])[None], scenes, 0),
                }
            )
            rules.append(game.rules(board.rules_for(npcs), ids, slots))
            game.outstanding.forget(snapshot.tick)
            floors.append(np.zeros((len(slots), 0, 3)))
            if columns[-1]["due"].any():
                movers = _movers(game, slots, ids, position, velocity, lead)
                floors[-1] = half_planes(
                    movers, rules[-1], game.outstanding, self._chunk(lead), game.margins(config.shield)
                )
            spans.append((first_row, first_row + len(slots)))
            first_scene += scenes
            first_row += len(slots)
        whole = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
        most, unbound = max(floor.shape[1] for floor in floors), [(0.0, 0.0, np.inf)]
        floors = [np.concatenate([f, np.tile(unbound, (len(f), most - f.shape[1], 1))], 1) for f in floors]
        view = View(
            games=games,
            table=join(tables),
            game=whole["game"].astype(np.int64),
            scene=whole["scene"].astype(np.int64),
            slot=whole["slot"].astype(np.int64),
            ids=whole["ids"],
            position=whole["position"].astype(np.float32),
            velocity=whole["velocity"].astype(np.float32),
            heading=whole["heading"],
            due=whole["due"],
            committed=whole["committed"],
            planned=whole["planned"],
            weights=whole["weights"],
            rules=tuple(rules),
            apply_tick=np.array([s.tick + lead for _, s in due]),
            floor=np.concatenate(floors),
            shield=config.shield,
            lag=np.array([lead * game.dt + math.ceil(reaction / game.dt - 1e-9) * game.dt for game in games]),
            board=board,
            late=late,
        )
        return view, spans

    def _chunk(self, lead: int) -> int:
        """Returns how many steps an answer that applies so many ticks after its snapshot has."""
        return max(1, min(self.config.chunk_steps, self.config.ahead_ticks - lead))

    def _adopt(self, view: View, orders: Orders) -> None:
        """Stores the new plans with their games."""
        for row, moves in zip(orders.rows, orders.moves, strict=True):
            plans = view.games[view.game[row]].plans
            plans.moves[view.slot[row]] = moves
            plans.start[view.slot[row]] = view.apply_tick[view.game[row]]

    def _certify(
        self, view: View, orders: Orders, index: int, rows: slice, snapshot: Snapshot, board: BoardSnapshot
    ) -> tuple[Action, Report]:
        """Turns one game's plans into a chunk that the shield vouches for."""
        game = view.games[index]
        shield = game.margins(self.config.shield)
        slots, ids, hands = view.slot[rows], view.ids[rows], _carried(view.games[index].schema, orders.hands[rows])
        start = int(view.apply_tick[index])
        length = self._chunk(start - snapshot.tick)
        tables, frame = view.rules[index], game.frame
        assert frame is not None
        local = tables.rows(ids)
        step = certified_limits(tables, local, shield)[1] * game.dt
        wanted = np.stack([game.plans.at(start + k, game.ticks_per_step)[slots] for k in range(length)], 1)
        if len(tables.moves):
            proposals = strides(wanted, start, tables.moves)
        elif tables.steers:
            now = view.velocity[rows].astype(np.float64)
            proposals = courses(view.heading[rows], now, wanted, tables.turn[local] * game.dt, step)
        else:
            proposals = ramp(view.velocity[rows].astype(np.float64), wanted, step)
        proposals[np.isin(ids, game.settling)] = 0.0
        findings = game.witness.look(snapshot, tables)
        fields = game.fields(snapshot, ids)
        case = Case(
            replace(
                _movers(game, slots, ids, view.position[rows], view.velocity[rows], start - snapshot.tick),
                names=game.names(snapshot, ids) if tables.cones or tables.bursts else None,  # who else asks for them
                airborne=game.airborne(snapshot, ids),
                heading=view.heading[rows] if tables.steers else None,
                seen_heading=game.facing(slots.astype(np.intp)) if tables.steers else None,
            ),
            tables,
            proposals,
            game.others(snapshot, start - snapshot.tick),
            Wanted(
                triggers=_triggers(hands, length),
                apply_tick=start,
                tick=snapshot.tick,
                hold_fire=game.hold_fire or board.modes.get("hold_fire", False),
                fields=fields,
                aim=_aim(game.schema, hands, length),
            ),
            shield,
        )
        certified = issue(game.outstanding, case, game.chunk + 1)
        game.chunk += 1
        over = game.overtaken(tables, ids, certified.guarded)
        if len(over):
            why = certified.reason[int(np.flatnonzero(ids == over[0])[0])]
            log.warning(
                "%s: tick %d: rules changed over NPCs %s (%s): each is held to them once it has a legal brake",
                game.faction, snapshot.tick, ", ".join(map(str, over)), why,
            )  # fmt: skip
        self._note(lambda ledger: ledger.step(game.key, game.chunk, case, certified))
        new = np.isin(np.arange(len(view.ids))[rows], orders.rows)
        status = certified.guarded * STATUS_GUARDED + new * STATUS_PLANNED + certified.changed.any(1) * STATUS_CHANGED
        action = Action(
            session=snapshot.session,
            schema_id=snapshot.schema_id,
            source_tick=snapshot.tick,
            apply_tick=start,
            valid_until_tick=start + length - 1,
            chunk=game.chunk,
            sequence=snapshot.sequence,
            received_us=0,
            planned_us=0,
            sent_us=0,
            ids=ids,
            steps=_commands(game.schema, certified, hands),
            expected=certified.expected.astype(np.float32),
            brake=certified.brake.astype(np.float32),
            tolerance=certified.tolerance.astype(np.float32),
            status=status.astype(np.uint8),
            bark=np.zeros(len(ids), np.uint16),
        )
        if game.ladder.session != snapshot.session:
            game.ladder.start(snapshot.session, velocity_tolerance=shield.velocity_tolerance)
        game.ladder.accept(action)
        game.witness.tell(action)
        evidence = {
            int(view.ids[row]): found
            for row, found in zip(orders.rows, orders.evidence, strict=True)
            if found is not None and rows.start <= row < rows.stop
        }
        mine = (orders.rows >= rows.start) & (orders.rows < rows.stop)
        told = zip(orders.rows, orders.standings, strict=True) if orders.standings else ()
        standings = {int(view.ids[row]): found for row, found in told if found and rows.start <= row < rows.stop}
        report = Report(
            key=game.key,
            snapshot=snapshot,
            game=game,
            ids=ids,
            slots=slots.astype(np.intp),
            squads=frame.squad[0, slots],
            proposals=proposals,
            evidence=evidence,
            certified=certified,
            revision=board.revision,
            findings=findings,
            wasted=float(orders.wasted[mine].mean()) if len(orders.wasted) and mine.any() else math.nan,
            standings=standings,
        )
        return action, report


def _carried(schema: Schema, hands: Floats) -> Floats:
    """Returns what is asked of the hands as the wire carries it: certified is what is sent, or it would say nothing.

    Within the channels' ranges, and the default where it is no number.
    """
    out = np.zeros_like(hands)
    for column, name in enumerate(("aim", "fire", "throw", "reach")):
        index = schema.channel(name)
        if index is not None:
            channel, asked = schema.channels[index], hands[:, column]
            out[:, column] = np.where(np.isnan(asked), channel.default, np.clip(asked, channel.low, channel.high))
    return out


def _movers(
    game: Game,
    slots: NDArray[np.integer],
    ids: NDArray[np.uint32],
    position: NDArray[np.floating],
    velocity: NDArray[np.floating],
    lead: int,
) -> Movers:
    """States where a game's NPCs will be when the answer applies, and where the snapshot showed them."""
    assert game.frame is not None
    seen = game.frame.pose[0, slots].astype(np.float64) if lead else None
    # As the view has them: what is planned by and what is certified by must be the same numbers.
    here, now = (part.astype(np.float32).astype(np.float64) for part in (position, velocity))
    there, pace = (None, None) if seen is None else (seen[:, :2], seen[:, 2:])
    return Movers(ids, here, now, there, pace)


def _aim(schema: Schema, hands: Floats, length: int) -> Aim | None:
    """Where attacks go: the same for all steps; None in a game without an aim."""
    if schema.channel("aim") is None:
        return None
    aims = np.repeat(hands[:, None].astype(np.float64), length, 1)
    return Aim(aims[..., 0], aims[..., 3])


def _triggers(hands: Floats, length: int) -> NDArray[np.bool_]:
    """Says at which steps to fire and throw: n m 2. One decision asks for one throw, in the first step."""
    triggers = np.repeat(hands[:, None, 1:3] > 0.5, length, 1)
    triggers[:, 1:, 1] = False
    return triggers


def _commands(schema: Schema, certified: Certified, hands: Floats) -> Floats:
    """Fills the command channels that the game has: n m k."""
    n, m, _ = certified.velocities.shape
    steps = np.tile(np.array([c.default for c in schema.channels], np.float32), (n, m, 1))
    columns: dict[str, NDArray[np.generic]] = {
        "move_x": certified.velocities[:, :, 0],
        "move_y": certified.velocities[:, :, 1],
        "aim": hands[:, None, 0],
        "fire": certified.triggers[:, :, 0],
        "throw": certified.triggers[:, :, 1],
        "reach": hands[:, None, 3],
    }
    for name, values in columns.items():
        index = schema.channel(name)
        if index is not None:
            steps[:, :, index] = values
    return steps


def ramp(velocity: NDArray[np.float64], wanted: Floats, step: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lets each NPC's velocity follow what its plan wants by at most its `step` m/s per tick: n m 2."""
    out = np.empty(wanted.shape)
    now = velocity
    with np.errstate(invalid="ignore"):  # who wants what is no number proposes none; the shield answers that
        for k in range(wanted.shape[1]):
            change = wanted[:, k] - now
            size = np.linalg.norm(change, axis=1, keepdims=True)
            now = now + change * np.minimum(1.0, step[:, None] / np.maximum(size, 1e-9))
            out[:, k] = now
    return out
