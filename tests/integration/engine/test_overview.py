"""What the web page is told: graphs in columns, one dispatch, one node, everything at a glance."""

from __future__ import annotations

import asyncio
import json
from itertools import accumulate
from typing import Any

import pytest

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire.overview import Tags
from covalent_server.core.errors import UnknownAssetError, UnknownDispatchError, UnknownNodeError
from covalent_server.core.states import NodeState
from covalent_server.db import details, graphs, happened, listing, reads
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from covalent_server.engine.repeating import repetition
from tests.builders import FUNCTION, asset, digest, manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission

USER = Caller(owner=OWNER, scope="user")
STRANGER = "stranger"
CONSTANT = asset(41)
#: f -> three times g -> h; g also takes a constant.
DIAMOND = manifest(
    [
        node(0, name="f"),
        *(node(number, take(0), {"asset": digest(CONSTANT)}, name="g") for number in (1, 2, 5)),
        node(7, {"list": [take(1), take(2), take(5)]}, name="h"),
    ]
)


async def dispatched(engine: Engine, **changes: Any) -> str:
    return await engine.submit(submission(DIAMOND, assets=[CONSTANT], **changes))


def test_a_graph_is_told_in_columns_by_position(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await dispatched(engine)
            worker = FakeWorker(engine)
            await worker.hello()
            (first,) = await worker.take()
            await worker.poll(outputs=[(first, 1)])
            for found in [await engine.overview.columns(OWNER, dispatch_id) for _ in range(2)]:  # and from memory
                assert list(accumulate(found.ids)) == [0, 1, 2, 5, 7]
                assert [found.names[index] for index in found.name] == ["f", "g", "g", "g", "h"]
                assert {found.kinds[index] for index in found.kind} == {"task"}
                assert {found.executors[index] for index in found.executor} == {"local"}
                assert found.group == (0, 1, 1, 1, 2)
                pairs = zip(found.sources, accumulate(found.targets), strict=True)
                assert set(pairs) == {(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)}
                assert found.states == "CYYYW"
                assert (found.count, found.groups) == (5, 3)
                assert found.sequence == await engine.read(happened.latest)
            assert (await engine.read(graphs.states, OWNER, dispatch_id)).states == "CYYYW"
            times = await engine.read(graphs.timeline, OWNER, dispatch_id)
            assert [moment is None for moment in times.ended] == [False, True, True, True, True]
            assert len(times.started) == 5

    asyncio.run(scenario())


def test_a_dispatch_is_told_with_what_is_around_it(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await dispatched(engine)
            found = await engine.read(details.dispatch_detail, OWNER, dispatch_id)
            assert found.dispatch == await engine.dispatch(USER, dispatch_id, 0)
            assert found.states == {NodeState.READY: 1, NodeState.WAITING: 4}
            assert [(item.executor, item.nodes) for item in found.executors] == [("local", 5)]
            assert (found.code.name, found.code.source) == ("workflow", None)

    asyncio.run(scenario())


def test_a_node_is_told_with_what_is_around_it(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await dispatched(engine)
            found = await engine.overview.node(OWNER, dispatch_id, 2)
            assert (found.node.node_name, found.position, found.state) == ("g", 2, NodeState.WAITING)
            assert [(item.node_id, item.node_name, item.status) for item in found.parents] == [(0, "f", "NEW_OBJECT")]
            assert [item.node_id for item in found.children] == [7]
            assert (found.parent_count, found.child_count) == (1, 1)
            taken, constant = found.inputs
            assert (taken.nodes, taken.assets) == ((0,), ())
            assert [(item.digest, item.json) for item in constant.assets] == [(digest(CONSTANT), "41")]
            assert found.function is not None
            assert found.function.digest == digest(FUNCTION)
            assert found.why is not None
            assert (found.why.code, found.why.nodes) == ("nodes", (0,))
            worker = FakeWorker(engine)
            await worker.hello()
            (first,) = await worker.take()
            held = await engine.overview.node(OWNER, dispatch_id, 0)
            assert held.worker is not None
            assert (held.worker.id, held.worker.host) == (worker.id, "elsewhere")
            await worker.poll(outputs=[(first, 1)])
            ended = await engine.overview.node(OWNER, dispatch_id, 0)
            assert (ended.why, ended.worker) == (None, None)
            (attempt,) = ended.attempts
            assert (attempt.attempt, attempt.state) == (1, NodeState.COMPLETED)
            assert attempt.ended_at is not None
            assert attempt.ended_at >= attempt.began_at
            with pytest.raises(UnknownNodeError):
                await engine.overview.node(OWNER, dispatch_id, 3)

    asyncio.run(scenario())


def test_everything_is_told_at_a_glance(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            first, second = await dispatched(engine), await dispatched(engine)
            await engine.cancel(USER, first, None)
            found, waiting, workers = await engine.overview.standing(OWNER)
            assert found.counts == {Status.RUNNING: 1, Status.CANCELLED: 1}
            assert [item.dispatch_id for item in found.running] == [second]
            assert found.nodes == {NodeState.READY: 1, NodeState.WAITING: 4}
            assert {(item.code, item.count) for item in waiting} == {("no-worker", 1), ("nodes", 4)}
            assert workers == 0
            worker = FakeWorker(engine)
            await worker.hello()
            _, _, workers = await engine.overview.standing(OWNER)
            assert workers == 1
            nothing, reasons, workers = await engine.overview.standing(STRANGER)
            assert (nothing.counts, nothing.nodes, reasons, workers) == ({}, {}, (), 0)

    asyncio.run(scenario())


def test_of_another_owner_nothing_is_told(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await dispatched(engine)
            await engine.overview.columns(OWNER, dispatch_id)  # whose shape is in memory now
            with pytest.raises(UnknownDispatchError):
                await engine.overview.columns(STRANGER, dispatch_id)
            with pytest.raises(UnknownDispatchError):
                await engine.overview.node(STRANGER, dispatch_id, 0)
            with pytest.raises(UnknownDispatchError):
                await engine.overview.label(STRANGER, dispatch_id, Tags(tags=("mine",)))
            for read in (graphs.states, graphs.timeline, details.dispatch_detail, listing.nodes):
                with pytest.raises(UnknownDispatchError):
                    await engine.read(read, STRANGER, dispatch_id)
            with pytest.raises(UnknownAssetError):
                await engine.read(details.asset_description, STRANGER, digest(CONSTANT))
            assert (await engine.read(details.asset_description, OWNER, digest(CONSTANT))).json == "41"
            news = await engine.read(
                happened.news, STRANGER, 0, 100, happened.Wanted(dispatches=[dispatch_id]), behind=1000
            )
            assert news.events == ()

    asyncio.run(scenario())


def test_pages_of_dispatches_go_on_where_the_one_before_ended(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            ids = [await dispatched(engine) for _ in range(5)]
            first = await engine.read(listing.dispatches, OWNER, limit=2)
            await dispatched(engine)  # what is new moves nothing
            second = await engine.read(listing.dispatches, OWNER, limit=2, before=int(first.next or 0))
            third = await engine.read(listing.dispatches, OWNER, limit=2, before=int(second.next or 0))
            pages = [[item.dispatch_id for item in page.dispatches] for page in (first, second, third)]
            assert pages == [ids[:2:-1], ids[2:0:-1], ids[:1]]
            assert third.next is None

    asyncio.run(scenario())


def test_dispatches_are_found_by_what_is_said_of_them(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            one, other = await dispatched(engine), await dispatched(engine)
            await engine.cancel(USER, other, None)
            record = await engine.overview.label(OWNER, one, Tags(tags=("Night%ly", "a", "a")))
            assert record.tags == ("Night%ly", "a")
            for which, found in (
                (listing.DispatchFilter(statuses=[Status.RUNNING, Status.FAILED]), [one]),
                (listing.DispatchFilter(tags=["a", "Night%ly"]), [one]),
                (listing.DispatchFilter(tags=["a", "b"]), []),
                (listing.DispatchFilter(text="NIGHT%"), [one]),
                (listing.DispatchFilter(text="%%"), []),
                (listing.DispatchFilter(text=other[:13].upper()), [other]),
                (listing.DispatchFilter(text="orkfl"), [other, one]),
                (listing.DispatchFilter(since=record.created_at, until=record.created_at), [one]),
            ):
                page = await engine.read(listing.dispatches, OWNER, which, limit=9)
                assert [item.dispatch_id for item in page.dispatches] == found, which
            with pytest.raises(WireError):
                await engine.overview.label(OWNER, one, Tags(tags=("x" * 300,)))

    asyncio.run(scenario())


def test_nodes_are_listed_a_page_at_a_time_and_found_by_name_number_and_state(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await dispatched(engine)

            async def numbers(**asked: Any) -> tuple[list[int], str | None]:
                page = await engine.read(listing.nodes, OWNER, dispatch_id, **asked)
                return [item.node_id for item in page.nodes], page.next

            assert await numbers() == ([0, 1, 2, 5, 7], None)
            assert await numbers(limit=2) == ([0, 1], "1")
            assert await numbers(limit=3, after=1) == ([2, 5, 7], None)
            assert await numbers(which=listing.NodeFilter(text="G"), limit=2) == ([1, 2], "2")
            assert await numbers(which=listing.NodeFilter(text="5")) == ([5], None)
            assert await numbers(which=listing.NodeFilter(states={NodeState.READY})) == ([0], None)

    asyncio.run(scenario())


def test_news_tell_of_all_dispatches_what_concerns_them_as_a_whole(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            one, other = await dispatched(engine), await dispatched(engine)
            await engine.cancel(USER, one, None)
            await engine.cancel(USER, other, None)

            async def told(wanted: happened.Wanted, after: int = 0, behind: int = 1000) -> happened.News:
                found: happened.News = await engine.read(happened.news, OWNER, after, 100, wanted, behind=behind)
                return found

            everything = await told(happened.Wanted())
            assert everything.cursor == await engine.read(happened.latest)
            assert {item.dispatch_id for item in everything.events} == {one, other}
            assert {item.dispatch_id for item in (await told(happened.Wanted(dispatches=[one]))).events} == {one}
            some = await told(happened.Wanted(dispatches=[one], whole=True))
            assert {item.dispatch_id for item in some.events if item.node_id is None} == {one, other}
            assert {item.dispatch_id for item in some.events if item.node_id is not None} == {one}
            none = await told(happened.Wanted(whole=True))
            assert {item.node_id for item in none.events} == {None}
            # Whoever is too far behind, or is nowhere, looks anew and goes on from the end.
            for lost in (await told(happened.Wanted(), behind=3), await told(happened.Wanted(), after=10**9)):
                assert (lost.resync, lost.events, lost.cursor) == (True, (), everything.cursor)

    asyncio.run(scenario())


def test_a_dispatch_is_repeated_from_its_stored_json(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            first = await dispatched(engine)
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            await worker.poll(outputs=[(lease, 1)])
            text = await engine.read(reads.manifest, OWNER, first)
            again = repetition(text, owner=OWNER, dispatch_id=first, idempotency_key="again")
            second = await engine.submit(again)
            assert await engine.submit(again) == second
            assert (await engine.dispatch(USER, second, 0)).redispatch_of == first
            assert json.loads(await engine.read(reads.graph, OWNER, second)) == json.loads(text)["graph"]
            assert (await engine.read(graphs.states, OWNER, second)).states == "YWWWW"

    asyncio.run(scenario())
