"""Why a node is not running: each reason, from a real database and what the engine knows of its workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from covalent.wire.manifest import Metadata
from covalent.wire.places import host_identity
from covalent.wire.waiting import Waiting
from covalent.wire.work import Completion, Outcome
from covalent_server.core.errors import UnknownDispatchError, UnknownNodeError
from covalent_server.core.events import LeaseEnd
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission

USER = Caller(owner=OWNER, scope="user")
DATA = {"python": "/nowhere/python3", "host": host_identity()}


async def why(engine: Engine, dispatch_id: str, number: int = 0) -> Waiting:
    (found,) = await engine.overview.why(USER.owner, dispatch_id, number)
    return found


async def a_worker(engine: Engine) -> FakeWorker:
    worker = FakeWorker(engine)
    await worker.hello()
    return worker


def run(start: AsyncEngine, scenario: Callable[[Engine], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with start() as engine:
            await scenario(engine)

    asyncio.run(whole())


def test_without_a_worker_it_says_how_one_is_started_and_a_child_names_its_parents(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        made = manifest([node(0), node(1), node(2, take(0), take(1))])
        dispatch_id = await engine.submit(submission(made))
        first, _, child = await engine.overview.why(USER.owner, dispatch_id, None, 10)
        assert first.code == "no-worker"
        assert "/nowhere/python3 -m covalent.worker --help" in first.message
        assert (child.code, child.nodes) == ("nodes", (0, 1))
        assert "waits for nodes 0, 1;" in child.message
        assert len(await engine.overview.why(USER.owner, dispatch_id, None, 2)) == 2

    run(start, scenario)


def test_a_dispatch_that_nothing_started_says_so(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        dispatch_id = await engine.submit(submission(replace(manifest([node(0)]), hold=True)))
        assert (await why(engine, dispatch_id)).code == "not-started"

    run(start, scenario)


def test_a_leased_node_names_its_worker_and_since_when(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        dispatch_id = await engine.submit(submission(manifest([node(0), node(1)])))
        worker = await a_worker(engine)
        (lease,) = await worker.take(1)
        found = await why(engine, dispatch_id)
        assert (found.code, found.worker) == ("leased", worker.id)
        assert found.since is not None
        assert (await why(engine, dispatch_id, 1)).code == "busy"
        await worker.poll(preparing=(lease.key,))
        found = await why(engine, dispatch_id)
        assert (found.code, found.since is None) == ("environment", False)
        await worker.poll(started=(lease.key,))
        assert (await why(engine, dispatch_id)).code == "running"
        engine.workplace._seats[worker.id].heard -= 3600
        found = await why(engine, dispatch_id)
        assert found.code == "unreachable"
        assert found.since is not None
        assert (await why(engine, dispatch_id, 1)).code == "unreachable"

    run(start, scenario)


def test_a_failed_attempt_tells_when_the_next_is_due_and_an_end_blocks_the_children(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        again = Metadata(executor_data=DATA, retries=1, retry_delay=600.0)
        made = manifest([replace(node(0), metadata=again), node(1), node(2, take(1))])
        dispatch_id = await engine.submit(submission(made))
        worker = await a_worker(engine)
        for lease in await worker.take():
            await worker.send(Completion(key=lease.key, outcome=Outcome.FAILED, error="no"))
        found = await why(engine, dispatch_id)
        assert (found.code, found.due_at is None) == ("retry", False)
        assert (await why(engine, dispatch_id, 1)).code == "ended"
        found = await why(engine, dispatch_id, 2)
        assert (found.code, found.nodes) == ("blocked", (1,))
        assert [item.node_id for item in await engine.overview.why(USER.owner, dispatch_id, None, 10)] == [0, 2]

    run(start, scenario)


def test_what_went_down_with_workers_waits_to_be_alone_and_an_old_worker_is_told(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        dispatch_id = await engine.submit(submission(manifest([node(0)])))
        for _ in range(2):
            worker = await a_worker(engine)
            (lease,) = await worker.take()
            await worker.poll(started=(lease.key,))
            await engine.workplace.lost(worker.id, LeaseEnd.DIED)
        await a_worker(engine)
        assert (await why(engine, dispatch_id)).code == "alone"

    run(start, scenario)


def test_an_old_worker_is_named(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        hooked = replace(manifest([node(0)]), requires=("call-hooks",))
        dispatch_id = await engine.submit(submission(hooked))
        await FakeWorker(engine, features=()).hello()
        found = await why(engine, dispatch_id)
        assert (found.code, "do not have call-hooks" in found.message) == ("old-worker", True)

    run(start, scenario)


def test_nobody_is_told_of_what_is_not_theirs_or_not_there(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        dispatch_id = await engine.submit(submission(manifest([node(0)])))
        with pytest.raises(UnknownDispatchError):
            await engine.overview.why("another", dispatch_id, None)
        with pytest.raises(UnknownNodeError):
            await engine.overview.why(USER.owner, dispatch_id, 7)

    run(start, scenario)
