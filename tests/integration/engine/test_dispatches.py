"""A dispatch through the engine, with fake workers: every transition is a real commit."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from covalent.status import Status
from covalent.wire.manifest import Manifest
from covalent.wire.work import Acknowledgement, Completion, LeaseKey, Outcome
from covalent_server.core.errors import ForeignAssetError, IdempotencyConflictError
from covalent_server.db import listing, reads
from covalent_server.engine.callers import Caller
from tests import builders
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, full_disk, submission

USER = Caller(owner=OWNER, scope="user")


def layered(width: int) -> Manifest:
    """A source, a layer of consumers, a sink that takes them all."""
    middle = [node(number, take(0)) for number in range(1, width + 1)]
    return manifest([node(0), *middle, node(width + 1, {"list": [take(item.id) for item in middle]})])


def test_a_graph_runs_to_its_end_and_its_value_is_the_sinks_output(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(layered(20)))
            worker = FakeWorker(engine)
            await worker.hello()
            assert await worker.work_through() == 22
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert record.status is Status.COMPLETED
            assert record.node_counts == {"COMPLETED": 22}
            assert record.result is not None
            assert record.result.json == "21"

    asyncio.run(scenario())


def test_a_graph_larger_than_a_piece_appears_whole_and_runs(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(layered(4500)))
            worker = FakeWorker(engine)
            await worker.hello()
            assert await worker.work_through() == 4502
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_an_unknown_executor_fails_all_its_tasks_however_many(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            nodes = [node(number, executor="elsewhere") for number in range(4100)]
            dispatch_id = await engine.submit(submission(manifest([*nodes, node(4100, take(0))])))
            record = await engine.dispatch(USER, dispatch_id, 30)
            assert record.status is Status.FAILED
            assert record.node_counts == {"FAILED": 4100, "NEW_OBJECT": 1}
            assert str(record.error).endswith("… and 4095 more failed tasks")

    asyncio.run(scenario())


def test_two_parents_that_complete_in_one_report_release_their_child(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0), node(1), node(2, take(0), take(1), take(0))])))
            worker = FakeWorker(engine)
            await worker.hello()
            first, second = await worker.take()
            (child,) = (await worker.poll(want=5, outputs=[(first, "a"), (second, "b")])).leases
            assert child.outputs == {
                "0": builders.digest(builders.asset("a")),
                "1": builders.digest(builders.asset("b")),
            }

    asyncio.run(scenario())


def test_wait_links_order_without_data(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0), node(1)], waits=[(0, 1)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (first,) = await worker.take()
            assert first.node_id == 0
            (second,) = (await worker.poll(want=5, outputs=[(first, 0)])).leases
            assert second.node_id == 1
            assert second.outputs == {}

    asyncio.run(scenario())


def test_a_failed_task_blocks_its_descendants_and_lets_other_branches_end(start: AsyncEngine) -> None:
    async def scenario() -> None:
        graph = manifest([node(0, name="bad"), node(1), node(2, take(0)), node(3, take(2)), node(4, take(1))])
        async with start() as engine:
            dispatch_id = await engine.submit(submission(graph))
            worker = FakeWorker(engine)
            await worker.hello()
            bad, good = await worker.take()
            failed = Completion(key=bad.key, outcome=Outcome.FAILED, error="ValueError: no")
            await worker.poll(completions=(failed,))
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.RUNNING
            worker.held.clear()
            (last,) = (await worker.poll(want=5, outputs=[(good, 1)])).leases
            await worker.poll(outputs=[(last, 4)])
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert record.status is Status.FAILED
            assert record.error == "bad(0): ValueError: no"
            assert record.result is None
            nodes = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
            assert [item.status for item in nodes] == ["FAILED", "COMPLETED", "NEW_OBJECT", "NEW_OBJECT", "COMPLETED"]
            assert nodes[2].started_at is None

    asyncio.run(scenario())


def test_a_completion_again_is_a_duplicate_and_a_forged_one_is_stale(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            forged = LeaseKey(node=lease.key.node, attempt=1, token="0" * 32)
            answers = await worker.poll(completions=(Completion(key=forged, outcome=Outcome.FAILED, error="x"),))
            assert answers.acknowledgements == (Acknowledgement.STALE,)
            assert (await worker.poll(outputs=[(lease, 1)])).acknowledgements == (Acknowledgement.OK,)
            assert (await worker.poll(outputs=[(lease, 1)])).acknowledgements == (Acknowledgement.DUPLICATE,)

    asyncio.run(scenario())


def test_a_value_that_never_arrived_fails_its_task_with_the_reason(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await worker.poll(completions=(Completion(key=lease.key, outcome=Outcome.COMPLETED, output="0" * 64),))
            assert "never sent it" in str((await engine.dispatch(USER, dispatch_id, 0)).error)

    asyncio.run(scenario())


def test_an_idle_poll_is_answered_as_soon_as_there_is_work(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            await worker.work_through()
            waiting = asyncio.create_task(worker.poll(want=1, wait=30.0))
            await engine.submit(submission(manifest([node(0)])))
            assert len((await waiting).leases) == 1

    asyncio.run(scenario())


def test_the_same_request_again_finds_the_same_dispatch(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            sent = submission(layered(3000), key="once")
            ids = await asyncio.gather(*(engine.submit(sent) for _ in range(3)))
            assert len(set(ids)) == 1
            with pytest.raises(IdempotencyConflictError):
                await engine.submit(submission(layered(3), key="once"))
            assert await engine.submit(submission(layered(3), owner="somebody", key="once")) not in ids

    asyncio.run(scenario())


def test_a_request_whose_writing_failed_half_way_is_written_anew(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            sent = submission(layered(5000), key="once")
            async with full_disk(engine, "INSERT", "NEW.number = 2500"):
                with pytest.raises(Exception, match="disk full"):
                    await engine.submit(sent)
            dispatch_id = await engine.submit(sent)
            worker = FakeWorker(engine)
            await worker.hello()
            assert await worker.work_through() == 5002
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_unknown_fields_come_back_where_they_were(start: AsyncEngine) -> None:
    async def scenario() -> None:
        sent = submission(manifest([node(0), node(1, take(0))]))
        sent.plain["graph"]["graph"]["nodes"] = []
        sent.plain["graph"]["graph"]["links"] = None
        sent.plain["client"] = {"graph": None, "host": "h"}
        async with start() as engine:
            dispatch_id = await engine.submit(sent)
            back = json.loads(await engine.read(reads.manifest, OWNER, dispatch_id))
            assert back == sent.plain

    asyncio.run(scenario())


def test_assets_of_somebody_else_cannot_be_named(start: AsyncEngine) -> None:
    async def scenario() -> None:
        secret = builders.asset("secret")
        theirs = manifest([node(0, {"asset": builders.digest(secret)})])
        async with start() as engine:
            await engine.submit(submission(theirs, owner="somebody", assets=[secret]))
            with pytest.raises(ForeignAssetError) as caught:
                await engine.submit(submission(theirs))
            assert caught.value.path == "graph.nodes[0].args[0]"
            assert await engine.assets.missing(USER.owner, [builders.digest(secret)]) == [builders.digest(secret)]

    asyncio.run(scenario())


@pytest.mark.parametrize("waits", [(), [(0, 3), (1, 3)]])
def test_the_graph_is_served_as_the_canonical_text_that_was_sent(start: AsyncEngine, waits: Any) -> None:
    async def scenario() -> None:
        nodes = [node(0, {"value": 1e16}, name='"nodes":[] ü'), node(1), node(3, take(0), take(1))]
        sent = manifest(nodes, waits=waits)
        async with start() as engine:
            dispatch_id = await engine.submit(submission(sent))
            text = builders.text(sent)
            assert (await engine.read(reads.manifest, OWNER, dispatch_id)).encode() == text
            assert (await engine.read(reads.graph, OWNER, dispatch_id)).encode() in text

    asyncio.run(scenario())


@pytest.mark.usefixtures("watched_loop")
def test_nothing_in_the_engine_blocks_the_event_loop(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(layered(50)))
            worker = FakeWorker(engine)
            await worker.hello()
            assert await worker.work_through() == 52
            await engine.workplace.bye(OWNER, worker.id)
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED
        async with start() as engine:
            assert await engine.assets.missing(USER.owner, ["0" * 64]) == ["0" * 64]

    asyncio.run(scenario())
