"""Directories' triggers through the engine: who looks is a task that no user sees, and its completion is the firing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire import container, places
from covalent.wire.manifest import Manifest
from covalent.wire.triggers import Change, Directory, Trigger
from covalent.wire.work import Completion, Lease, Outcome
from covalent_server.core.errors import ExecutorRefusedError, ForeignAssetError
from covalent_server.db import Session, happened, identity, tables, triggers, work
from covalent_server.engine import intake
from covalent_server.engine.engine import Engine
from covalent_server.engine.shared import now
from tests.builders import FUNCTION, asset, digest, manifest, node
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission
from tests.integration.engine.test_triggers import USER, listed, ring, run, run_what_fires, the_trigger, worker_of

FIRST = asset("what there was to see")
WATCHED = Directory(
    path="/data",
    changes=(Change.CREATED, Change.MOVED),
    batch_size=3,
    recursive=True,
    function=digest(FUNCTION),
    seen=digest(FIRST),
    executor_data={"python": "/nowhere/python3", "host": places.host_identity()},
)
ONE = manifest([node(0)])


def watching(watched: Directory = WATCHED) -> Manifest:
    return replace(ONE, triggers=(Trigger(directory=watched),), requires=("triggers",))


def seen(kind: str, text: str = "later") -> bytes:
    """What a look at a directory gives, as ``covalent.observer`` names it."""
    header = container.Header(codec="pickle", type_name=kind, sizes=(len(text),))
    return b"".join(bytes(chunk) for chunk in container.pack(header, [text.encode()]))


async def registered(engine: Engine) -> str:
    return await engine.submit(submission(watching(), assets=[FIRST]))


async def pool_of(engine: Engine, executor: str) -> int:
    for _ in range(1000):
        found = [pool.id for pool in await engine.read(identity.pools) if pool.executor == executor]
        if found:
            return found[0]
        await asyncio.sleep(0.01)
    raise AssertionError(executor)


async def observing_worker(engine: Engine) -> FakeWorker:
    worker = FakeWorker(engine)
    await worker.hello(await pool_of(engine, "observer"))
    return worker


async def the_look(worker: FakeWorker) -> Lease:
    """The task that looks at the directory, as soon as there is one."""
    (lease,) = (await worker.poll(want=1, wait=10.0)).leases
    return lease


async def gives(worker: FakeWorker, lease: Lease, blob: bytes) -> None:
    await worker.send(Completion(key=lease.key, outcome=Outcome.COMPLETED, output=digest(blob)), [blob])


def test_a_directory_is_looked_at_in_a_pool_of_its_own_with_what_was_seen_when_the_trigger_was_made(
    start: AsyncEngine,
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await registered(engine)
            users = await worker_of(engine)
            assert await users.take() == []
            lease = await the_look(await observing_worker(engine))
            assert lease.function == digest(FUNCTION)
            assert lease.args == (
                {"value": "/data"},
                {"list": [{"value": "created"}, {"value": "moved"}]},
                {"value": 3},
                {"value": True},
                {"asset": digest(FIRST)},
            )
            assert lease.executor_data == WATCHED.executor_data

    run(scenario)


def test_what_looks_is_in_no_list_of_dispatches_and_among_no_events(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            await the_look(await observing_worker(engine))
            assert [found.dispatch_id for found in await listed(engine)] == [dispatch_id]
            events = (await engine.read(happened.events, OWNER, 0, 100)).events
            assert {event.dispatch_id for event in events} == {dispatch_id}
            found = await the_trigger(engine)
            assert (found.due_at, found.trigger.directory) == (None, WATCHED)

    run(scenario)


def test_its_completion_is_the_firing_and_the_next_look_begins_with_what_it_gave(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            users, worker = await worker_of(engine), await observing_worker(engine)
            fired = seen("covalent.observer.Fired")
            await gives(worker, await the_look(worker), fired)
            await run_what_fires(users)
            assert (await engine.dispatch(USER, dispatch_id, 10)).status is Status.COMPLETED
            lease = await the_look(worker)
            assert lease.args[-1] == {"asset": digest(fired)}
            await gives(worker, lease, seen("covalent.observer.Fired", "later still"))
            await run_what_fires(users)
            assert [found.redispatch_of for found in await listed(engine)] == [dispatch_id, None]
            assert (await the_trigger(engine)).firings == 2

    run(scenario)


@pytest.mark.parametrize(("kind", "kept"), [("covalent.observer.Stirred", True), ("NoneType", False)])
def test_a_look_without_a_firing_starts_nothing(start: AsyncEngine, kind: str, kept: bool) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await registered(engine)
            users, worker = await worker_of(engine), await observing_worker(engine)
            blob = seen(kind)
            await gives(worker, await the_look(worker), blob)
            lease = await the_look(worker)
            assert lease.args[-1] == {"asset": digest(blob if kept else FIRST)}
            assert await users.take() == []
            assert (await the_trigger(engine)).firings == 0

    run(scenario)


def test_a_look_that_fails_is_told_and_repeated_later_from_where_it_was(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await registered(engine)
            worker = await observing_worker(engine)
            lease = await the_look(worker)
            await worker.send(Completion(key=lease.key, outcome=Outcome.FAILED, error="there is no /data"))
            found = await the_trigger(engine, lambda found: found.error is not None)
            assert found.error == "there is no /data"
            assert found.due_at is not None
            await ring(engine)
            again = await the_look(worker)
            assert again.args[-1] == {"asset": digest(FIRST)}
            await gives(worker, again, seen("NoneType"))
            await the_trigger(engine, lambda found: found.error is None)

    run(scenario)


def test_a_firing_outlives_a_restart_before_it_was_carried_out(start: AsyncEngine) -> None:
    """The server stops between the completion of a look and the firing that follows from it."""

    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            worker = await observing_worker(engine)
            lease = await the_look(worker)
            fired = intake.from_bytes(memoryview(seen("covalent.observer.Fired")))
            report = work.Report(
                worker=worker.id,
                owner=OWNER,
                pool=0,
                want=0,
                assets=[fired],
                completions=[Completion(key=lease.key, outcome=Outcome.COMPLETED, output=fired.digest)],
            )
            await engine.shared.write(lambda session: work.report(session, report, now()))  # and nobody is told
        async with start() as engine:
            users = await worker_of(engine)
            await run_what_fires(users)
            assert (await engine.dispatch(USER, dispatch_id, 10)).status is Status.COMPLETED
            assert (await the_trigger(engine)).firings == 1

    run(scenario)


def test_looks_that_are_over_leave_nothing_behind(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await registered(engine)
            worker = await observing_worker(engine)
            for number in range(5):
                await gives(worker, await the_look(worker), seen("covalent.observer.Stirred", str(number)))
            await the_look(worker)

            def counts(session: Session) -> list[int]:
                tables_counted = (tables.dispatch, tables.node)
                return [
                    session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables_counted
                ]

            assert await engine.shared.read(counts) == [2, 2]

    run(scenario)


def test_stopping_the_trigger_ends_the_look(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            worker = await observing_worker(engine)
            lease = await the_look(worker)
            listening = asyncio.create_task(worker.poll(wait=10.0))
            await engine.stop_triggers(USER, [dispatch_id])
            assert (await listening).drop == (lease.key,)
            worker.held.clear()
            await gives(worker, lease, seen("covalent.observer.Fired"))
            assert await worker.take() == []
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.NEW_OBJECT
            assert await engine.read(triggers.pending, 1e12) == []

    run(scenario)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"path": ""}, "path"),
        ({"path": "/a\0b"}, "path"),
        ({"changes": ()}, "changes"),
        ({"batch_size": 0}, "batch_size"),
        ({"function": "no digest"}, "function"),
        ({"seen": "no digest"}, "seen"),
    ],
)
def test_a_directory_that_cannot_be_looked_at_is_refused(
    start: AsyncEngine, changes: dict[str, object], path: str
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            with pytest.raises(WireError) as caught:
                await engine.submit(submission(watching(replace(WATCHED, **changes)), assets=[FIRST]))  # type: ignore[arg-type]
            assert caught.value.path == f"triggers[0].directory.{path}"

    run(scenario)


def test_a_directory_of_another_machine_and_assets_of_others_are_refused(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            elsewhere = replace(WATCHED, executor_data=WATCHED.executor_data | {"host": "elsewhere"})
            with pytest.raises(ExecutorRefusedError):
                await engine.submit(submission(watching(elsewhere), assets=[FIRST]))
            with pytest.raises(ForeignAssetError):
                await engine.submit(submission(watching()))

    run(scenario)


def test_a_task_of_a_user_gets_into_no_pool_where_directories_are_looked_at(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await registered(engine)
            worker = await observing_worker(engine)
            await the_look(worker)
            await engine.submit(submission(manifest([node(0, executor="observer")])))
            assert await worker.take() == []

    run(scenario)
