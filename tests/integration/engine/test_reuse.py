"""Outputs that are taken over: from the dispatch that is repeated, and from equal tasks of before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from covalent.status import Status
from covalent.wire.manifest import Kind, Manifest, Node
from covalent.wire.work import Completion, Outcome
from covalent_server.core.errors import UnknownDispatchError
from covalent_server.db import happened, listing
from covalent_server.db.tables import dispatch
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from tests import builders
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission

USER = Caller(owner=OWNER, scope="user")


def task(number: int, *args: Any, identity: str = "f", **changes: Any) -> Node:
    return node(number, *args, function_id=identity, **changes)


def value(of: int) -> dict[str, Any]:
    return {"value": of}


def chain(first: int = 1, identity: str = "g") -> Manifest:
    return manifest([task(0, value(first)), task(1, take(0), identity=identity), task(2, take(1)), task(3, value(5))])


async def ran(engine: Engine, worker: FakeWorker, made: Manifest) -> tuple[str, list[int]]:
    """Run a dispatch to its end; which of its nodes a worker was given."""
    dispatch_id = await engine.submit(submission(made))
    given: list[int] = []

    def run(lease: Any) -> int:
        given.append(lease.node_id)
        return int(lease.node_id)

    await worker.work_through(run)
    record = await engine.dispatch(USER, dispatch_id, 10)
    assert record.status is Status.COMPLETED
    return dispatch_id, sorted(given)


async def ready(engine: Engine) -> FakeWorker:
    await engine.submit(submission(manifest([node(0)])))  # so that there is a pool
    worker = FakeWorker(engine)
    await worker.hello()
    await worker.work_through()
    return worker


def test_nodes_that_are_the_same_with_all_their_ancestors_are_taken_over(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            first, given = await ran(engine, worker, chain())
            assert given == [0, 1, 2, 3]
            second, given = await ran(engine, worker, replace(chain(), reuse=first))
            assert given == []
            nodes = (await engine.read(listing.nodes, OWNER, second)).nodes
            assert all(item.started_at == item.ended_at for item in nodes)
            assert [item.output and item.output.json for item in nodes] == ["0", "1", "2", "3"]
            _, given = await ran(engine, worker, replace(chain(identity="other"), reuse=first))
            assert given == [1, 2]
            _, given = await ran(engine, worker, replace(chain(first=2), reuse=first))
            assert given == [0, 1, 2]

    asyncio.run(scenario())


def test_a_graph_of_several_pieces_takes_over_what_it_can(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            row = [task(number, value(number)) for number in range(2100)]
            made = manifest([*row, task(2100, {"list": [take(number) for number in range(2100)]})])
            first, _ = await ran(engine, worker, made)
            changed = [*row[:2099], task(2099, value(-1)), made.graph.nodes[-1]]
            second, given = await ran(engine, worker, replace(manifest(changed), reuse=first))
            assert given == [2099, 2100]
            record = await engine.dispatch(USER, second, 0)
            assert record.node_counts == {"COMPLETED": 2101}
            events = (await engine.read(happened.events, OWNER, 0, 100_000)).events
            completed = [item.node_id for item in events if (item.dispatch_id, item.kind) == (second, "node.completed")]
            assert completed == list(range(2101))

    asyncio.run(scenario())


def test_what_takes_long_to_read_holds_no_other_reader_up(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            gate = threading.Event()
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(engine.shared.reader.run_apart(lambda _: gate.wait(60)))
                await engine.read(happened.events, OWNER, 0, 1)
                gate.set()

    asyncio.run(scenario())


def test_what_puts_the_value_together_may_be_all_that_is_left(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            tasks = [task(0), task(1, value(1))]
            last = {"list": [take(0), take(1)]}
            first, _ = await ran(engine, worker, manifest([*tasks, node(2, last, kind=Kind.COLLECT)]))
            again = replace(manifest([*tasks, node(2, last, kind=Kind.COLLECT)]), reuse=first)
            left = await engine.submit(submission(again))
            assert (await engine.dispatch(USER, left, 0)).status is Status.POSTPROCESSING
            await worker.work_through()
            assert (await engine.dispatch(USER, left, 0)).status is Status.COMPLETED
            for_client = [*tasks, node(2, last, kind=Kind.COLLECT, executor="client")]
            waits = await engine.submit(submission(replace(manifest(for_client), reuse=first)))
            assert (await engine.dispatch(USER, waits, 0)).status is Status.PENDING_POSTPROCESSING

    asyncio.run(scenario())


def test_after_a_failure_only_what_broke_and_what_follows_runs_again(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            broken = await engine.submit(submission(chain()))
            first, other = await worker.take()
            (second,) = (await worker.poll(want=1, outputs=[(first, 0), (other, 3)])).leases
            await worker.send(Completion(key=second.key, outcome=Outcome.FAILED, error="no"))
            assert (await engine.dispatch(USER, broken, 0)).status is Status.FAILED
            _, given = await ran(engine, worker, replace(chain(), reuse=broken))
            assert given == [1, 2]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("old", "new", "given"),
    [
        pytest.param([task(0, identity="")], [task(0, identity="")], [0], id="a function without an identity"),
        pytest.param([task(0, name="a")], [task(0, name="b")], [0], id="another name"),
        pytest.param([task(0, value(1))], [task(0, {"value": 1.0})], [0], id="a value of another type"),
        pytest.param([task(0, value(1))], [task(0, {"value": True})], [0], id="a truth instead of a number"),
        pytest.param([task(0, kwargs={"x": value(1)})], [task(0, kwargs={"y": value(1)})], [0], id="another keyword"),
        pytest.param([task(0), task(1, take(0))], [task(0), task(1, {"list": [take(0)]})], [1], id="another container"),
        pytest.param([task(0)], [task(0), task(1)], [1], id="each output serves once"),
        pytest.param([task(5, value(1))], [task(0, value(1))], [], id="numbers do not matter"),
    ],
)
def test_what_makes_a_difference(
    start: AsyncEngine, old: Sequence[Node], new: Sequence[Node], given: list[int]
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            first, _ = await ran(engine, worker, manifest(old))
            assert (await ran(engine, worker, replace(manifest(new), reuse=first)))[1] == given

    asyncio.run(scenario())


def test_waiting_for_another_task_makes_a_difference(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            nodes = [task(0, name="a"), task(1, name="b")]
            first, _ = await ran(engine, worker, manifest(nodes))
            _, given = await ran(engine, worker, replace(manifest(nodes, waits=[(0, 1)]), reuse=first))
            assert given == [1]

    asyncio.run(scenario())


def test_a_stranger_takes_nothing_over(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            first, _ = await ran(engine, worker, chain())
            for owner, wanted in (("stranger", first), (OWNER, "nothing")):
                for made in (chain(), manifest([task(number) for number in range(2100)])):
                    with pytest.raises(UnknownDispatchError):
                        await engine.submit(submission(replace(made, reuse=wanted), owner=owner))
            count = select(func.count()).select_from(dispatch)
            assert await engine.read(lambda session: session.execute(count).scalar_one()) == 2

    asyncio.run(scenario())


def cached(number: int, *args: Any, **changes: Any) -> Node:
    made = task(number, *args, **changes)
    return replace(made, metadata=replace(made.metadata, cache=True))


def test_an_equal_task_is_not_run_twice_when_its_output_may_be_kept(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            made = manifest([task(0, value(1)), cached(1, take(0), name="kept"), task(2, take(1))])
            assert (await ran(engine, worker, made))[1] == [0, 1, 2]
            dispatch_id, given = await ran(engine, worker, made)
            assert given == [0, 2]
            nodes = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
            assert nodes[1].output is not None
            assert nodes[1].output.json == "1"
            other = manifest([task(0, value(1)), cached(1, take(0), value(9), name="kept")])
            assert (await ran(engine, worker, other))[1] == [0, 1]
            assert (await ran(engine, worker, manifest([cached(0, value(3), identity="")])))[1] == [0]
            assert (await ran(engine, worker, manifest([cached(0, value(3), identity="")])))[1] == [0]

    asyncio.run(scenario())


def test_a_worker_waits_through_any_number_of_tasks_whose_outputs_are_there(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            row = [cached(number, value(number)) for number in range(10)]
            chained = [cached(number, take(number - 1)) for number in range(10, 20)]
            made = manifest([*row, *chained, task(20, take(19))])
            assert (await ran(engine, worker, made))[1] == list(range(21))
            await engine.submit(submission(made))
            before = engine.shared.writer.operations
            (lease,) = (await worker.poll(want=2, wait=30.0)).leases
            assert lease.node_id == 20
            # Not all of them in one transaction, which would hold up everybody else.
            assert engine.shared.writer.operations - before >= 10

    asyncio.run(scenario())


def test_equal_constants_that_were_pickled_apart_are_one_value_to_the_cache(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            first, second = builders.asset([1], object_string="one way"), builders.asset([1], object_string="another")
            assert first != second
            for blob, expected in ((first, [0]), (second, [])):
                made = manifest([cached(0, {"asset": builders.digest(blob)})])
                dispatch_id = await engine.submit(submission(made, assets=[blob]))
                given = [lease.node_id for lease in await worker.take()]
                assert given == expected
                await worker.work_on(list(worker.held.values()))
                assert (await engine.dispatch(USER, dispatch_id, 10)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_what_one_owner_kept_serves_no_other(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            made = manifest([cached(0, value(1))])
            assert (await ran(engine, worker, made))[1] == [0]
            await engine.submit(submission(made, owner="stranger"))
            other = FakeWorker(engine, owner="stranger")
            await other.hello(pool=2)
            assert [lease.node_id for lease in await other.take()] == [0]

    asyncio.run(scenario())


def test_tasks_of_a_higher_priority_are_given_out_first(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            low = await engine.submit(submission(manifest([node(0), node(1)])))
            high = await engine.submit(submission(replace(manifest([node(0)]), priority=5)))
            assert [lease.dispatch_id for lease in await worker.take()] == [high, low, low]

    asyncio.run(scenario())


def test_a_dispatch_is_found_by_its_tag_and_its_tasks_get_its_variables(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            worker = await ready(engine)
            made = replace(chain(), tags=("vasp", 'qu"ote%'), env={"A": "ä"}, name="named")
            dispatch_id = await engine.submit(submission(made))
            (lease, _) = await worker.take()
            assert lease.env == {"A": "ä"}
            for tag, found in (
                ("vasp", [dispatch_id]),
                ('qu"ote%', [dispatch_id]),
                ("vas", []),
                ("%", []),
                ("VASP", []),
            ):
                some = await engine.read(listing.dispatches, OWNER, listing.DispatchFilter(tags=[tag]), limit=9)
                assert [item.dispatch_id for item in some.dispatches] == found
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert (record.name, record.tags) == ("named", ("vasp", 'qu"ote%'))

    asyncio.run(scenario())
