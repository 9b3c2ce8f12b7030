"""Taking turns: who may move while the others stand, whatever is lost on the way, and for how long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from chunk_laws import hangs_together
from numpy.typing import NDArray

from npc_sdk.constraints import KIND, MoveInTurn, Rule, compile_rules
from npc_sdk.errors import ConstraintError
from npc_sdk.experiments.zoo import Body, Outline
from npc_sdk.shield import REASONS, Case, Certified, Movers, Others, Outstanding, ShieldConfig, Wanted, certify, issue
from npc_sdk.shield.certify import in_motion

DT, M, SPEED = 0.1, 4, 3.0
TURN = KIND["in_turn"]
WALL = Outline("wall", "wall", ((-9.0, 0.36), (9.0, 0.36), (9.0, 1.0), (-9.0, 1.0)))


class Squad:
    """NPCs three metres apart that all want to go down; every tick each runs the newest chunk it got, or brakes."""

    def __init__(self, *rules: Rule, n: int = 3, walls: Any = (), compiled: bool = True) -> None:
        self.n, self.config = n, ShieldConfig(compiled=compiled)
        self.position = np.stack([3.0 * np.arange(n) - 4.0, np.zeros(n)], 1)
        self.velocity = np.zeros((n, 2))
        self.tables = compile_rules(
            rules,
            ids=np.arange(101, 101 + n),
            squads=np.arange(n) // 2,
            homes=np.zeros((n, 2)),
            kinematics=Body(SPEED, 20.0, 20.0, 0.3),
            walls=walls,
            bounds=(-99.0, -99.0, 99.0, 99.0),
            dt=DT,
        )
        self.promised, self.held, self.tick = Outstanding(), [list[tuple[int, Certified]]() for _ in range(n)], 0

    def ask(self, wish: Any = (0.0, -SPEED), arrives: bool = True, **more: Any) -> Certified:
        wishes = np.broadcast_to(np.array(wish, float), (self.n, M, 2))
        wanted = Wanted(np.zeros((self.n, M, 2), bool), self.tick, self.tick, **more)
        movers = Movers(self.tables.ids, self.position, self.velocity)
        answer = issue(self.promised, Case(movers, self.tables, wishes, Others.none(), wanted, self.config), self.tick)
        hangs_together(answer, movers, DT)
        for npc in range(self.n) if arrives else ():
            self.held[npc].append((self.tick, answer))
        return answer

    def go(self, ticks: int = 1) -> NDArray[np.bool_]:
        """Plays some ticks; says who moved in the last one."""
        for _ in range(ticks):
            speed = np.linalg.norm(self.velocity, axis=1)
            command = self.velocity * np.maximum(0.0, 1.0 - 20.0 * DT / np.maximum(speed, 1e-9))[:, None]
            for npc in range(self.n):
                for apply, answer in self.held[npc][-1:]:
                    if self.tick - apply < M:
                        command[npc] = answer.velocities[npc, self.tick - apply]
            self.position, self.velocity = self.position + command * DT, command
            self.tick += 1
        return np.asarray(np.linalg.norm(self.velocity, axis=1) > 0.0)


def turns(most: int = 1, seconds: float = 60.0, per: str = "all", **more: Any) -> MoveInTurn:
    return MoveInTurn("bounding", most, seconds, per, **more)


@pytest.mark.parametrize("compiled", [False, True])
def test_one_moves_and_the_others_are_told_why_they_stand(compiled: bool) -> None:
    squad = Squad(turns(), compiled=compiled)
    answer = squad.ask()
    assert answer.velocities.any((1, 2)).tolist() == [True, False, False]
    assert answer.rejected[:, TURN].tolist() == [False, True, True]
    assert answer.active[:, TURN].all()
    assert answer.changed.any(1).tolist()[1:] == [True, True]
    assert answer.reason[1] == REASONS[-1]
    assert answer.guarded.all()
    assert answer.margins[:, TURN].tolist() == [0.0, 0.0, 0.0]
    for _ in range(12):
        assert squad.go().tolist() == [True, False, False]
        squad.ask()


@pytest.mark.parametrize("compiled", [False, True])
def test_who_has_no_turn_is_not_said_to_be_stopped_by_what_is_in_its_way(compiled: bool) -> None:
    squad, wish = Squad(turns(), walls=(WALL,), compiled=compiled), np.zeros((3, M, 2))
    wish[0], wish[1:] = (0.0, -SPEED), (0.0, SPEED)
    answer = squad.ask(wish)
    assert answer.rejected[:, TURN].tolist() == [False, True, True]
    assert not answer.rejected[:, KIND["wall"]].any()
    squad.tables = Squad(walls=(WALL,)).tables
    assert squad.ask(wish).rejected[:, KIND["wall"]].tolist() == [False, True, True]


@pytest.mark.parametrize("compiled", [False, True])
def test_who_moves_beyond_its_turn_brakes_and_has_its_wish_only_where_it_wished_that(compiled: bool) -> None:
    def ask(wish: Any = (0.0, -SPEED)) -> Certified:
        squad = Squad(turns(), n=2, compiled=compiled)
        squad.velocity = np.tile([0.0, -SPEED], (2, 1))
        return squad.ask(wish)

    told = ask()
    assert told.reason == ("as proposed", "unguarded: in_turn")
    assert told.velocities[1, :, 1] == pytest.approx([-SPEED + told.brake[1] * DT, 0.0, 0.0, 0.0], abs=1e-6)
    assert (told.rank[1] == REASONS.index("brake")).all()
    assert not ask(told.velocities).rank.any()
    assert ask(-told.velocities).rank[1].tolist() == [REASONS.index("brake"), 0, 0, 0]


@pytest.mark.parametrize(
    ("expected", "seen", "moves"),
    [(0.0, None, False), (1.0, None, True), (0.0, 1.0, True), (1.0, 0.0, True), (0.0, 0.0, False), (0.05, 0.05, False)],
)
def test_who_was_seen_to_move_or_will_move_is_in_motion(expected: float, seen: float | None, moves: bool) -> None:
    velocity, seen_velocity = np.array([[expected, 0.0]]), None if seen is None else np.array([[0.0, seen]])
    who = Movers(np.array([101], np.uint32), np.zeros((1, 2)), velocity, None, seen_velocity)
    assert in_motion(who, Outstanding(), ShieldConfig(velocity_tolerance=0.05)).tolist() == [moves]


def test_who_does_not_want_to_move_is_not_said_to_be_stopped() -> None:
    squad = Squad(turns())
    answer = squad.ask(wish=(0.0, 0.0))
    assert not answer.rejected[:, TURN].any()
    assert not answer.active[:, TURN].any()
    assert not answer.changed.any()
    assert np.isinf(answer.margins[:, TURN]).all()


def test_who_wants_to_move_at_all_however_slowly_and_late_waits() -> None:
    squad, wish = Squad(turns()), np.zeros((3, M, 2))
    wish[0], wish[2, -1] = (0.0, -SPEED), (0.5, 0.0)
    answer = squad.ask(wish=wish)
    assert answer.rejected[:, TURN].tolist() == [False, False, True]
    assert answer.active[:, TURN].tolist() == [True, False, True]


def test_as_many_move_as_may_and_squads_take_turns_apart() -> None:
    assert Squad(turns(2), n=4).ask().velocities.any((1, 2)).tolist() == [True, True, False, False]
    assert Squad(turns(per="squad"), n=4).ask().velocities.any((1, 2)).tolist() == [True, False, True, False]
    assert Squad(turns(who=(102, 103)), n=4).ask().velocities.any((1, 2)).tolist() == [True, True, False, True]


def test_a_chunk_that_was_lost_keeps_its_turn_until_nobody_can_run_it_any_more() -> None:
    squad = Squad(turns())
    squad.ask(arrives=False)
    for waited in range(M):
        squad.go()
        late = squad.ask(wish=[[[0.0, 0.0]], [[0.0, -SPEED]], [[0.0, 0.0]]], arrives=False)
        assert late.velocities.any((1, 2)).tolist() == [False, waited == M - 1, False]


def test_who_is_urgent_goes_first_and_no_number_is_not_urgent() -> None:
    squad = Squad(turns())
    answer = squad.ask(priority=np.array([np.nan, 1.0, 2.0]))
    assert answer.velocities.any((1, 2)).tolist() == [False, False, True]
    assert squad.ask(wish=(np.nan, np.inf)).velocities.any((1, 2)).sum() == 0
    answer = Squad(turns()).ask(priority=np.array([np.nan, -2.0, -1.0]))
    assert answer.velocities.any((1, 2)).tolist() == [False, False, True]


def test_who_has_moved_long_enough_stops_for_those_who_wait_and_all_get_their_turn() -> None:
    squad, moved, most = Squad(turns(seconds=0.8)), np.zeros(3, int), 0
    for _ in range(90):
        squad.ask()
        now = squad.go()
        moved += now
        most = max(most, int(now.sum()))
    assert most == 1
    assert (moved >= 15).all(), moved


def test_who_has_moved_long_enough_goes_on_if_nobody_waits() -> None:
    squad, alone = Squad(turns(seconds=0.5)), np.zeros((3, 1, 2))
    alone[1] = (0.0, -SPEED)
    for _ in range(20):
        squad.ask(wish=alone)
        squad.go()
    assert squad.position[1, 1] < -0.8 * 20 * DT * SPEED


def test_a_turn_is_over_with_its_last_tick() -> None:
    squad = Squad(turns(seconds=0.4))
    stops = []
    for _ in range(5):
        stops.append(bool(squad.ask().rejected[0, TURN]))
        squad.go()
    assert stops == [False, False, False, False, True]


def test_of_too_many_in_motion_the_last_to_begin_brake_and_are_off_their_certificate() -> None:
    squad = Squad(turns())
    squad.ask(wish=[[[0.0, 0.0]], [[0.0, 0.0]], [[0.0, -SPEED]]])
    squad.go()
    squad.velocity[0] = (0.0, -SPEED)  # the game's doing
    answer = squad.ask()
    assert answer.broken[:, TURN].tolist() == [True, False, False]
    assert not answer.guarded[0]
    assert np.linalg.norm(answer.velocities[0, -1]) == 0.0
    assert answer.velocities[2].any()
    assert answer.margins[0, TURN] == -1.0


def test_who_left_in_motion_has_no_turn_when_it_comes_back_in_motion() -> None:
    ids, moving, promised = np.array([101, 102], np.uint32), np.array([True, True]), Squad(turns()).promised.moves
    promised.observe(0, ids[:1], moving[:1])
    promised.observe(5, ids[1:], moving[1:])
    promised.observe(9, ids, moving)
    assert promised.since == {101: 9, 102: 5}
    promised.observe(10, ids, ~moving)
    promised.observe(11, ids[:1], ~moving[:1])
    assert promised.until == {101: 10}
    assert promised.since == {}


def test_who_has_never_moved_is_before_those_who_did_even_at_the_first_tick() -> None:
    squad = Squad(turns())
    squad.promised.moves.pass_on(0, np.array([101, 102], np.uint32))
    squad.tick = 1
    assert squad.ask().velocities.any((1, 2)).tolist() == [False, False, True]


def test_looked_at_twice_in_a_tick_nothing_begins_anew_and_in_an_earlier_one_everything_does() -> None:
    ids, moving, moves = np.array([101, 102], np.uint32), np.array([True, False]), Squad(turns()).promised.moves
    moves.observe(5, ids, ~moving)
    moves.observe(6, ids, moving)
    moves.observe(7, ids, moving)
    moves.observe(7, ids, moving)
    assert (moves.since, moves.until) == ({101: 6}, {102: 6})
    moves.observe(2, ids, moving)
    assert (moves.since, moves.until) == ({101: 2}, {})


def test_waiting_at_a_wall_is_standing_even_if_a_step_away_from_it_would_be_safer() -> None:
    for rules, moves in (((), True), ((turns(),), False)):
        squad = Squad(*rules, n=2, walls=(WALL,))
        squad.position[1, 1] = 0.0599  # short of the margin: any step must gain a little
        wish = np.zeros((2, 1, 2))
        wish[0], wish[1] = (0.0, -SPEED), (0.0, SPEED)
        answer = squad.ask(wish=wish)
        assert answer.velocities[1].any() == moves


def test_whom_another_rule_lets_go_nowhere_does_not_keep_its_turn_from_the_others() -> None:
    box = [
        Outline("wall", "wall", ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
        for x0, y0, x1, y1 in ((-5, 0.33, -3, 1), (-5, -1, -3, -0.33), (-5, -1, -4.33, 1), (-3.67, -1, -3, 1))
    ]
    squad = Squad(turns(), n=2, walls=box)
    for _ in range(6):
        squad.ask()
        moved = squad.go()
    assert moved.tolist() == [False, True]


def test_a_look_that_gets_no_answer_leaves_nothing_behind() -> None:
    """It is not in the log, from which later answers must follow."""
    squad = Squad(turns())
    squad.velocity[1] = (0.0, -SPEED)
    squad.ask(wish=(0.0, 0.0))
    squad.velocity[1], squad.velocity[2] = 0.0, (0.0, -SPEED)
    squad.position[0, 0], squad.tick = 20_000.0, 10
    with pytest.raises(ConstraintError, match="coordinates"):
        squad.ask(wish=(0.0, 0.0))
    assert squad.promised.moves.since == {102: 0}
    assert not squad.promised.moves.until


def test_ticks_that_begin_anew_begin_the_waiting_anew() -> None:
    squad = Squad(turns(seconds=0.4))
    squad.tick = 1000
    for _ in range(3):
        squad.ask()
        squad.go()
    assert squad.promised.moves.since == {101: 1000}
    squad.promised.clear()
    squad.tick, squad.velocity[:] = 0, 0.0
    squad.ask()
    assert squad.promised.moves.since == {101: 0}


def test_the_look_at_a_game_does_not_change_what_was_promised() -> None:
    squad = Squad(turns())
    squad.ask()
    before = dict(squad.promised.moves.since)
    movers = Movers(squad.tables.ids, squad.position, np.ones((3, 2)))
    certify(movers, squad.tables, squad.promised, np.ones((3, M, 2)))
    assert squad.promised.moves.since == before


def test_the_tables_say_whom_turns_bind() -> None:
    tables = Squad(turns(2, 0.35, who="squad:0"), n=4).tables
    assert tables.applies[:, TURN].tolist() == [True, True, False, False]
    assert tables.turns[0].ticks == 4
