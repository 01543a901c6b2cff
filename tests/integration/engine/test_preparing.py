"""Nodes whose environment is being built: what users see of it, and what it costs when it comes to nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire.manifest import Deps, Hooks, Metadata
from covalent.wire.records import NodeRecord
from covalent.wire.work import Acknowledgement, Completion, Environment, Lease, Outcome
from covalent_server.core.events import LeaseEnd
from covalent_server.db import happened, reads
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from tests import builders
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission

USER = Caller(owner=OWNER, scope="user")
LAYER = Environment(key="8d1f", resolved=("pandas==2.2.3", "pytz==2024.2"), warning="it shadows numpy", seconds=3.5)


async def record_of(engine: Engine, dispatch_id: str) -> NodeRecord:
    return await engine.read(reads.node_record, OWNER, dispatch_id, 0)


async def kinds(engine: Engine, dispatch_id: str) -> list[str]:
    found = await engine.read(happened.events, OWNER, 0, 100)
    return [item.kind for item in found.events if (item.dispatch_id, item.node_id) == (dispatch_id, 0)]


async def preparing(engine: Engine) -> tuple[str, FakeWorker, Lease]:
    """A dispatch of one node, whose environment a worker builds."""
    dispatch_id = await engine.submit(submission(manifest([node(0), node(1, take(0))])))
    worker = FakeWorker(engine)
    await worker.hello()
    (lease,) = await worker.take()
    await worker.poll(preparing=(lease.key,))
    return dispatch_id, worker, lease


def test_a_node_whose_environment_is_built_says_so_and_its_history_does(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id, worker, lease = await preparing(engine)
            record = await record_of(engine, dispatch_id)
            assert record.status is Status.DISPATCHING
            assert record.preparing_since is not None
            assert record.started_at is None
            told = await engine.dispatch(USER, dispatch_id, 0)
            assert (told.node_counts, told.preparing) == ({"DISPATCHING": 1, "NEW_OBJECT": 1}, 1)
            await worker.poll(preparing=(lease.key,), started=(lease.key,))
            assert (await engine.dispatch(USER, dispatch_id, 0)).preparing == 0
            begun = await record_of(engine, dispatch_id)
            assert (begun.status, begun.preparing_since) == (Status.RUNNING, None)
            assert begun.started_at is not None
            await worker.poll(outputs=[(lease, 1)])
            assert await kinds(engine, dispatch_id) == [
                "node.leased",
                "node.preparing",
                "node.running",
                "node.completed",
            ]

    asyncio.run(scenario())


def test_the_layer_that_a_task_ran_in_is_kept_with_its_node(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id, worker, lease = await preparing(engine)
            value = builders.asset(1)
            done = Completion(
                key=lease.key, outcome=Outcome.COMPLETED, output=builders.digest(value), environment=LAYER
            )
            assert (await worker.send(done, [value])).acknowledgements == (Acknowledgement.OK,)
            record = await record_of(engine, dispatch_id)
            assert (record.status, record.environment) == (Status.COMPLETED, LAYER)

    asyncio.run(scenario())


def test_a_failed_task_names_its_layer_and_what_it_left_behind(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id, worker, lease = await preparing(engine)
            failed = Completion(key=lease.key, outcome=Outcome.FAILED, error="no", environment=LAYER, workdir="/w/0")
            await worker.send(failed)
            record = await record_of(engine, dispatch_id)
            assert (record.status, record.environment, record.workdir) == (Status.FAILED, LAYER, "/w/0")
            # A result that is not taken says nothing either.
            late = replace(failed, workdir="/w/1")
            assert (await worker.send(late)).acknowledgements == (Acknowledgement.DUPLICATE,)
            assert (await record_of(engine, dispatch_id)).workdir == "/w/0"

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["/w/\0", "/" + "x" * 5000])
def test_a_path_that_cannot_be_stored_is_left_out(start: AsyncEngine, path: str) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id, worker, lease = await preparing(engine)
            long = replace(LAYER, resolved=("a==1",) * 20000)
            await worker.send(
                Completion(key=lease.key, outcome=Outcome.FAILED, error="no", environment=long, workdir=path)
            )
            record = await record_of(engine, dispatch_id)
            assert record.workdir is None
            assert record.environment == replace(LAYER, resolved=())

    asyncio.run(scenario())


def test_a_lease_that_expires_while_its_environment_is_built_costs_nothing(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id, worker, lease = await preparing(engine)
            for attempt in range(1, 8):
                await engine.workplace.take_back([(lease.key.node, attempt)], LeaseEnd.EXPIRED)
                worker.held.clear()
                (lease,) = await worker.take()
                assert lease.key.attempt == attempt + 1
                await worker.poll(preparing=(lease.key,))
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.RUNNING

    asyncio.run(scenario())


def test_a_node_is_cancelled_while_its_environment_is_built(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id, worker, lease = await preparing(engine)
            assert (await engine.cancel(USER, dispatch_id, None)).status is Status.CANCELLED
            assert (await worker.poll()).drop == (lease.key,)
            assert (await record_of(engine, dispatch_id)).preparing_since is None

    asyncio.run(scenario())


def test_a_restarted_server_knows_what_is_being_prepared(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id, worker, lease = await preparing(engine)
        async with start() as engine:
            worker.engine = engine
            assert (await record_of(engine, dispatch_id)).status is Status.DISPATCHING
            await worker.hello()
            work = await worker.poll(want=1, outputs=[(lease, 1)])
            assert work.acknowledgements == (Acknowledgement.OK,)
            await worker.work_on(work.leases)
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_requirements_that_cannot_be_stored_are_refused(start: AsyncEngine) -> None:
    async def scenario() -> None:
        hooks = Hooks(deps=Deps(pip=("pandas", "a\0b")))
        async with start() as engine:
            made = manifest([replace(node(0), metadata=Metadata(hooks=hooks))])
            with pytest.raises(WireError, match=r"hooks\.deps\.pip\[1\]"):
                await engine.submit(submission(made))

    asyncio.run(scenario())
