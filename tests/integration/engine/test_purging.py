"""Purging through the engine: what may go goes as a whole, what is needed stays and says why."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire.manifest import Manifest
from covalent.wire.purging import PurgeReport, PurgeRequest
from covalent.wire.triggers import Registration
from covalent.wire.work import Acknowledgement, Completion, Outcome
from covalent_server.core.errors import UnknownDispatchError
from covalent_server.db import Session, happened, identity, listing, purgeable, purging, sessions, triggers
from covalent_server.db.purgeable import Survey, Wanted
from covalent_server.db.tables import dispatch, event, node, stream, trigger, worker
from covalent_server.db.tables import token as token_table
from covalent_server.engine import purging as engine_purging
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from covalent_server.engine.shared import gently, now
from covalent_server.settings import Settings
from tests import builders
from tests.builders import manifest
from tests.integration.db.orphans import orphans
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, full_disk, submission
from tests.integration.engine.test_sublattices import INNER, OUTER, built, taken
from tests.integration.engine.test_triggers import CHAIN, HOURLY, ID, INPUT, USER, registered, ring, run_what_fires

SMALL = manifest([builders.node(0), builders.node(1, builders.take(0))])


async def worker_of(engine: Engine) -> FakeWorker:
    """A worker; something was dispatched before, so that there is a pool."""
    worker = FakeWorker(engine)
    await worker.hello()
    return worker


async def done(engine: Engine, made: Manifest = SMALL, **given: Any) -> str:
    """A dispatch that has ended."""
    dispatch_id = await engine.submit(submission(made, **given))
    await (await worker_of(engine)).work_through()
    assert (await engine.dispatch(USER, dispatch_id, 10)).status is Status.COMPLETED
    return dispatch_id


async def purged(engine: Engine, *ids: str, **wanted: Any) -> PurgeReport:
    """Purge, and wait until nothing of it is left."""
    report = await engine.purging.purge(OWNER, PurgeRequest(ids=ids, **wanted))
    assert (await engine.purging.progress(OWNER, 60)).done
    assert await engine.read(orphans) == []
    return report


async def count(engine: Engine, table: Any) -> int:
    return int(await engine.read(lambda session: session.execute(select(func.count()).select_from(table)).scalar_one()))


async def kept(engine: Engine, dispatch_id: str) -> str:
    """Why a dispatch is not purged."""
    report = await purged(engine, dispatch_id)
    assert (report.dispatches, report.nodes) == (0, 0)
    (one,) = report.kept
    assert one.dispatch_id == dispatch_id
    return one.reason


async def listed(engine: Engine) -> set[str]:
    found = await engine.read(listing.dispatches, OWNER, limit=100)
    return {item.dispatch_id for item in found.dispatches}


def test_more_sublattices_than_a_statement_has_parameters_are_looked_at(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            members = {key: str(key) for key in range(300_000)}
            huge = purgeable.Family(id="0", owner=OWNER, members=members)
            await engine.shared.write(lambda session: purgeable.count_nodes(session, [huge]))
            assert await engine.shared.write(lambda session: purging.mark(session, [huge], {}, 1.0)) == []

    asyncio.run(scenario())


def test_a_dispatch_goes_with_its_sublattices_and_nothing_else_does(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            before = await done(engine)
            outer = await engine.submit(submission(OUTER))
            worker = await worker_of(engine)
            (lease,) = await worker.take()
            await built(worker, lease, INNER)
            while (await engine.dispatch(USER, outer, 0)).status is not Status.COMPLETED:
                await worker.work_on(await taken(worker))
            after = await done(engine)
            (child,) = {item.child for item in (await engine.read(listing.nodes, OWNER, outer)).nodes if item.child}
            assert "sublattice" in await kept(engine, child)
            report = await purged(engine, outer)
            assert (report.dispatches, report.nodes, report.kept, report.more) == (2, 4, (), False)
            assert await listed(engine) == {before, after}
            assert await count(engine, dispatch) == 2
            assert await count(engine, node) == 4
            for gone in (outer, child):
                with pytest.raises(UnknownDispatchError, match="purged"):
                    await engine.dispatch(USER, gone, 0)
            with pytest.raises(UnknownDispatchError, match="purged"):
                await engine.submit(submission(replace(SMALL, reuse=outer)))

    asyncio.run(scenario())


def test_what_is_needed_is_kept_and_says_what_to_do(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            ended = await done(engine)
            assert "has no dispatch 'nonsense'" in await kept(engine, "nonsense")
            again = await engine.submit(submission(replace(SMALL, redispatch_of=ended)))
            assert f"repeated by '{again}'" in await kept(engine, ended)
            assert f"python -m covalent cancel {again}" in await kept(engine, again)
            await engine.cancel(USER, again, None)
            await engine.register(USER, Registration(trigger_id=ID, dispatch_id=ended, trigger=HOURLY))
            assert f"covalent trigger stop {ended}" in await kept(engine, ended)
            await engine.stop_triggers(USER, [ID])
            report = await engine.purging.purge("stranger", PurgeRequest(ids=(ended,)))
            assert (report.dispatches, len(report.kept)) == (0, 1)
            assert (await purged(engine, ended, again)).dispatches == 2
            assert (await count(engine, dispatch), await count(engine, trigger)) == (0, 0)

    asyncio.run(scenario())


def test_what_comes_to_be_needed_after_it_was_found_is_kept(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            ended, other, repeated = await done(engine), await done(engine), await done(engine)
            survey = Survey(Wanted(owner=OWNER, ids=frozenset([ended, other, repeated])))
            assert await engine.read(survey.look, 0) is None
            families, _ = await engine.read(survey.found)
            await engine.register(USER, Registration(trigger_id=ID, dispatch_id=ended, trigger=HOURLY))
            again = await engine.submit(submission(replace(SMALL, redispatch_of=repeated)))
            (marked,) = await engine.shared.write(lambda session: purging.mark(session, families, survey.ends, 1.0))
            assert marked.id == other
            assert await listed(engine) == {ended, repeated, again}
            assert await engine.shared.write(lambda session: purging.mark(session, families, survey.ends, 1.0)) == []

    asyncio.run(scenario())


def test_what_has_the_key_of_another_that_was_looked_at_is_looked_at_again(start: AsyncEngine) -> None:
    """SQLite gives a key out again when the dispatch that had it was the last one, and is gone."""

    async def scenario() -> None:
        async with start() as engine:
            repeated, last = await done(engine), await done(engine)
            survey = Survey(Wanted(owner=OWNER, ids=frozenset([repeated])))
            await engine.read(survey.look, 0)
            families, _ = await engine.read(survey.found)
            await purged(engine, last)
            again = await engine.submit(submission(replace(SMALL, redispatch_of=repeated)))
            assert await engine.shared.write(lambda session: purging.mark(session, families, survey.ends, 1.0)) == []
            assert await listed(engine) == {repeated, again}

    asyncio.run(scenario())


def test_the_dispatches_that_are_meant_can_be_told_by_age_status_and_tag(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            old, tagged = await done(engine), await done(engine, replace(SMALL, tags=("a", "b")))
            await engine.shared.write(
                lambda session: session.execute(update(dispatch).where(dispatch.c.id == old).values(ended_at=1000.0))
            )
            stopped = await engine.submit(submission(replace(SMALL, tags=("a",))))
            await engine.cancel(USER, stopped, None)
            running = await engine.submit(submission(replace(SMALL, tags=("a",))))
            for wanted, dispatches, held in (
                ({"older_than": 3600.0}, 1, 0),
                ({"status": Status.CANCELLED}, 1, 0),
                ({"tag": "a"}, 2, 1),
                ({"tag": "a", "status": Status.COMPLETED}, 1, 0),
                ({"tag": "a", "older_than": 3600.0}, 0, 0),
            ):
                report = await purged(engine, dry_run=True, **wanted)
                assert (report.dispatches, len(report.kept)) == (dispatches, held), wanted
            assert await listed(engine) == {old, tagged, stopped, running}
            await purged(engine, tag="a", status=Status.COMPLETED)
            assert await listed(engine) == {old, stopped, running}
            for wrong in ({}, {"ids": ("x",), "tag": "a"}, {"status": Status.RUNNING}):
                with pytest.raises(WireError):
                    await engine.purging.purge(OWNER, PurgeRequest(**wrong))

    asyncio.run(scenario())


def test_what_was_purged_is_gone_at_once_and_a_purge_that_was_cut_off_is_finished(
    start: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        made = manifest([builders.node(number) for number in range(30)])
        async with start() as engine:
            large, small = await done(engine, made, key="the same"), await done(engine)
            worker = await worker_of(engine)
            survey = Survey(Wanted(owner=OWNER, ids=frozenset([large])))
            await engine.read(survey.look, 0)
            families, _ = await engine.read(survey.found)
            await engine.shared.write(lambda session: purging.mark(session, families, survey.ends, 1.0))
            (key,) = families[0].members
            assert await listed(engine) == {small}
            # Also to who asks for it by what it was sent with, and who follows what happens.
            assert await engine.submit(submission(made, key="the same")) != large
            told = (await engine.read(happened.events, OWNER, 0, 1000)).events
            assert large not in {item.dispatch_id for item in told}
            await worker.work_through()
            for _ in range(2):
                assert await engine.shared.write(lambda session: purging.remove_piece(session, key))
            assert await engine.read(orphans) == []
            assert await count(engine, node) == 30 + 2 + 20
        async with start() as engine:
            assert (await engine.purging.progress(OWNER, 60)).done
            assert await engine.read(orphans) == []
            assert await count(engine, node) == 30 + 2
            assert await count(engine, dispatch) == 2

    monkeypatch.setattr(purging, "NODES", 10)
    asyncio.run(scenario())


def test_what_was_marked_before_a_failure_goes(start: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with start() as engine:
            first, second = await done(engine), await done(engine)
            async with full_disk(engine, "UPDATE", f"NEW.id = '{second}'", "dispatch"):
                with pytest.raises(DBAPIError, match="disk full"):
                    await engine.purging.purge(OWNER, PurgeRequest(ids=(first, second)))
                told = await engine.purging.progress(OWNER, 60)
                assert (told.dispatches, told.done) == (0, True)
            assert await listed(engine) == {second}
            assert await count(engine, dispatch) == 1
            assert (await purged(engine, first, second)).dispatches == 1

    monkeypatch.setattr(engine_purging, "_MARKED", 1)
    asyncio.run(scenario())


def test_what_is_removed_as_soon_as_it_is_marked_is_not_told_to_be_left(
    start: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            ended, other = await done(engine), await done(engine)

            async def slowly(shared: Any, operation: Any) -> Any:
                """Something else is quicker, before the mark and after it."""
                if operation.func is not purging.mark:
                    return await gently(shared, operation)
                await engine.register(USER, Registration(trigger_id=ID, dispatch_id=other, trigger=HOURLY))
                marked = await gently(shared, operation)
                await engine.purging._remove_all()
                assert await listed(engine) == {other}
                return marked

            monkeypatch.setattr(engine_purging, "gently", slowly)
            report = await engine.purging.purge(OWNER, PurgeRequest(ids=(ended, other)))
            assert (report.dispatches, [item.dispatch_id for item in report.kept]) == (1, [other])
            assert (await engine.purging.progress(OWNER, 0)).dispatches == 0

    asyncio.run(scenario())


def test_all_that_tasks_have_printed_goes_however_much_it_is(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([builders.node(0)])))
            worker = await worker_of(engine)
            (lease,) = await worker.take()
            for offset in range(250):
                await worker.prints(lease, b"x", offset=offset)
            await worker.poll(outputs=[(lease, 0)])
            assert await count(engine, stream) == 250
            await purged(engine, dispatch_id)
            assert await count(engine, stream) == 0
            late = Completion(key=lease.key, outcome=Outcome.FAILED, error="late")
            assert (await worker.send(late)).acknowledgements == (Acknowledgement.STALE,)
            await worker.prints(lease, b"late")
            assert await engine.read(orphans) == []

    asyncio.run(scenario())


def test_no_number_of_an_event_is_given_out_again_and_who_missed_some_is_told(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            first, second = await done(engine), await done(engine)
            last = (await engine.read(happened.events, OWNER, 0, 1000)).events[-1].sequence
            await purged(engine, second)
            await purged(engine, first)
            assert await count(engine, event) == 1
            assert (await engine.read(happened.events, OWNER, last - 1, 1000)).resync
            assert not (await engine.read(happened.events, OWNER, last, 1000)).resync
            assert not (await engine.read(happened.events, "stranger", 0, 1000)).resync
            await done(engine)
            new = {item.sequence for item in (await engine.read(happened.events, OWNER, 0, 1000)).events}
            assert min(new) > last
            told = await engine.read(happened.events, OWNER, last, 1000)
            assert {item.sequence for item in told.events} == new
            assert not told.resync

    asyncio.run(scenario())


def test_a_trigger_that_gets_the_key_of_a_purged_one_fires_for_itself(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            first = await registered(engine)
            worker = await worker_of(engine)
            for _ in range(2):
                await ring(engine)
                await run_what_fires(worker)
            (known,) = await engine.read(triggers.records, OWNER)
            await engine.stop_triggers(USER, [known.trigger_id])
            await purged(engine, first)
            (repetition,) = await listed(engine)
            second = await done(engine, CHAIN, assets=[INPUT])
            await engine.register(USER, Registration(trigger_id=ID, dispatch_id=second, trigger=HOURLY))
            await ring(engine)
            await run_what_fires(worker)
            (known,) = await engine.read(triggers.records, OWNER)
            assert known.firings == 1
            assert known.last_dispatch_id not in (repetition, None)
            # It outlives what it has fired.
            await purged(engine, str(known.last_dispatch_id))
            (known,) = await engine.read(triggers.records, OWNER)
            assert (known.firings, known.last_dispatch_id) == (1, None)

    asyncio.run(scenario())


def test_a_survey_of_many_slices_finds_the_same(start: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(session: Session, slices: int) -> tuple[set[str], set[str]]:
        monkeypatch.setattr(purgeable, "SLICE", slices)
        survey = Survey(Wanted(owner=None, tag="a"))
        after: int | None = 0
        while after is not None:
            after = survey.look(session, after)
        families, kept = survey.found(session)
        return {family.id for family in families}, {item.dispatch_id for item in kept}

    async def scenario() -> None:
        async with start() as engine:
            tagged = replace(SMALL, tags=("a",))
            ended = [await done(engine, tagged) for _ in range(3)]
            again = await engine.submit(submission(replace(tagged, redispatch_of=ended[1])))
            expected = ({ended[0], ended[2]}, {ended[1], again})
            for slices in (1, 2, 1000):
                assert await engine.read(found, slices) == expected

    asyncio.run(scenario())


def test_what_has_become_too_old_is_purged_by_itself(settings: Settings) -> None:
    async def scenario() -> None:
        async with AsyncEngine(settings)() as engine:
            old, new = await done(engine), await done(engine)
            await engine.shared.write(
                lambda session: session.execute(update(dispatch).where(dispatch.c.id == old).values(ended_at=1000.0))
            )
            assert (await engine.purging.progress(OWNER, 60)).done
            assert await listed(engine) == {old, new}
        async with AsyncEngine(replace(settings, retention_days=1.0))() as engine:
            for _ in range(1000):
                if await count(engine, dispatch) == 1:
                    break
                await asyncio.sleep(0.01)
            assert await listed(engine) == {new}
            assert await engine.read(orphans) == []

    asyncio.run(scenario())


def test_a_purge_that_fails_says_so_until_it_is_done(start: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with start() as engine:
            ended = await done(engine)
            async with full_disk(engine, "DELETE", f"OLD.id = '{ended}'", "dispatch"):
                await engine.purging.purge(OWNER, PurgeRequest(ids=(ended,)))
                await engine.purging.progress(OWNER, 60)
                told = await engine.purging.progress(OWNER, 60)
                assert (told.dispatches, told.done, told.failures >= 2) == (1, False, True)
            while not told.done:
                told = await engine.purging.progress(OWNER, 60)
            assert (told.dispatches, told.failures) == (0, 0)
            assert await count(engine, dispatch) == 0

    monkeypatch.setattr(engine_purging, "_LOOK_SECONDS", 0.01)
    asyncio.run(scenario())


def test_workers_sessions_and_tokens_that_have_been_gone_for_long_are_forgotten(
    start: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = now() - 60 * 86400

    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([builders.node(0)])))
            workers = [await worker_of(engine) for _ in range(4)]
            (lease,) = await workers[0].take()
            for token in ("in-force", "revoked", "lately"):
                await engine.admit(token, Caller(owner=OWNER, scope="worker"))

            def age(session: Session) -> None:
                for number, at in enumerate((long_ago, long_ago, now() - 60)):
                    session.execute(update(worker).where(worker.c.id == workers[number].id).values(ended_at=at))
                for token, at in (("revoked", long_ago), ("lately", now() - 60)):
                    identity.revoke_token(session, identity.token_digest(token), at)

                for token, at in (("revoked", long_ago), ("lately", now() + 60)):
                    row = sessions.SessionRow(
                        digest=token, token=identity.token_digest(token), scope="user", created_at=1.0, expires_at=at
                    )
                    sessions.add(session, row)

            await engine.shared.write(age)
            monkeypatch.setattr(identity, "_FORGOTTEN", 1)
            await engine.purging._forget()
            left = await engine.read(lambda session: set(session.execute(select(worker.c.id)).scalars()))
            # The first one has a lease.
            assert left == {workers[number].id for number in (0, 2, 3)}
            assert {item.digest for item in await engine.read(sessions.all_of_them)} == {"lately"}
            digests = await engine.read(lambda session: set(session.execute(select(token_table.c.digest)).scalars()))
            assert digests == {identity.token_digest(token) for token in ("in-force", "lately")}
            await workers[0].poll(outputs=[(lease, 1)])
            await engine.purging._forget()
            assert await count(engine, worker) == 2

    asyncio.run(scenario())


def test_a_server_that_starts_forgets_who_has_been_gone_for_long(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.admit("revoked", Caller(owner=OWNER, scope="worker"))
            await engine.shared.write(
                lambda session: identity.revoke_token(session, identity.token_digest("revoked"), 1.0)
            )
        async with start() as engine:
            for _ in range(1000):
                if not await count(engine, token_table):
                    return
                await asyncio.sleep(0.01)
            raise AssertionError("the token is still known")

    asyncio.run(scenario())
