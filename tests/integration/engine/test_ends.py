"""How dispatches end otherwise than by their tasks: cancelled, tried again in time, left to the client."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from covalent.status import Status
from covalent.wire.manifest import Kind, Manifest
from covalent.wire.work import Acknowledgement, Completion, Lease, Outcome
from covalent_server.core.errors import EndedDispatchError, ForeignAssetError, UnknownDispatchError, UnknownNodeError
from covalent_server.db import Session, listing, printing, reads, tables
from covalent_server.engine import intake
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from covalent_server.engine.waking import set_back
from tests import builders
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission
from tests.integration.engine.test_sublattices import INNER, OUTER, built, taken

USER = Caller(owner=OWNER, scope="user")
CHAIN = manifest([node(0), node(1, take(0)), node(2)], output=take(1))


async def statuses(engine: Engine, dispatch_id: str) -> list[str]:
    return [item.status for item in (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes]


def failed(lease: Lease, outcome: Outcome = Outcome.FAILED) -> Completion:
    return Completion(key=lease.key, outcome=outcome, error="no")


def test_cancelling_stops_what_runs_and_what_waits_and_leaves_what_has_ended(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(CHAIN))
            worker = FakeWorker(engine)
            await worker.hello()
            first, other = await worker.take()
            (second,) = (await worker.poll(want=1, outputs=[(first, 1)])).leases
            record = await engine.cancel(USER, dispatch_id, None)
            assert record.status is Status.CANCELLED
            assert await statuses(engine, dispatch_id) == ["COMPLETED", "CANCELLED", "CANCELLED"]
            work = await worker.poll()
            assert set(work.drop) == {second.key, other.key}
            late = await worker.poll(outputs=[(second, 1)])
            assert late.acknowledgements == (Acknowledgement.STALE,)
            assert (await engine.cancel(USER, dispatch_id, None)).ended_at == record.ended_at

    asyncio.run(scenario())


def test_cancelling_one_node_ends_what_needs_it_and_lets_the_others_end(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(CHAIN))
            worker = FakeWorker(engine)
            await worker.hello()
            assert (await engine.cancel(USER, dispatch_id, [0])).status is Status.RUNNING
            assert await worker.work_through() == 1
            assert await statuses(engine, dispatch_id) == ["CANCELLED", "NEW_OBJECT", "COMPLETED"]
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.CANCELLED

    asyncio.run(scenario())


def test_a_failure_weighs_more_than_a_cancellation(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(CHAIN))
            worker = FakeWorker(engine)
            await worker.hello()
            first, _ = await worker.take()
            await worker.send(failed(first))
            assert (await engine.cancel(USER, dispatch_id, None)).status is Status.FAILED

    asyncio.run(scenario())


def test_cancelling_reaches_into_sublattices_however_deep(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            await built(worker, (await worker.take())[0], OUTER)
            (middle,) = await taken(worker)
            await built(worker, middle, INNER)
            (inner,) = await taken(worker)
            assert (await engine.cancel(USER, outer, [0])).status is Status.CANCELLED
            for dispatch_id in (middle.dispatch_id, inner.dispatch_id):
                assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.CANCELLED
            assert (await worker.poll()).drop == (inner.key,)

    asyncio.run(scenario())


def test_cancelling_a_sublattices_dispatch_cancels_its_node(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            await built(worker, (await worker.take())[0], INNER)
            (inner,) = await taken(worker)
            await engine.cancel(USER, inner.dispatch_id, None)
            assert (await engine.dispatch(USER, outer, 0)).status is Status.CANCELLED
            assert await statuses(engine, outer) == ["CANCELLED", "NEW_OBJECT"]

    asyncio.run(scenario())


def test_what_is_not_there_cannot_be_cancelled(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(CHAIN))
            with pytest.raises(UnknownDispatchError):
                await engine.cancel(USER, "nothing", None)
            with pytest.raises(UnknownDispatchError):
                await engine.cancel(Caller(owner="other", scope="user"), dispatch_id, None)
            with pytest.raises(UnknownNodeError):
                await engine.cancel(USER, dispatch_id, [0, 9])
            assert await statuses(engine, dispatch_id) == ["NEW_OBJECT"] * 3

    asyncio.run(scenario())


def test_a_worker_that_listens_hears_at_once_what_it_is_to_drop(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(CHAIN))
            worker = FakeWorker(engine)
            await worker.hello()
            first, _ = await worker.take()
            async with asyncio.TaskGroup() as group:
                listening = group.create_task(worker.poll(wait=30.0))
                await asyncio.sleep(0)
                await engine.cancel(USER, dispatch_id, [0])
            assert listening.result().drop == (first.key,)

    asyncio.run(scenario())


def delayed(**metadata: Any) -> Manifest:
    made = node(0)
    return manifest([replace(made, metadata=replace(made.metadata, **metadata))])


def test_a_delayed_retry_is_leased_when_it_is_due_also_by_the_next_server(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(delayed(retries=2, retry_delay=0.2)))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await worker.send(failed(lease, Outcome.TIMED_OUT))
            (record,) = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
            assert (record.failures, record.error) == (1, "no")
            assert record.retry_at is not None
            (again,) = await taken(worker)
            assert again.key.attempt == 2
            await worker.send(failed(again))
        async with start() as engine:
            worker = FakeWorker(engine)
            await worker.hello()
            await worker.work_on(await taken(worker))
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED
            (record,) = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
            assert (record.attempt, record.failures, record.retry_at, record.error) == (3, 2, None, None)

    asyncio.run(scenario())


def test_a_retry_waits_no_longer_than_it_was_to_when_the_clock_was_set_back_while_no_server_ran(
    start: AsyncEngine,
) -> None:
    """All that the first server wrote down is moved an hour into the future instead."""

    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(delayed(retries=1, retry_delay=0.2)))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await worker.send(failed(lease))

            def an_hour_on(session: Session) -> None:
                session.execute(update(tables.node).values(due_at=tables.node.c.due_at + 3600))
                session.execute(update(tables.event).values(at=tables.event.c.at + 3600))

            await engine.shared.write(an_hour_on)
        async with start() as engine:
            worker = FakeWorker(engine)
            await worker.hello()
            await worker.work_on(await taken(worker))
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_a_clock_that_is_set_back_while_the_server_runs_sets_retries_back(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(delayed(retries=1, retry_delay=3600)))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await worker.send(failed(lease))
            assert await worker.take() == []
            await set_back(engine.shared, 3601 * 1.25)
            (again,) = await taken(worker)
            assert again.key.attempt == 2

    asyncio.run(scenario())


def test_a_node_that_waits_for_its_retry_can_be_cancelled(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(delayed(retries=1, retry_delay=3600)))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await worker.send(failed(lease))
            assert (await engine.cancel(USER, dispatch_id, None)).status is Status.CANCELLED

    asyncio.run(scenario())


def left_to_client() -> Manifest:
    last = node(2, {"list": [take(0), take(1)]}, name="collect", executor="client", kind=Kind.COLLECT)
    return manifest([node(0), node(1), last])


def test_a_value_that_is_left_to_the_client_is_waited_for_and_taken(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(left_to_client()))
            worker = FakeWorker(engine)
            await worker.hello()
            with pytest.raises(EndedDispatchError, match="RUNNING"):
                await engine.conclude(USER, dispatch_id, "0" * 64, [])
            assert await worker.work_through() == 2
            record = await engine.dispatch(USER, dispatch_id, 30)
            assert (record.status, record.ended_at) == (Status.PENDING_POSTPROCESSING, None)
            with pytest.raises(ForeignAssetError):
                await engine.conclude(USER, dispatch_id, "0" * 64, [])
            value = builders.asset([0, 1])
            new = [intake.from_bytes(memoryview(value))]
            record = await engine.conclude(USER, dispatch_id, builders.digest(value), new)
            assert record.status is Status.COMPLETED
            assert record.ended_at is not None
            assert record.result is not None
            assert record.result.json == "[0, 1]"
            with pytest.raises(EndedDispatchError, match="COMPLETED"):
                await engine.conclude(USER, dispatch_id, builders.digest(value), [])

    asyncio.run(scenario())


def test_nothing_is_left_to_the_client_when_a_task_has_failed(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(left_to_client()))
            worker = FakeWorker(engine)
            await worker.hello()
            first, second = await worker.take()
            await worker.send(failed(first))
            await worker.poll(outputs=[(second, 1)])
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.FAILED

    asyncio.run(scenario())


def test_a_dispatch_that_waits_for_its_client_can_be_cancelled(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(left_to_client()))
            worker = FakeWorker(engine)
            await worker.hello()
            await worker.work_through()
            assert (await engine.cancel(USER, dispatch_id, None)).status is Status.CANCELLED

    asyncio.run(scenario())


def test_the_last_task_alone_can_fail_to_put_the_value_together(start: AsyncEngine) -> None:
    async def scenario() -> None:
        last = node(1, {"list": [take(0)]}, name="collect", kind=Kind.COLLECT)
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0), last])))
            worker = FakeWorker(engine)
            await worker.hello()
            (first,) = await worker.take()
            (collect,) = (await worker.poll(want=1, outputs=[(first, 1)])).leases
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.POSTPROCESSING
            await worker.send(failed(collect))
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert record.status is Status.FAILED_POSTPROCESSING
            assert record.error == "collect(1): no"
            assert await statuses(engine, dispatch_id) == ["COMPLETED", "FAILED"]

    asyncio.run(scenario())


def test_a_registered_dispatch_does_not_start_and_can_be_cancelled(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(replace(CHAIN, hold=True)))
            worker = FakeWorker(engine)
            await engine.submit(submission(INNER))  # so that there is a pool
            await worker.hello()
            assert await worker.work_through() == 2
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert (record.status, record.started_at) == (Status.NEW_OBJECT, None)
            assert (await engine.cancel(USER, dispatch_id, None)).status is Status.CANCELLED

    asyncio.run(scenario())


def test_printed_text_is_waited_for_until_there_is_some_or_the_task_has_ended(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()

            async def printed(offset: int) -> bytes:
                wanted = printing.Wanted(which="stdout", offset=offset)
                return (await engine.printed(USER, dispatch_id, 0, wanted, wait=30)).data

            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(printed(0))
                await asyncio.sleep(0)
                await worker.prints(lease, b"one")
            assert waiting.result() == b"one"
            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(printed(3))
                await asyncio.sleep(0)
                await worker.poll(outputs=[(lease, 1)])
            assert waiting.result() == b""

    asyncio.run(scenario())


def test_what_an_earlier_attempt_printed_can_be_read_and_is_not_waited_for(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(delayed(retries=1)))
            worker = FakeWorker(engine)
            await worker.hello()
            (first,) = await worker.take()
            await worker.prints(first, b"first")

            async def printed(offset: int, attempt: int | None = None) -> bytes:
                wanted = printing.Wanted(which="stdout", offset=offset, attempt=attempt)
                return (await engine.printed(USER, dispatch_id, 0, wanted, wait=30)).data

            async with asyncio.TaskGroup() as group:
                waiting = group.create_task(printed(5, 1))
                await asyncio.sleep(0)
                await worker.send(failed(first))
                (second,) = await worker.take()
                await worker.prints(second, b"second")
            assert waiting.result() == b""
            assert await printed(0) == b"second"
            assert (await printed(0, 1), await printed(5, 1), await printed(0, 2)) == (b"first", b"", b"second")

    asyncio.run(scenario())


def test_nodes_tell_on_which_streams_their_attempt_has_printed(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(delayed(retries=1)))
            worker = FakeWorker(engine)
            await worker.hello()
            (first,) = await worker.take()

            async def told() -> list[tuple[str, ...] | None]:
                listed = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
                alone = [await engine.read(reads.node_record, OWNER, dispatch_id, item.node_id) for item in listed]
                assert [item.printed for item in alone] == [item.printed for item in listed]
                return [item.printed for item in listed]

            assert set(await told()) == {()}
            await worker.prints(first, b"first")
            assert (await told())[0] == ("stdout",)
            await worker.send(failed(first))
            (second,) = await worker.take()
            assert (await told())[0] == ()
            await worker.send(failed(second))

    asyncio.run(scenario())


def test_pieces_of_printed_text_may_come_twice_overlap_and_overtake_each_other(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()

            async def printed(offset: int) -> bytes:
                wanted = printing.Wanted(which="stdout", offset=offset)
                return (await engine.printed(USER, dispatch_id, 0, wanted, wait=0)).data

            await worker.prints(lease, b"abc")
            await worker.prints(lease, b"ghi", offset=6)
            # What lies before the last piece is on its way: whoever follows is to see it first.
            assert (await printed(0), await printed(2), await printed(3)) == (b"abc", b"c", b"")
            await worker.prints(lease, b"bcdef", offset=1)
            await worker.prints(lease, b"abc")
            assert (await printed(0), await printed(4), await printed(9)) == (b"abcdefghi", b"efghi", b"")
            # The answer to the piece before was still on its way when there was more: all of it comes again.
            await worker.prints(lease, b"ghijkl", offset=6)
            await worker.prints(lease, b"gh", offset=6)
            assert (await printed(0), await printed(9)) == (b"abcdefghijkl", b"jkl")
            await worker.prints(lease, b"xyz", offset=15)
            await worker.poll(outputs=[(lease, 1)])
            # Nothing more comes: what is there is all there is.
            assert (await printed(0), await printed(12)) == (b"abcdefghijklxyz", b"xyz")

    asyncio.run(scenario())
