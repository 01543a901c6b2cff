"""Sublattices through the engine: a task's manifest becomes a dispatch, whose end becomes the node's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from covalent.status import Status
from covalent.wire import codec, container
from covalent.wire.manifest import MANIFEST_CODEC, Kind, Manifest
from covalent.wire.records import DispatchRecord, NodeRecord
from covalent.wire.work import Completion, Lease, Outcome
from covalent_server.db import listing, waking
from covalent_server.db import work as rows
from covalent_server.db.tables import dispatch
from covalent_server.engine import intake
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from covalent_server.settings import Settings
from tests import builders
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission

USER = Caller(owner=OWNER, scope="user")
#: A lattice whose one task builds a sublattice, and another that takes its value.
OUTER = manifest([node(0, name="nested", kind=Kind.SUBLATTICE), node(1, take(0), name="after")])
INNER = manifest([node(0, name="inner"), node(1, take(0), name="last")])


def as_asset(made: Manifest | bytes, codec_name: str = MANIFEST_CODEC) -> bytes:
    """What the task of a sublattice gives."""
    text = made if isinstance(made, bytes) else codec.dumps(made)
    header = container.Header(codec=codec_name, type_name="manifest", sizes=(len(text),))
    return b"".join(bytes(chunk) for chunk in container.pack(header, [text]))


async def built(worker: FakeWorker, lease: Lease, made: Manifest | bytes, **changes: Any) -> None:
    """Complete the task of a sublattice."""
    blob = as_asset(made, **changes)
    completion = Completion(
        key=lease.key, outcome=Outcome.COMPLETED, output=builders.digest(blob), started_at=1.0, ended_at=2.0
    )
    await worker.send(completion, [blob])


async def ended(engine: Engine, dispatch_id: str) -> DispatchRecord:
    return await engine.dispatch(USER, dispatch_id, 10)


async def nodes(engine: Engine, dispatch_id: str) -> tuple[NodeRecord, ...]:
    found: tuple[NodeRecord, ...] = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
    return found


async def taken(worker: FakeWorker, count: int = 1) -> list[Lease]:
    """Leases as soon as there are some, as an idle worker takes them."""
    leases = list((await worker.poll(want=count, wait=10.0)).leases)
    assert leases
    return leases


def test_the_value_of_a_sublattice_may_be_kept_and_then_nothing_of_it_runs_again(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            made = node(0, name="nested", kind=Kind.SUBLATTICE)
            made = replace(made, function_id="nested", metadata=replace(made.metadata, cache=True))
            first = await engine.submit(submission(manifest([made])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await built(worker, lease, INNER)
            while (await engine.dispatch(USER, first, 0)).status is not Status.COMPLETED:
                await worker.work_on(await taken(worker), lambda lease: lease.name)
            second = await engine.submit(submission(manifest([made])))
            assert await worker.take() == []
            assert (await ended(engine, second)).status is Status.COMPLETED
            (kept,), (again,) = await nodes(engine, first), await nodes(engine, second)
            assert (again.output, again.child) == (kept.output, None)
            assert again.started_at == again.ended_at

    asyncio.run(scenario())


def test_a_sublattice_is_a_dispatch_whose_value_becomes_its_nodes(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            assert lease.kind is Kind.SUBLATTICE
            await built(worker, lease, INNER)
            (inner,) = await taken(worker)
            assert (inner.name, inner.root_dispatch_id) == ("inner", outer)
            nested = (await nodes(engine, outer))[0]
            assert (nested.status, nested.output) == (Status.DISPATCHING, None)
            child = await engine.dispatch(USER, inner.dispatch_id, 0)
            assert (child.root_dispatch_id, child.parent, child.parent_node) == (outer, outer, 0)
            assert nested.child == inner.dispatch_id
            await worker.work_on([inner], lambda lease: lease.name)
            assert (await ended(engine, inner.dispatch_id)).status is Status.COMPLETED
            record = await ended(engine, outer)
            assert record.status is Status.COMPLETED
            first = (await nodes(engine, outer))[0]
            assert first.output is not None
            assert first.output.json == '"last"'

    asyncio.run(scenario())


def test_a_sublattice_in_a_sublattice_belongs_to_the_same_root(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            for _ in range(3):
                await built(worker, lease, OUTER)
                (lease,) = await taken(worker)
                assert lease.root_dispatch_id == outer
            await built(worker, lease, INNER)
            await worker.work_on(await taken(worker))
            assert (await ended(engine, outer)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_listings_leave_the_dispatches_of_sublattices_out(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            await built(worker, (await worker.take())[0], INNER)
            await taken(worker)
            found = await engine.read(listing.dispatches, OWNER, limit=9)
            assert [item.dispatch_id for item in found.dispatches] == [outer]

    asyncio.run(scenario())


def test_a_failure_inside_fails_the_node_and_tells_why(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            await built(worker, (await worker.take())[0], INNER)
            (inner,) = await taken(worker)
            await worker.send(Completion(key=inner.key, outcome=Outcome.FAILED, error="ValueError: no"))
            record = await ended(engine, outer)
            assert record.status is Status.FAILED
            assert record.error == (
                f"nested(0): its sublattice, dispatch {inner.dispatch_id}, is FAILED\ninner(0): ValueError: no"
            )

    asyncio.run(scenario())


def test_a_failed_sublattice_is_built_anew_as_often_as_its_node_may_be_tried(start: AsyncEngine) -> None:
    async def scenario() -> None:
        nested = node(0, name="nested", kind=Kind.SUBLATTICE)
        nested = replace(nested, metadata=replace(nested.metadata, retries=1))
        async with start() as engine:
            outer = await engine.submit(submission(manifest([nested])))
            worker = FakeWorker(engine)
            await worker.hello()
            await built(worker, (await worker.take())[0], INNER)
            (inner,) = await taken(worker)
            await worker.send(Completion(key=inner.key, outcome=Outcome.FAILED, error="no"))
            (again,) = await taken(worker)
            assert (again.name, again.key.attempt) == ("nested", 2)
            await built(worker, again, INNER)
            (second,) = await taken(worker)
            assert second.dispatch_id != inner.dispatch_id
            await worker.work_on([second])
            assert (await ended(engine, outer)).status is Status.COMPLETED
            assert (await nodes(engine, outer))[0].child == second.dispatch_id

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("made", "codec_name", "message"),
    [
        (b"not json", MANIFEST_CODEC, "not a manifest"),
        (codec.dumps(INNER), "pickle", "gives a manifest, not a value with the codec 'pickle'"),
        (manifest([node(0, {"asset": "0" * 64})]), MANIFEST_CODEC, "was not uploaded by this account"),
        (replace(INNER, requires=("magic",)), MANIFEST_CODEC, "does not have magic"),
        (replace(INNER, hold=True), MANIFEST_CODEC, "started by its task"),
        (
            manifest([node(0), replace(node(1, take(0), executor="client"), kind=Kind.COLLECT)]),
            MANIFEST_CODEC,
            "cannot be left to the client",
        ),
    ],
)
def test_what_is_no_manifest_fails_the_node_and_nothing_else(
    start: AsyncEngine, made: Manifest | bytes, codec_name: str, message: str
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            await built(worker, (await worker.take())[0], made, codec_name=codec_name)
            record = await ended(engine, outer)
            assert record.status is Status.FAILED
            assert message in str(record.error)

    asyncio.run(scenario())


def test_a_server_that_died_before_the_sublattice_became_a_dispatch_makes_it_at_its_next_start(
    start: AsyncEngine,
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            blob = as_asset(INNER)
            completion = Completion(key=lease.key, outcome=Outcome.COMPLETED, output=builders.digest(blob))
            report = rows.Report(
                worker=worker.id,
                owner=OWNER,
                pool=1,
                want=0,
                assets=[intake.from_bytes(memoryview(blob))],
                completions=[completion],
            )
            # Straight to the database: nobody here hears of it.
            await engine.shared.write(lambda session: rows.report(session, report, 1.0))
            assert len(await engine.read(waking.unborn, after=0, limit=9)) == 1
        async with start() as engine:
            worker = FakeWorker(engine)
            await worker.hello()
            assert await worker.work_on(await taken(worker)) == 3
            assert (await ended(engine, outer)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_an_obsolete_sublattice_does_not_become_a_dispatch(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await built(worker, lease, INNER)
            await engine.cancel(USER, outer, None)
            late = waking.Unborn(
                node=lease.key.node, attempt=1, owner=OWNER, digest="", size=1, data=as_asset(INNER), env=None, rank=0
            )
            effects = await engine.shared.write(lambda session: waking.stillborn(session, late, "no", 1.0))
            assert not effects.settled
            assert (await engine.dispatch(USER, outer, 0)).status is Status.CANCELLED
            assert not await worker.take()

    asyncio.run(scenario())


def test_a_sublattice_inherits_variables_and_what_a_worker_needs_for_them(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = replace(OUTER, env={"A": "outer", "B": "outer"}, requires=("variables",))
            await engine.submit(submission(outer))
            worker = FakeWorker(engine)
            await worker.hello()
            await built(worker, (await worker.take())[0], replace(INNER, env={"B": "inner"}))
            (inner,) = await taken(worker)
            assert inner.env == {"A": "outer", "B": "inner"}
            assert inner.requires == ("variables",)

    asyncio.run(scenario())


async def built_large(engine: Engine, worker: FakeWorker, lease: Lease, made: Manifest) -> None:
    """As :func:`built`, of a manifest that does not fit into a message."""
    blob = as_asset(made)
    upload = engine.shared.store.receive(builders.digest(blob))
    upload.write(blob)
    await engine.assets.received(USER.owner, upload, builders.digest(blob))
    upload.close()
    await worker.send(Completion(key=lease.key, outcome=Outcome.COMPLETED, output=builders.digest(blob)))


def test_a_large_sublattice_that_is_cancelled_half_way_leaves_nothing(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()

            async def children() -> int:
                count = select(func.count()).where(dispatch.c.parent.is_not(None))
                return int(await engine.read(lambda session: session.execute(count).scalar_one()))

            await built_large(engine, worker, lease, manifest([node(number) for number in range(6500)]))
            while not await children():
                pass
            await engine.cancel(USER, outer, None)
            while await children():
                pass
            assert not await worker.take()
            assert (await engine.dispatch(USER, outer, 0)).status is Status.CANCELLED

    asyncio.run(scenario())


def test_a_sublattice_larger_than_what_may_be_sent_fails_its_node_unread(settings: Settings) -> None:
    async def scenario() -> None:
        async with AsyncEngine(replace(settings, max_body_bytes=100_000))() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await built_large(engine, worker, lease, manifest([node(number) for number in range(400)]))
            assert "and one may have 100000" in str((await ended(engine, outer)).error)

    asyncio.run(scenario())
