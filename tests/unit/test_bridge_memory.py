"""When memory counts as grown too far."""

from __future__ import annotations

from npc_bridge.memory import MemoryWatch, resident_bytes


def test_growth_counts_from_the_least_that_was_held() -> None:
    held = [1000]
    watch = MemoryWatch(100, lambda: held[0])
    told = []
    for now in (1100, 1101, 900, 1000, 1001):
        held[0] = now
        told.append(watch.alarmed(0))
    assert told == [False, True, False, False, True]


def test_what_cannot_be_measured_has_not_changed() -> None:
    held = [1000]
    watch = MemoryWatch(100, lambda: held[0])
    held[0] = 0
    assert not watch.alarmed(0)
    held[0] = 1050
    assert not watch.alarmed(0)


def test_what_is_still_held_a_second_after_a_cut_is_in_order() -> None:
    held = [1000]
    watch = MemoryWatch(100, lambda: held[0])
    held[0] = 3000
    watch.settle(0)
    for now_us, bytes_held in ((100_000, 2500), (200_000, 1500), (999_999, 1700)):  # freed, and taken again
        held[0] = bytes_held
        assert not watch.alarmed(now_us)
    assert watch.alarmed(1_000_000)  # 1500 was enough
    held[0] = 1600
    assert not watch.alarmed(1_000_001)


def test_a_process_knows_what_it_holds() -> None:
    before = resident_bytes()
    block = bytearray(64 << 20)
    assert resident_bytes() - before > len(block) // 2
