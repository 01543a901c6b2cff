"""What crashes mean: leases that are lost, delivered again, released, late; servers that start again."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Select, func, select

from covalent.status import Status
from covalent.wire import FEATURES
from covalent.wire.work import Acknowledgement, Completion, Lease, LeaseKey, Outcome, Work
from covalent_server.core.errors import ForeignAssetError, UnknownWorkerError
from covalent_server.core.events import LeaseEnd
from covalent_server.core.states import NodeState
from covalent_server.db import Session, dispatches, happened, listing, tables
from covalent_server.db.identity import PoolRow, token_digest
from covalent_server.engine import shared
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from covalent_server.engine.ledger import REDELIVER_AFTER
from covalent_server.engine.submission import prepare
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, full_disk, submission

USER = Caller(owner=OWNER, scope="user")
POOL = PoolRow(id=1, owner=OWNER, executor="local", place="/nowhere/python3")


async def held_back(engine: Engine) -> asyncio.Task[Work]:
    """A poll of a worker that waits at the server because there is nothing to do; it has done one task before."""
    await engine.submit(submission(manifest([node(0)])))
    worker = FakeWorker(engine)
    await worker.hello()
    await worker.work_through()
    waiting = asyncio.create_task(worker.poll(want=1, wait=30.0))
    while not engine.workplace.held:
        await engine.shared.read(lambda _: None)
    return waiting


def test_who_waits_is_leased_what_is_dispatched_in_the_same_commit(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            waiting = await held_back(engine)
            begun, proceed = threading.Event(), threading.Event()

            def keep_busy(_: Session) -> None:
                begun.set()
                proceed.wait()

            busy = engine.shared.queue(keep_busy)
            await asyncio.to_thread(begun.wait)
            dispatching = asyncio.create_task(engine.submit(submission(manifest([node(0)]))))
            await asyncio.sleep(0)
            before = engine.shared.writer.operations, engine.shared.writer.commits
            proceed.set()
            assert (await waiting).leases[0].dispatch_id == await dispatching
            await busy
            after = engine.shared.writer.operations, engine.shared.writer.commits
            assert (after[0] - before[0], after[1] - before[1]) == (3, 2)

    asyncio.run(scenario())


def test_a_dispatch_that_is_refused_gives_those_who_wait_nothing(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            waiting = await held_back(engine)
            unknown = {"asset": "0" * 64}
            with pytest.raises(ForeignAssetError):
                await engine.submit(submission(manifest([node(0, unknown)])))
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            assert (await waiting).leases[0].dispatch_id == dispatch_id

    asyncio.run(scenario())


def test_a_worker_that_goes_gives_back_what_it_held_and_another_runs_it(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            gone, other = FakeWorker(engine), FakeWorker(engine)
            await gone.hello()
            await other.hello()
            (lease,) = await gone.take()
            await engine.workplace.bye(OWNER, gone.id)
            (again,) = await other.take()
            assert (again.key.node, again.key.attempt) == (lease.key.node, 2)
            await other.poll(outputs=[(again, 5)])
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_the_first_completion_wins_and_the_replacement_is_told_to_stop(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            slow, quick = FakeWorker(engine), FakeWorker(engine)
            await slow.hello()
            await quick.hello()
            (first,) = await slow.take()
            await engine.workplace.lost(slow.id, LeaseEnd.DIED)
            engine.workplace.seat(slow.id, POOL, FEATURES)
            (second,) = await quick.take()
            # The lost attempt is not told to stop: it may still be the first to end.
            assert (await slow.poll()).drop == ()
            assert (await slow.poll(outputs=[(first, "late")])).acknowledgements == (Acknowledgement.OK,)
            assert (await quick.poll()).drop == (second.key,)
            assert (await quick.poll(outputs=[(second, "too late")])).acknowledgements == (Acknowledgement.STALE,)
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert record.result is not None
            assert record.result.json == '"late"'

    asyncio.run(scenario())


def test_who_sends_a_dead_workers_result_and_holds_the_replacement_is_told_with_the_acknowledgement(
    start: AsyncEngine,
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            dead, heir = FakeWorker(engine), FakeWorker(engine)
            await dead.hello()
            await heir.hello()
            (first,) = await dead.take()
            await engine.workplace.lost(dead.id, LeaseEnd.DIED)
            (replacement,) = await heir.take()
            work = await heir.poll(outputs=[(first, 7)])
            assert work.acknowledgements == (Acknowledgement.OK,)
            assert work.drop == (replacement.key,)

    asyncio.run(scenario())


def test_a_lease_that_its_worker_does_not_name_is_delivered_again(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            for held in engine.shared.ledger._leases.values():
                held.granted -= REDELIVER_AFTER + 1
            (again,) = (await worker.poll(want=1, held=())).leases
            assert again == lease

    asyncio.run(scenario())


def test_a_released_lease_costs_nothing_and_a_lost_one_that_had_begun_counts(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            for _ in range(10):
                (lease,) = await worker.take()
                await worker.poll(released=(lease.key,))
                worker.held.clear()
            for _ in range(4):
                assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.RUNNING
                (lease,) = await worker.take()
                await worker.poll(started=(lease.key,))
                await engine.workplace.lost(worker.id, LeaseEnd.DIED)
                engine.workplace.seat(worker.id, POOL, FEATURES)
                worker.held.clear()
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert record.status is Status.FAILED
            assert "lost 4 times" in str(record.error)

    asyncio.run(scenario())


def test_a_worker_is_leased_only_what_it_can_do(start: AsyncEngine) -> None:
    async def scenario() -> None:
        hooked = replace(manifest([node(0, name="hooked")]), requires=("call-hooks",))
        async with start() as engine:
            await engine.submit(submission(hooked))
            old, new = FakeWorker(engine, features=()), FakeWorker(engine)
            await old.hello()
            await new.hello()
            assert await old.take() == []
            await engine.submit(submission(manifest([node(0, name="plain")])))
            assert [lease.name for lease in await old.take()] == ["plain"]
            (lease,) = await new.take()
            assert (lease.name, lease.requires) == ("hooked", ("call-hooks",))

    asyncio.run(scenario())


def test_a_task_that_takes_workers_down_is_leased_alone_and_fails_and_no_other_does(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(number) for number in range(6)])))
            deaths = 0
            while (await engine.dispatch(USER, dispatch_id, 0)).status is Status.RUNNING:
                worker = FakeWorker(engine)
                await worker.hello()
                leases = await worker.take()
                killer = [lease for lease in leases if lease.node_id == 0]
                if killer:
                    assert deaths < 2 or leases == killer
                    await engine.workplace.lost(worker.id, LeaseEnd.DIED)
                    deaths += 1
                else:
                    await worker.work_on(leases)
            nodes = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
            assert [item.status for item in nodes] == ["FAILED", *["COMPLETED"] * 5]
            assert deaths == 4
            assert "lost 4 times" in str(nodes[0].error)

    asyncio.run(scenario())


def test_what_is_leased_alone_stays_alone(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            for _ in range(2):
                worker = FakeWorker(engine)
                await worker.hello()
                await worker.take()
                await engine.workplace.lost(worker.id, LeaseEnd.DIED)
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (suspect,) = await worker.take()
            assert await worker.take() == []
            await worker.poll(want=1, outputs=[(suspect, 1)])
            assert len(await worker.take()) == 1

    asyncio.run(scenario())


def test_a_poll_that_waits_hears_when_its_worker_may_have_what_was_withheld(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0), node(1)])))
            for _ in range(2):
                worker = FakeWorker(engine)
                await worker.hello()
                await worker.take()
                await engine.workplace.lost(worker.id, LeaseEnd.DIED)
            worker = FakeWorker(engine)
            await worker.hello()
            (first,) = await worker.take()
            # As real workers do: one line waits for leases while another brings results.
            waiting = asyncio.create_task(worker.poll(want=1, wait=30.0))
            await asyncio.sleep(0)
            await worker.poll(outputs=[(first, 1)])
            async with asyncio.timeout(10):
                assert len((await waiting).leases) == 1

    asyncio.run(scenario())


def test_a_forged_lease_that_is_named_tells_nothing(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            forged = LeaseKey(node=2**70, attempt=1, token="0" * 32)
            assert (await worker.poll(held=(forged,))).drop == ()

    asyncio.run(scenario())


def test_a_worker_cannot_take_anothers_seat(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            for owner in (OWNER, "somebody"):
                await engine.submit(submission(manifest([node(0)]), owner=owner))
            first, second = FakeWorker(engine), FakeWorker(engine, owner="somebody")
            await first.hello(pool=1)
            second.id = first.id
            with pytest.raises(UnknownWorkerError):
                await second.hello(pool=2)
            with pytest.raises(UnknownWorkerError):
                await FakeWorker(engine, owner="somebody").hello(pool=1)

    asyncio.run(scenario())


def test_times_of_no_epoch_are_not_kept(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            odd = Completion(
                key=lease.key, outcome=Outcome.FAILED, error="x" * 10**6, started_at=1e300, ended_at=float("nan")
            )
            await worker.poll(completions=(odd,))
            (record,) = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
            assert abs((record.started_at or 0) - shared.now()) < 3600
            assert abs((record.ended_at or 0) - shared.now()) < 3600
            assert len(str(record.error)) < 10**6

    asyncio.run(scenario())


def test_expired_leases_are_taken_back(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            silent, other = FakeWorker(engine), FakeWorker(engine)
            await silent.hello()
            await other.hello()
            (lease,) = await silent.take()
            for held in engine.shared.ledger._leases.values():
                held.deadline = shared.monotonic() - 1
            (again,) = (await other.poll(want=1, wait=20.0)).leases
            assert again.key.node == lease.key.node

    asyncio.run(scenario())


def test_leases_that_expire_while_nothing_can_be_written_are_taken_back_later(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            silent, other = FakeWorker(engine), FakeWorker(engine)
            await silent.hello()
            await other.hello()
            (lease,) = await silent.take()
            async with full_disk(engine, "UPDATE", "NEW.key > 0"):
                for held in engine.shared.ledger._leases.values():
                    held.deadline = shared.monotonic() - 1
                with pytest.raises(Exception, match="disk full"):
                    await engine._take_back_expired()
            (again,) = (await other.poll(want=1, wait=20.0)).leases
            assert again.key.node == lease.key.node

    asyncio.run(scenario())


def test_a_restarted_server_knows_leases_tokens_and_what_was_done(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.admit("the token", USER)
            dispatch_id = await engine.submit(submission(manifest([node(0), node(1), node(2, take(0), take(1))])))
            worker = FakeWorker(engine)
            await worker.hello()
            first, second = await worker.take()
            await worker.poll(outputs=[(first, 1)])
            instance = engine.shared.instance
        async with start() as engine:
            assert engine.shared.instance == instance
            assert engine.in_force(token_digest("the token")) == USER
            worker.engine = engine
            assert (await worker.poll(outputs=[(first, 1)])).acknowledgements == (Acknowledgement.DUPLICATE,)
            (last,) = (await worker.poll(want=9, outputs=[(second, 2)])).leases
            await worker.poll(outputs=[(last, 3)])
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED
            nodes = (await engine.read(listing.nodes, OWNER, dispatch_id)).nodes
            assert [item.attempt for item in nodes] == [1, 1, 1]

    asyncio.run(scenario())


def test_leases_get_a_full_time_to_live_from_a_server_that_starts(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
        started = shared.monotonic()
        async with start() as engine:
            ledger, ttl = engine.shared.ledger, engine.shared.settings.lease_ttl
            assert ledger.holds(worker.id, lease.key)
            assert ledger.expired(started + ttl) == []
            assert ledger.expired(shared.monotonic() + ttl + 1) == [(lease.key.node, lease.key.attempt)]

    asyncio.run(scenario())


def test_a_replaced_token_is_worth_nothing(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.settle_account("leaked", USER)
            await engine.settle_account("new", USER)
            assert engine.in_force(token_digest("leaked")) is None
        async with start() as engine:
            assert engine.in_force(token_digest("leaked")) is None
            assert engine.in_force(token_digest("new")) == USER

    asyncio.run(scenario())


def test_a_dispatch_whose_writing_was_cut_off_leaves_nothing(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            new = await asyncio.to_thread(prepare, submission(manifest([node(0)])), engine.shared.machine)
            begun = await engine.shared.write(lambda session: dispatches.begin(session, new, 1.0))
            await engine.shared.write(lambda session: dispatches.add_nodes(session, begun, new, 0, 1))
        async with start() as engine:
            assert (await engine.read(listing.dispatches, OWNER, limit=9)).dispatches == ()
            worker = FakeWorker(engine)
            await worker.hello()
            assert await worker.take() == []
            for table in (tables.dispatch, tables.node):
                assert await engine.read(count, select(func.count()).select_from(table)) == 0

    asyncio.run(scenario())


def count(session: Session, statement: Select[Any]) -> int:
    return int(session.execute(statement).scalar_one())


def test_a_bad_operation_does_not_fail_its_neighbours_in_the_batch(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            foreign = manifest([node(0, {"asset": "0" * 64})])
            sent = [submission(manifest([node(0)])), submission(foreign), submission(manifest([node(0)]))]
            first, bad, last = await asyncio.gather(*map(engine.submit, sent), return_exceptions=True)
            assert isinstance(bad, Exception)
            for dispatch_id in (first, last):
                assert (await engine.dispatch(USER, str(dispatch_id), 0)).status is Status.RUNNING
            assert len((await engine.read(listing.dispatches, OWNER, limit=9)).dispatches) == 2

    asyncio.run(scenario())


def test_a_second_report_of_one_node_in_one_message_is_a_duplicate(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            failed = Completion(key=lease.key, outcome=Outcome.FAILED, error="no")
            answers = (await worker.poll(completions=(failed, failed))).acknowledgements
            assert answers == (Acknowledgement.OK, Acknowledgement.DUPLICATE)
            events = await engine.read(happened.events, OWNER, 0, 100)
            assert [item.kind for item in events.events].count(f"node.{NodeState.FAILED.lower()}") == 1

    asyncio.run(scenario())


def test_a_task_with_very_many_inputs_holds_nobody_up(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(
                submission(manifest([node(0, {"list": [{"value": index} for index in range(200_000)]})]))
            )
            worker = FakeWorker(engine)
            await worker.hello()
            loop = asyncio.get_running_loop()
            moments = [loop.time()]

            async def tick() -> None:
                while True:
                    await asyncio.sleep(0.001)
                    moments.append(loop.time())

            ticking = asyncio.create_task(tick())
            assert len(await worker.take()) == 1
            moments.append(loop.time())
            ticking.cancel()
            pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
            assert max(pauses) < sum(pauses) / 2

    asyncio.run(scenario())


def test_leases_whose_delivery_a_dead_server_lost_come_to_a_worker_that_waits(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lost,) = await worker.take()
        async with start() as engine:
            again = FakeWorker(engine)
            again.id = worker.id
            await again.hello()
            begun = time.monotonic()
            leases: Sequence[Lease] = ()
            while not leases:  # as a worker does: it asks again when it was given nothing
                leases = (await again.poll(want=1, wait=30.0)).leases
            assert [lease.key for lease in leases] == [lost.key]
            assert time.monotonic() - begun < 15.0  # half of what a poll may be held back

    asyncio.run(scenario())
