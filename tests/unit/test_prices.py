"""The price of a limited share: up while over, down while under, within its bounds, and it gets the share there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from npc_sdk.constraints import Share
from npc_sdk.planner.prices import GAP_S, MOST, RATE, Price, Prices

HZ, EVERY = 30.0, 3
LIMIT = Share("quiet", "player.sees_me", 0.2, 10.0, np.ones(1, np.bool_))


def run(price: Price, held: Callable[[int], float], looks: int, first: int = 0) -> None:
    for i in range(first, first + looks):
        price.look(LIMIT, i * EVERY, held(i), 1 / HZ, EVERY / HZ)


def test_a_price_rises_while_over_and_sinks_while_under_the_limit() -> None:
    price = Price()
    run(price, lambda i: 1.0, 20)
    over = price.value
    assert over == pytest.approx(RATE / 10.0 * 2.0 * 0.8)
    run(price, lambda i: 0.0, 20, 20)
    assert price.value == pytest.approx(over - RATE / 10.0 * 2.0 * 0.2)
    run(price, lambda i: 0.0, 200, 40)
    assert price.value == 0.0


def test_at_its_bound_a_price_does_not_wind_up() -> None:
    price = Price()
    run(price, lambda i: 1.0, 3000)
    assert price.value == MOST
    run(price, lambda i: 0.0, 1, 3000)
    assert price.value < MOST
    run(price, lambda i: 0.0, round(MOST / (RATE / 10.0 * 0.2 * 0.1)) + 1, 3001)
    assert price.value == 0.0  # no later than after a minute at the bound, or after an hour of it


def test_the_share_is_that_of_the_last_seconds() -> None:
    price = Price()
    run(price, lambda i: 1.0, 100)
    assert price.share == pytest.approx(1.0)
    run(price, lambda i: 0.0, 30, 100)
    assert price.share == pytest.approx(0.7)
    assert price.standing(LIMIT).met is False
    run(price, lambda i: 0.0, 60, 130)
    assert price.share == pytest.approx(0.1)
    assert price.standing(LIMIT).met is True


def test_time_in_which_nobody_decided_is_not_paid_for() -> None:
    price, other = Price(), Price()
    run(price, lambda i: 1.0, 2)
    run(other, lambda i: 1.0, 2)
    price.look(LIMIT, 300_000, 1.0, 1 / HZ, EVERY / HZ)
    other.look(LIMIT, EVERY + round(GAP_S * HZ), 1.0, 1 / HZ, EVERY / HZ)
    assert price.value == pytest.approx(other.value)


def test_two_looks_at_one_tick_count_once() -> None:
    price = Price()
    run(price, lambda i: 1.0, 5)
    before = price.value
    price.look(LIMIT, 4 * EVERY, 1.0, 1 / HZ, EVERY / HZ)
    assert price.value == before


@pytest.mark.parametrize("most", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("worth", [0.5, 2.0, 8.0])
def test_in_a_closed_loop_the_share_comes_to_the_limit(most: float, worth: float) -> None:
    """Somebody who shows itself whenever that is worth more to it than it costs, at an interest that changes."""
    rng = np.random.default_rng(1)
    limit = Share("quiet", "x", most, 10.0, np.ones(1, np.bool_))
    price, shown = Price(), list[float]()
    for i in range(4000):
        shown.append(float(rng.exponential(worth) > price.value))
        price.look(limit, i * EVERY, shown[-1], 1 / HZ, EVERY / HZ)
    assert abs(np.mean(shown[1000:]) - most) < 0.03
    assert price.value < MOST


def test_whoever_keeps_the_limit_anyway_pays_nothing() -> None:
    price = Price()
    rng = np.random.default_rng(2)
    run(price, lambda i: float(rng.random() < 0.05), 2000)
    assert price.value < 1.0


def test_prices_are_forgotten_with_npc_and_rule_and_kept_when_the_limit_moves() -> None:
    prices = Prices()
    for npc in (101, 102):
        run(prices.of(LIMIT, npc), lambda i: 1.0, 10)
    tighter = Share("quiet", "player.sees_me", 0.1, 10.0, LIMIT.binds)
    prices.keep([tighter], {101})
    assert prices.of(tighter, 101).value > 0
    assert prices.of(tighter, 102).value == 0
    prices.keep([Share("quiet", "danger", 0.1, 10.0, LIMIT.binds)], {101})
    assert prices.of(tighter, 101).value == 0
