"""How many leases to ask for, and which tasks are sent ahead."""

from __future__ import annotations

from covalent.worker.pace import LARGEST_BATCH, Pace


def test_an_unknown_function_is_not_tiny_and_one_lease_per_slot_is_held() -> None:
    pace = Pace()
    assert not pace.is_tiny("f")
    assert pace.capacity(4) == 4


def test_tiny_tasks_are_held_in_batches() -> None:
    pace = Pace()
    pace.record("f", 0.0001)
    assert pace.is_tiny("f")
    assert pace.capacity(2) == 2 * LARGEST_BATCH


def test_one_long_task_ends_the_batches_and_tiny_ones_bring_them_back() -> None:
    pace = Pace()
    pace.record("f", 0.0001)
    pace.record("g", 10.0)
    assert pace.is_tiny("f")
    assert not pace.is_tiny("g")
    assert pace.capacity(2) == 2
    for _ in range(50):
        pace.record("f", 0.0001)
    assert pace.capacity(2) > 2


def test_memory_of_functions_is_bounded() -> None:
    pace = Pace()
    for number in range(5000):
        pace.record(str(number), 0.0001)
    assert len(pace._by_function) <= 1024
    assert pace.is_tiny("4999")
