"""Layers are built once for all who wait for them, some at a time, and beside everything else."""

from __future__ import annotations

import queue
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from covalent.errors import WorkerError
from covalent.http import Server
from covalent.wire.manifest import Deps, Hooks
from covalent.wire.work import Environment, Lease, LeaseKey, Outcome
from covalent.worker import endings
from covalent.worker.couriers import Mailbox
from covalent.worker.home import Home
from covalent.worker.intake import Intake
from covalent.worker.layers import Layer
from covalent.worker.ledger import Held
from covalent.worker.preparing import Need, Preparation
from covalent.worker.settings import Patience
from tests.unit.worker.test_intake import FUNCTION, Seen, never

DEADLINE = 30.0


def layer(need: Need) -> Layer:
    return Layer(
        key="-".join(need[1]), python=f"/layers/{need[1][0]}", resolved=("a==1",), warning="older", seconds=2.0
    )


@dataclass
class FakeEnvironments:
    """Builds what the test says when the test says it."""

    there: dict[Need, Layer] = field(default_factory=dict)
    begun: queue.SimpleQueue[Need] = field(default_factory=queue.SimpleQueue)
    builds: list[Need] = field(default_factory=list)
    outcomes: dict[Need, queue.SimpleQueue[Exception | None]] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def find(self, python: str, requirements: tuple[str, ...]) -> Layer | None:
        return self.there.get((python, requirements))

    def build(self, python: str, requirements: tuple[str, ...]) -> Layer:
        need = (python, requirements)
        self.builds.append(need)
        self.begun.put(need)
        error = self.outcomes.setdefault(need, queue.SimpleQueue()).get(timeout=DEADLINE)
        if error is not None:
            raise error
        self.there[need] = layer(need)
        return layer(need)

    def end(self, need: Need, error: Exception | None = None) -> None:
        self.outcomes.setdefault(need, queue.SimpleQueue()).put(error)

    def stop(self) -> None:
        self.stopped.set()


@dataclass
class Told:
    """What came of the leases that waited."""

    layers: list[tuple[str, Layer]] = field(default_factory=list)
    errors: list[tuple[str, Exception]] = field(default_factory=list)


@pytest.fixture
def environments() -> FakeEnvironments:
    return FakeEnvironments()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def preparation(environments: FakeEnvironments, mailbox: Mailbox) -> Preparation:
    return Preparation(environments, mailbox)


def key(name: str) -> LeaseKey:
    return LeaseKey(node=1, attempt=1, token=name)


def need(*requirements: str) -> Need:
    return ("/python", requirements)


def want(preparation: Preparation, what: Need, name: str, told: Told) -> None:
    preparation.want(
        what,
        key(name),
        lambda made: told.layers.append((name, made)),
        lambda error: told.errors.append((name, error)),
    )


def until(mailbox: Mailbox, fact: Callable[[], object]) -> None:
    """Let what couriers report be handled, as the loop does."""
    while not fact():
        assert select.select([mailbox], [], [], DEADLINE)[0], "nothing is reported"
        mailbox.open()


def test_one_build_is_for_all_who_wait_for_it(
    preparation: Preparation, environments: FakeEnvironments, mailbox: Mailbox
) -> None:
    told = Told()
    for name in ("first", "second"):
        want(preparation, need("a"), name, told)
    assert preparation.waiting == 2
    environments.end(need("a"))
    until(mailbox, lambda: len(told.layers) == 2)
    assert told.layers == [("first", layer(need("a"))), ("second", layer(need("a")))]
    assert environments.builds == [need("a")]
    assert preparation.waiting == 0


def test_several_are_built_at_a_time_and_the_next_ones_in_their_order(
    preparation: Preparation, environments: FakeEnvironments, mailbox: Mailbox
) -> None:
    told = Told()
    needs = [need(str(number)) for number in range(7)]
    for item in needs:
        want(preparation, item, item[1][0], told)
    first = {environments.begun.get(timeout=DEADLINE) for _ in range(4)}
    assert first == set(needs[:4])
    environments.end(needs[2])
    until(mailbox, lambda: told.layers)
    assert environments.begun.get(timeout=DEADLINE) == needs[4]
    assert environments.begun.empty()
    for item in needs:
        environments.end(item)
    until(mailbox, lambda: len(told.layers) == 7)


def test_who_waits_for_what_cannot_be_built_is_told_why_and_the_next_one_tries_again(
    preparation: Preparation, environments: FakeEnvironments, mailbox: Mailbox
) -> None:
    told = Told()
    for name in ("first", "second"):
        want(preparation, need("a"), name, told)
    environments.end(need("a"), WorkerError("there is no a"))
    until(mailbox, lambda: len(told.errors) == 2)
    assert [(name, str(error)) for name, error in told.errors] == [
        ("first", "there is no a"),
        ("second", "there is no a"),
    ]
    want(preparation, need("a"), "third", told)
    environments.end(need("a"))
    until(mailbox, lambda: told.layers)
    assert environments.builds == [need("a"), need("a")]


def test_a_lease_that_was_dropped_is_told_nothing_and_what_nobody_waits_for_is_not_begun(
    preparation: Preparation, environments: FakeEnvironments, mailbox: Mailbox
) -> None:
    told = Told()
    needs = [need(str(number)) for number in range(6)]
    for item in needs:
        want(preparation, item, item[1][0], told)
    for _ in range(4):
        environments.begun.get(timeout=DEADLINE)
    preparation.forget(key("0"))
    preparation.forget(key("4"))
    preparation.forget(key("of another"))
    for item in (*needs[:4], needs[5]):
        environments.end(item)
    until(mailbox, lambda: len(told.layers) == 4)
    assert {name for name, _ in told.layers} == {"1", "2", "3", "5"}
    assert needs[4] not in environments.builds
    # What was begun was built to its end: the next task finds it.
    until(mailbox, lambda: preparation.find(needs[0]) == layer(needs[0]))


def test_the_server_is_told_once_of_each_that_waits(
    preparation: Preparation, environments: FakeEnvironments, mailbox: Mailbox
) -> None:
    told = Told()
    for name in ("first", "second", "third"):
        want(preparation, need("a"), name, told)
    assert preparation.untold() == (key("first"), key("second"), key("third"))
    preparation.told([key("first"), key("unknown")])
    preparation.forget(key("second"))
    assert preparation.untold() == (key("third"),)
    environments.end(need("a"))
    until(mailbox, lambda: told.layers)
    assert preparation.untold() == ()


def test_nothing_is_begun_once_it_is_to_stop(
    preparation: Preparation, environments: FakeEnvironments, mailbox: Mailbox
) -> None:
    told = Told()
    needs = [need(str(number)) for number in range(5)]
    for item in needs:
        want(preparation, item, item[1][0], told)
    for _ in range(4):
        environments.begun.get(timeout=DEADLINE)
    preparation.stop()
    assert environments.stopped.is_set()
    for item in needs:
        environments.end(item, WorkerError("ended"))
    until(mailbox, lambda: len(told.errors) == 4)
    assert needs[4] not in environments.builds


# -- leases


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def intake(tmp_path: Path, seen: Seen, preparation: Preparation) -> Intake:
    return Intake(
        server=Server("http://127.0.0.1:1", None),
        home=Home(tmp_path, "alive"),
        fetchers=[],
        preparation=preparation,
        ready=seen.jobs.append,
        impossible=seen.refuse,
        later=never,
        patience=Patience(),
    )


def held(token: str = "token") -> Held:  # noqa: S107 - made up
    return Held(
        lease=Lease(
            key=key(token),
            dispatch_id="d",
            node_id=0,
            name="task",
            owner="ada",
            function=FUNCTION,
            hooks=Hooks(deps=Deps(pip=("a",))),
            executor_data={"python": "/python"},
        )
    )


def test_a_task_becomes_a_job_in_its_layer_as_soon_as_that_is_built(
    intake: Intake, seen: Seen, environments: FakeEnvironments, mailbox: Mailbox, preparation: Preparation
) -> None:
    lease = held()
    intake.take(lease, {FUNCTION: b"x"})
    assert seen.jobs == []
    assert preparation.untold() == (lease.lease.key,)
    environments.end(need("a"))
    until(mailbox, lambda: seen.jobs)
    (job,) = seen.jobs
    assert job.key.python == "/layers/a"
    assert job.task.notice == "older"
    assert lease.environment == Environment(key="a", resolved=("a==1",), warning="older", seconds=2.0)
    assert intake.release() == []


def test_a_layer_that_is_there_costs_no_wait(
    intake: Intake, seen: Seen, environments: FakeEnvironments, preparation: Preparation
) -> None:
    environments.there[need("a")] = layer(need("a"))
    intake.take(held(), {FUNCTION: b"x"})
    assert [job.key.python for job in seen.jobs] == ["/layers/a"]
    assert preparation.untold() == ()
    assert environments.builds == []


def test_a_task_whose_packages_cannot_be_had_fails_with_the_installers_words(
    intake: Intake, seen: Seen, environments: FakeEnvironments, mailbox: Mailbox
) -> None:
    lease = held()
    intake.take(lease, {FUNCTION: b"x"})
    environments.end(need("a"), WorkerError("No matching distribution found for a"))
    until(mailbox, lambda: seen.refused)
    assert seen.refused == [
        (lease, "the packages of deps_pip cannot be installed: No matching distribution found for a")
    ]
    completion = endings.impossible(*seen.refused[0]).result.completion
    assert (completion.outcome, completion.environment) == (Outcome.FAILED, None)


def test_a_dropped_lease_becomes_no_job_and_one_that_is_given_up_waits_no_longer(
    intake: Intake, seen: Seen, environments: FakeEnvironments, mailbox: Mailbox, preparation: Preparation
) -> None:
    dropped, given_up, kept = held("dropped"), held("given up"), held("kept")
    for lease in (dropped, given_up):
        intake.take(lease, {FUNCTION: b"x"})
    intake.forget(dropped)
    assert intake.release() == [given_up]
    assert preparation.waiting == 0
    intake.take(kept, {FUNCTION: b"x"})
    environments.end(need("a"))
    until(mailbox, lambda: seen.jobs)
    assert [job.held for job in seen.jobs] == [kept]
