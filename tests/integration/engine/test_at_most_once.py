"""What is never begun twice: who may begin it, and what becomes of it when it is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire import FEATURES
from covalent.wire.manifest import Manifest
from covalent.wire.work import Acknowledgement
from covalent_server.core.events import LeaseEnd
from covalent_server.engine.callers import Caller
from tests.builders import manifest, node
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission

USER = Caller(owner=OWNER, scope="user")


def once(**options: Any) -> Manifest:
    made = node(0)
    return manifest([replace(made, metadata=replace(made.metadata, at_most_once=True, **options))])


def test_it_may_begin_by_the_lease_that_it_has_and_by_no_other(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(once()))
            first, second = FakeWorker(engine), FakeWorker(engine)
            await first.hello()
            await second.hello()
            (lost,) = await first.take()
            await engine.workplace.take_back([(lost.key.node, 1)], LeaseEnd.EXPIRED)
            assert (await first.poll(started=(lost.key,))).begin == ()
            (held,) = await second.take()
            # The first worker has not heard of it, and neither may it begin the other's.
            assert (await first.poll(started=(lost.key,))).begin == ()
            assert (await first.poll(started=(held.key,))).begin == ()
            assert (await second.poll(started=(held.key,))).begin == (held.key,)

    asyncio.run(scenario())


def test_one_that_is_named_as_begun_and_given_back_at_once_may_not_begin(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(once()))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            assert (await worker.poll(started=(lease.key,), released=(lease.key,))).begin == ()
            worker.held.clear()
            (again,) = await worker.take()
            assert again.key.attempt == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("how", [LeaseEnd.DIED, LeaseEnd.TAKEN, LeaseEnd.EXPIRED])
def test_one_that_was_lost_once_begun_has_failed_and_its_late_result_is_not_taken(
    start: AsyncEngine, how: LeaseEnd
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(once()))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            assert (await worker.poll(started=(lease.key,))).begin == (lease.key,)
            await engine.workplace.take_back([(lease.key.node, 1)], how)
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert record.status is Status.FAILED
            assert "it is not begun again, because it has at_most_once=True" in str(record.error)
            assert (await worker.poll(started=(lease.key,))).begin == ()
            late = await worker.poll(outputs=[(lease, 1)])
            assert late.acknowledgements[0] is not Acknowledgement.OK
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.FAILED
            assert await worker.take() == []

    asyncio.run(scenario())


def test_one_whose_worker_is_lost_while_its_beginning_is_written_is_not_given_to_another(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(once()))
            worker, other = FakeWorker(engine), FakeWorker(engine)
            await worker.hello()
            await other.hello()
            (lease,) = await worker.take()
            await asyncio.gather(
                worker.poll(started=(lease.key,)),
                engine.workplace.lost(worker.id, LeaseEnd.DIED),
                return_exceptions=True,
            )
            record = await engine.dispatch(USER, dispatch_id, 0)
            begun = record.status is Status.FAILED
            assert begun != bool(await other.take())

    asyncio.run(scenario())


def test_a_worker_that_would_begin_it_at_once_is_not_given_it(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            # Whoever wrote the manifest has not said what it needs.
            assert once().requires == ()
            await engine.submit(submission(once()))
            old = FakeWorker(engine, features=FEATURES - {"at-most-once"})
            await old.hello()
            assert await old.take() == []
            new = FakeWorker(engine)
            await new.hello()
            (lease,) = await new.take()
            assert lease.at_most_once

    asyncio.run(scenario())


def test_retries_of_it_are_refused(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            with pytest.raises(WireError, match="no retries of a task that is never begun twice"):
                await engine.submit(submission(once(retries=1)))

    asyncio.run(scenario())
