"""Leases become tasks of Dask, and what Dask tells of them becomes results; Dask is a fake here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from covalent.wire.work import Completion, Lease, LeaseKey, Outcome
from covalent.worker import spool
from covalent.worker.cluster import messages
from covalent.worker.cluster.bridge import Bridge, Handed, Listener
from covalent.worker.ledger import Held
from covalent.worker.spool import Entry, Result

FUNCTION = "f" * 64


@dataclass
class FakeLink:
    """A connection to a cluster that does nothing by itself."""

    threads: int | None = 2
    fault: str | None = None
    listener: Listener | None = None
    submitted: list[Handed] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    closed: bool = False

    def open(self, listener: Listener) -> None:
        self.listener = listener

    def submit(self, tasks: Sequence[Handed]) -> None:
        self.submitted += tasks

    def cancel(self, keys: Sequence[str]) -> None:
        self.cancelled += keys

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeEnds:
    """What was told of leases."""

    ends: dict[int, Completion] = field(default_factory=dict)
    back: list[int] = field(default_factory=list)

    def ended(self, held: Held, entry: Entry) -> None:
        self.ends[held.lease.node_id] = entry.result.completion

    def given_back(self, leases: Sequence[Held]) -> None:
        self.back += [held.lease.node_id for held in leases]


class World:
    """A bridge between two fakes."""

    def __init__(self) -> None:
        self.link = FakeLink()
        self.ends = FakeEnds()
        self.bridge = Bridge(self.link, self.ends)

    def leased(self, number: int, **more: Any) -> Held:
        lease = Lease(
            key=LeaseKey(node=number, attempt=1, token=f"token{number}"),
            dispatch_id="d",
            node_id=number,
            name="a task",
            owner="ada",
            function=FUNCTION,
            **more,
        )
        held = Held(lease=lease)
        self.bridge.take(held, {})
        self.bridge.step(time.monotonic())
        return held


def result(held: Held) -> bytes:
    completion = Completion(key=held.lease.key, outcome=Outcome.COMPLETED, started_at=1.0, ended_at=1.5)
    return spool.packed(Entry(result=Result(completion=completion), blobs=()))


def test_each_lease_is_a_task_of_dask_with_a_key_that_names_it() -> None:
    world = World()
    world.leased(1)
    world.leased(2)
    assert [task.key for task in world.link.submitted] == ["a_task-covalent-d-1-1", "a_task-covalent-d-2-1"]
    order, assets = messages.order(world.link.submitted[0].frame)
    assert (order.lease.node_id, dict(assets)) == (1, {})


def test_what_a_task_gave_ends_its_lease() -> None:
    world = World()
    held = world.leased(1)
    world.bridge.answered({world.link.submitted[0].key: result(held)})
    assert world.ends.ends[1].outcome is Outcome.COMPLETED


def test_a_lost_task_that_had_begun_has_died_and_one_that_had_not_goes_back() -> None:
    world = World()
    begun, _ = world.leased(1), world.leased(2)
    world.bridge.begun([begun.lease.key.token])
    world.bridge.answered({task.key: b"" for task in world.link.submitted})
    assert world.ends.ends[1].outcome is Outcome.DIED
    assert (list(world.ends.ends), world.ends.back) == ([1], [2])


def test_a_lost_task_that_is_never_begun_twice_does_not_go_back() -> None:
    world = World()
    world.leased(1, at_most_once=True)
    world.bridge.disconnected("the scheduler has gone")
    assert (world.ends.ends[1].outcome, world.ends.back) == (Outcome.DIED, [])


def test_an_error_of_dasks_own_fails_the_task() -> None:
    world = World()
    world.leased(1)
    world.bridge.failed(world.link.submitted[0].key, "no SDK there")
    assert (world.ends.ends[1].outcome, world.ends.ends[1].error) == (Outcome.FAILED, "no SDK there")


def test_a_dropped_lease_is_cancelled_and_what_comes_of_it_is_not_heard() -> None:
    world = World()
    held = world.leased(1)
    world.bridge.drop(held)
    world.bridge.answered({world.link.submitted[0].key: result(held)})
    assert (world.link.cancelled, world.ends.ends) == (["a_task-covalent-d-1-1"], {})


def test_a_task_that_outlives_its_timeout_by_far_is_given_up() -> None:
    world = World()
    held = world.leased(1, timeout=2.0)
    world.bridge.step(time.monotonic() + 3600)
    assert not world.ends.ends  # it has not begun
    world.bridge.begun([held.lease.key.token])
    world.bridge.step(time.monotonic() + 3600)
    assert world.ends.ends[1].outcome is Outcome.TIMED_OUT


def test_what_has_begun_is_told_to_the_server() -> None:
    world = World()
    held = world.leased(1)
    assert world.bridge.beginning() == ()
    world.bridge.begun([held.lease.key.token])
    assert world.bridge.beginning() == (held.lease.key,)


def test_capacity_follows_the_cluster() -> None:
    world = World()
    assert world.bridge.capacity() > 2
    world.link.threads = 200
    assert world.bridge.capacity() > 200
    world.link.threads = 0  # it may start workers when it sees tasks
    assert world.bridge.capacity() > 0
    world.link.threads = None
    assert world.bridge.capacity() == 0


def test_without_a_connection_leases_wait_and_go_back_when_it_is_drained() -> None:
    world = World()
    world.link.threads = None
    held = world.leased(1)
    assert world.link.submitted == []
    assert world.bridge.release() == [held]


def test_a_lease_that_cannot_be_understood_fails() -> None:
    world = World()
    world.leased(1, executor_data={"resources": {"cpus": "many"}})
    assert world.ends.ends[1].outcome is Outcome.FAILED
