"""Triggers through the engine: one firing, one dispatch, whatever is restarted or killed in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire import places
from covalent.wire.manifest import Manifest
from covalent.wire.records import DispatchList, DispatchRecord
from covalent.wire.triggers import Clock, Registration, Timetable, Trigger, TriggerRecord
from covalent_server.core.errors import (
    ObsoleteFiringError,
    UnknownDispatchError,
    UnknownTriggerError,
)
from covalent_server.db import Session, dispatches, listing, reads, triggers
from covalent_server.db.tables import trigger as table
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from covalent_server.engine.shared import now
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests.builders import asset, digest, manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission

USER = Caller(owner=OWNER, scope="user")
STRANGER = Caller(owner="other", scope="user")
#: Far off, so that nothing fires but what a test lets fire.
HOURLY = Trigger(clock=Clock(gap=3600.0))
INPUT = asset("an input")
CHAIN = manifest([node(0, {"asset": digest(INPUT)}), node(1, take(0))])
ID = "00000000-0000-4000-8000-000000000001"


def triggered(*given: Trigger, made: Manifest = CHAIN) -> Manifest:
    return replace(made, triggers=given or (HOURLY,), requires=("triggers",))


async def registered(engine: Engine, made: Manifest | None = None) -> str:
    return await engine.submit(submission(made or triggered(), assets=[INPUT]))


async def ring(engine: Engine, ago: float = 0.001) -> None:
    """Let all triggers be due, as if their time had come."""

    def operation(session: Session) -> None:
        session.execute(
            update(table).where(table.c.stopped_at.is_(None)).values(since=now() - 3600, due_at=now() - ago)
        )

    await engine.shared.write(operation)
    engine.shared.triggers.set()


async def worker_of(engine: Engine) -> FakeWorker:
    worker = FakeWorker(engine)
    await worker.hello()
    return worker


async def run_what_fires(worker: FakeWorker) -> None:
    """Work through the next dispatch that becomes ready."""
    leases = list((await worker.poll(want=64, wait=10.0)).leases)
    assert leases
    await worker.work_on(leases)


async def listed(engine: Engine) -> tuple[DispatchRecord, ...]:
    found: DispatchList = await engine.read(listing.dispatches, OWNER, limit=100)
    return found.dispatches


async def the_trigger(engine: Engine, wanted: Callable[[TriggerRecord], bool] = lambda _: True) -> TriggerRecord:
    """The one that there is, once it is as wanted."""
    (found,) = await engine.read(triggers.records, OWNER)
    for _ in range(1000):
        if wanted(found):
            break
        await asyncio.sleep(0.01)
        (found,) = await engine.read(triggers.records, OWNER)
    assert wanted(found)
    return found


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_a_lattice_with_triggers_is_registered_and_not_started(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            worker = await worker_of(engine)
            assert await worker.take() == []
            record = await engine.dispatch(USER, dispatch_id, 0)
            assert (record.status, record.started_at) == (Status.NEW_OBJECT, None)
            found = await the_trigger(engine)
            assert (found.dispatch_id, found.firings, found.trigger) == (dispatch_id, 0, HOURLY)
            assert found.due_at == pytest.approx(found.created_at + 3600, abs=10)

    run(scenario)


def test_the_first_firing_starts_it_and_each_other_repeats_it(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            worker = await worker_of(engine)
            await ring(engine)
            await run_what_fires(worker)
            assert (await engine.dispatch(USER, dispatch_id, 10)).status is Status.COMPLETED
            assert (await the_trigger(engine)).last_dispatch_id == dispatch_id
            for _ in range(2):
                await ring(engine)
                await run_what_fires(worker)
            third, second, first = await listed(engine)
            assert first.dispatch_id == dispatch_id
            assert [found.redispatch_of for found in (third, second, first)] == [dispatch_id, dispatch_id, None]
            assert third.inputs == first.inputs
            assert {found.status for found in (third, second)} == {Status.COMPLETED}
            found = await the_trigger(engine)
            assert (found.firings, found.last_dispatch_id, found.error) == (3, third.dispatch_id, None)
            graphs = {await engine.read(reads.graph, OWNER, item.dispatch_id) for item in (first, second, third)}
            assert len(graphs) == 1

    run(scenario)


def test_what_was_due_while_the_server_was_away_fires_once(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            engine.shared.triggers.clear()
            await engine.shared.write(
                lambda session: session.execute(update(table).values(since=1000.0, due_at=4600.0))  # long ago
            )
        async with start() as engine:
            worker = await worker_of(engine)
            await run_what_fires(worker)
            assert (await engine.dispatch(USER, dispatch_id, 10)).status is Status.COMPLETED
            found = await the_trigger(engine)
            assert found.firings == 1
            assert found.due_at is not None
            assert found.fired_at is not None
            assert found.due_at - found.fired_at == pytest.approx(3600, abs=10)

    run(scenario)


def test_a_clock_that_was_set_back_by_a_year_delays_the_next_firing_by_an_hour_at_most(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await registered(engine)
            year = 365 * 86400.0
            await engine.shared.write(
                lambda session: session.execute(
                    update(table).values(since=table.c.since + year, due_at=table.c.due_at + year)
                )
            )
            engine.shared.triggers.set()
            found = await the_trigger(engine, lambda found: (found.due_at or 0) < now() + year)
            assert found.due_at is not None
            assert found.due_at - now() <= 3600
            assert found.firings == 0

    run(scenario)


def test_a_restart_keeps_the_time_of_the_next_firing(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await registered(engine)
            before = await the_trigger(engine)
        async with start() as engine:
            assert await the_trigger(engine) == before

    run(scenario)


def test_a_firing_that_was_cut_off_is_done_once_after_the_restart(start: AsyncEngine) -> None:
    """A large graph is written in pieces; here the server dies before the last one."""

    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            await ring(engine)
            await run_what_fires(await worker_of(engine))
            row = (await engine.read(triggers.pending, 1e12))[0]
            turn = triggers.Turn(key=row.key, firings=row.firings, since=1e9, due_at=9e9)
            again = replace(submission(CHAIN, assets=[INPUT]), turn=turn, idempotency_key="cut off")
            new = prepare(again, Machine(host=places.host_identity()))

            def cut_off(session: Session) -> None:
                dispatches.add_nodes(session, dispatches.begin(session, new, 1.0), new, 0, 1)

            await engine.shared.write(cut_off)
        async with start() as engine:
            assert [found.dispatch_id for found in await listed(engine)] == [dispatch_id]
            await ring(engine)
            await run_what_fires(await worker_of(engine))
            assert len(await listed(engine)) == 2
            assert (await the_trigger(engine)).firings == 2

    run(scenario)


def test_a_turn_is_taken_once(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await registered(engine)
            row = (await engine.read(triggers.pending, 1e12))[0]
            turn = triggers.Turn(key=row.key, firings=0, since=1e9, due_at=9e9)
            first = replace(submission(CHAIN, assets=[INPUT]), turn=turn, idempotency_key="firing 1")
            again = await engine.submit(first)
            assert await engine.submit(first) == again
            with pytest.raises(ObsoleteFiringError):
                await engine.submit(replace(first, idempotency_key="firing 1 once more"))
            assert (await the_trigger(engine)).firings == 1

    run(scenario)


def test_a_stopped_trigger_fires_no_more_and_stopping_it_again_is_no_error(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine, triggered(HOURLY, HOURLY))
            first, second = await engine.read(triggers.records, OWNER)
            (stopped,) = await engine.stop_triggers(USER, [first.trigger_id])
            assert (stopped.trigger_id, stopped.due_at) == (first.trigger_id, None)
            assert stopped.stopped_at is not None
            assert await engine.read(triggers.records, OWNER, stopped=False) == (second,)
            assert len(await engine.stop_triggers(USER, [dispatch_id])) == 2
            assert await engine.read(triggers.records, OWNER, stopped=False) == ()
            await ring(engine)
            assert await engine.read(triggers.pending, 1e12) == []
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.NEW_OBJECT

    run(scenario)


def test_another_owners_triggers_do_not_exist(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            found = await the_trigger(engine)
            assert await engine.read(triggers.records, "other") == ()
            for name in (dispatch_id, found.trigger_id, "nonsense"):
                with pytest.raises(UnknownTriggerError, match=name):
                    await engine.stop_triggers(STRANGER, [name])
            registration = Registration(trigger_id=ID, dispatch_id=dispatch_id, trigger=HOURLY)
            with pytest.raises(UnknownDispatchError):
                await engine.register(STRANGER, registration)
            await engine.register(USER, registration)
            with pytest.raises(UnknownDispatchError):
                await engine.register(STRANGER, registration)
            assert await engine.read(triggers.records, OWNER, ids=[found.trigger_id]) == (found,)

    run(scenario)


def test_a_trigger_is_attached_to_a_dispatch_that_has_run_and_a_repeated_request_attaches_one(
    start: AsyncEngine,
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(CHAIN, assets=[INPUT]))
            worker = await worker_of(engine)
            await worker.work_through()
            registration = Registration(trigger_id=ID, dispatch_id=dispatch_id, trigger=HOURLY)
            record = await engine.register(USER, registration)
            assert await engine.register(USER, registration) == record == await the_trigger(engine)
            await ring(engine)
            await run_what_fires(worker)
            newest, _ = await listed(engine)
            assert (newest.redispatch_of, newest.status) == (dispatch_id, Status.COMPLETED)

    run(scenario)


def test_cancelling_what_has_never_started_stops_its_triggers(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            assert (await engine.cancel(USER, dispatch_id, None)).status is Status.CANCELLED
            assert (await the_trigger(engine)).stopped_at is not None

    run(scenario)


def test_a_run_that_is_cancelled_leaves_the_trigger_alone(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            worker = await worker_of(engine)
            await ring(engine)
            assert (await worker.poll(want=1, wait=10.0)).leases
            await engine.cancel(USER, dispatch_id, None)
            worker.held.clear()
            await ring(engine)
            await run_what_fires(worker)
            assert (await the_trigger(engine)).firings == 2

    run(scenario)


def test_a_firing_that_cannot_start_its_workflow_is_told_and_the_trigger_goes_on(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await registered(engine)
            await ring(engine)
            await run_what_fires(await worker_of(engine))
            object.__setattr__(engine.shared, "host", "another machine")
            await ring(engine)
            found = await the_trigger(engine, lambda found: found.error is not None)
            assert found.error is not None
            assert "on another machine" in found.error
            assert (found.firings, found.last_dispatch_id) == (1, dispatch_id)
            assert found.due_at is not None
            assert found.due_at > found.created_at

    run(scenario)


@pytest.mark.parametrize(
    ("terms", "path", "said"),
    [
        (Trigger(), "triggers[0]", "one of clock, timetable and directory"),
        (replace(HOURLY, timetable=Timetable(expression="* * * * *")), "triggers[0]", "one of"),
        (Trigger(clock=Clock(gap=0.0)), "triggers[0].clock.gap", "seconds"),
        (Trigger(clock=Clock(gap=1e10)), "triggers[0].clock.gap", "seconds"),
        (Trigger(timetable=Timetable(expression="* * *")), "triggers[0].timetable", "five fields"),
        (Trigger(timetable=Timetable(expression="* * * 13 *")), "triggers[0].timetable", "Bad month"),
        (Trigger(timetable=Timetable(expression="0 0 30 2 *")), "triggers[0].timetable", "cron"),
        (
            Trigger(timetable=Timetable(expression="* * * * *", timezone="../../etc/passwd")),
            "triggers[0].timetable",
            "no time zone",
        ),
    ],
)
def test_a_trigger_that_cannot_work_is_refused_before_anything_is_stored(
    start: AsyncEngine, terms: Trigger, path: str, said: str
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            with pytest.raises(WireError, match=said) as caught:
                await registered(engine, triggered(terms))
            assert caught.value.path == path
            assert await listed(engine) == ()

    run(scenario)


def test_a_timetable_fires_at_its_time_in_its_zone(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            daily = Trigger(timetable=Timetable(expression="30 9 * * *", timezone="Asia/Kathmandu"))
            await registered(engine, triggered(daily))
            worker = await worker_of(engine)
            before = await the_trigger(engine)
            assert before.due_at is not None
            assert before.due_at % 86400 == 9.5 * 3600 - 5.75 * 3600
            await ring(engine)
            await run_what_fires(worker)
            after = await the_trigger(engine)
            assert (after.firings, after.due_at) == (1, before.due_at)

    run(scenario)
