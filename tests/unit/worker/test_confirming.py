"""What is never begun twice waits in its worker until an answer says that it may begin."""

from __future__ import annotations

from covalent.wire.work import Lease, LeaseKey
from covalent.worker.confirming import Confirming
from covalent.worker.ledger import Held
from covalent.worker.messages import Bind, Task
from covalent.worker.process import Job, RunnerKey

FUNCTION = "f" * 64


def job(number: int) -> Job:
    lease = Lease(
        key=LeaseKey(node=number, attempt=1, token=f"token {number}"),
        dispatch_id="d",
        node_id=number,
        name="task",
        owner="ada",
        function=FUNCTION,
        at_most_once=True,
    )
    return Job(
        held=Held(lease=lease),
        key=RunnerKey(owner="ada", python="python", project=None, directory="/w"),
        bind=Bind(directory="/w", cache="/c", checkpoints="/p"),
        task=Task(function=FUNCTION),
        blobs=[],
    )


def key(item: Job) -> LeaseKey:
    return item.held.lease.key


def test_a_task_begins_when_it_is_named_and_only_once() -> None:
    begun: list[Job] = []
    confirming, one = Confirming(2, begun.append), job(1)
    confirming.take(one)
    assert confirming.asking() == (key(one),)
    assert begun == []
    for _ in range(2):
        assert confirming.answered([key(one)], [key(one)]) == []
    assert (begun, len(confirming), confirming.asking()) == ([one], 0, ())


def test_who_was_not_asked_for_is_not_begun() -> None:
    begun: list[Job] = []
    confirming, one = Confirming(2, begun.append), job(1)
    confirming.take(one)
    assert confirming.answered([], [key(one)]) == []
    assert (begun, confirming.asking()) == ([], (key(one),))


def test_a_task_that_is_asked_for_and_not_named_has_lost_its_lease() -> None:
    begun: list[Job] = []
    confirming, one, two = Confirming(2, begun.append), job(1), job(2)
    confirming.take(one)
    confirming.take(two)
    assert confirming.answered([key(one), key(two)], [key(two)]) == [one.held]
    assert (begun, len(confirming)) == ([two], 0)


def test_no_more_are_asked_for_than_there_are_slots_until_one_has_ended() -> None:
    confirming, jobs = Confirming(2, lambda _: None), [job(number) for number in range(5)]
    for item in jobs:
        confirming.take(item)
    first = confirming.asking()
    assert first == tuple(map(key, jobs[:2]))
    # Nobody has answered: the same are asked for again.
    assert confirming.asking() == first
    confirming.answered(first, first)
    assert confirming.asking() == ()
    confirming.forget(first[1])
    assert confirming.asking() == (key(jobs[2]),)


def test_what_is_given_up_or_forgotten_never_begins() -> None:
    begun: list[Job] = []
    confirming, jobs = Confirming(3, begun.append), [job(number) for number in range(3)]
    for item in jobs:
        confirming.take(item)
    asked = confirming.asking()
    confirming.forget(asked[0])
    assert confirming.release() == jobs[1:]
    assert confirming.answered(asked, asked) == []
    assert (begun, len(confirming)) == ([], 0)
