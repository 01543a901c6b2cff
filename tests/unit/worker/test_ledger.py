"""No lease is taken twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from covalent.wire.work import Lease, LeaseKey, Poll
from covalent.worker.ledger import Ledger


def lease(number: int) -> Lease:
    key = LeaseKey(node=number, attempt=1, token=f"t{number}")
    return Lease(key=key, dispatch_id="d", node_id=number, name="f", owner="ada", function="0" * 64)


def test_a_lease_that_is_held_is_dropped() -> None:
    ledger = Ledger()
    assert len(ledger.accept([lease(1), lease(1)])) == 1
    assert ledger.accept([lease(1)]) == []


def test_a_lease_that_was_held_is_dropped() -> None:
    ledger = Ledger()
    ledger.accept([lease(1)])
    ledger.forget(lease(1).key)
    assert ledger.accept([lease(1)]) == []
    assert ledger.keys() == ()


def test_a_lease_that_was_to_be_dropped_before_it_came_is_dropped() -> None:
    ledger = Ledger()
    ledger.forget(lease(1).key)
    assert ledger.accept([lease(1)]) == []
    assert ledger.unfinished == 0


def test_started_is_told_once() -> None:
    ledger = Ledger()
    (held,) = ledger.accept([lease(1)])
    ledger.told(Poll(worker="w", started=(lease(1).key, lease(2).key)), ())
    assert held.started_told


@given(st.lists(st.tuples(st.sampled_from(["accept", "end", "forget"]), st.integers(0, 5))))
def test_unfinished_counts_what_is_held_and_has_not_ended(steps: list[tuple[str, int]]) -> None:
    ledger = Ledger()
    accepted: list[int] = []
    for step, number in steps:
        held = ledger.get(lease(number).key)
        if step == "accept":
            accepted += [item.lease.node_id for item in ledger.accept([lease(number)])]
        elif step == "forget":
            ledger.forget(lease(number).key)
        elif held is not None and not held.ended:
            ledger.end(held)
    kept = list(map(ledger.get, ledger.keys()))
    assert ledger.unfinished == sum(item is not None and not item.ended for item in kept)
    assert len(accepted) == len(set(accepted))
