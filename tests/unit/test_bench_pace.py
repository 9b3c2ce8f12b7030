from __future__ import annotations

import time

import pytest

from npc_sdk.bench.pace import ORDERS, Load, Pacer, block_order, paired_ratios


def test_ratios_are_taken_within_a_group() -> None:
    # The machine gets twice as slow half way; the brain costs 10 %.
    quick = {"off": [4.0] * 9, "on": [4.4] * 9, "control": [4.0] * 9}
    slow = {name: [2 * ms for ms in block] for name, block in quick.items()}
    found = paired_ratios([quick, slow, quick])
    assert found.on_off == pytest.approx(1.1)
    assert found.off_off == pytest.approx(1.0)
    assert found.groups == 3


def test_one_spike_does_not_decide() -> None:
    group = {"off": [4.0] * 9, "on": [4.0] * 8 + [400.0], "control": [4.0] * 9}
    assert paired_ratios([group]).on_off == pytest.approx(1.0)


def test_every_kind_of_block_takes_every_turn() -> None:
    assert {block_order(k) for k in range(8)} == set(ORDERS)
    for place in range(3):
        assert {order[place] for order in ORDERS} == {"on", "off", "control"}


def test_the_load_is_real_and_repeatable() -> None:
    load = Load.of_at_least(2.0)
    assert load.run() == load.run()
    best = min(_seconds(load) for _ in range(5))
    assert best >= 1e-3


def _seconds(load: Load) -> float:
    start = time.perf_counter()
    load.run()
    return time.perf_counter() - start


def test_a_late_frame_is_not_made_up_for_in_a_burst() -> None:
    pacer = Pacer(100.0)
    pacer.wait()
    time.sleep(0.05)
    late = pacer.wait()
    assert pacer.wait() - late >= 0.009
