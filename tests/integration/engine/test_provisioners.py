"""Provisioners and the engine: who is asked for workers, what is believed of reports, and when tasks fail."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire.manifest import Manifest, Metadata
from covalent.wire.provisioning import Demand, Fault, Job, JobOrder, JobRequest, JobState, Leaving, Report
from covalent.wire.work import Hello
from covalent_server.core.errors import UnknownProvisionerError
from covalent_server.db import identity
from covalent_server.engine import pools
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine
from covalent_server.settings import Settings
from tests.builders import manifest, node
from tests.integration.engine.conftest import OWNER, AsyncEngine, submission

USER = Caller(owner=OWNER, scope="user")
STRANGER = "another"


@dataclass
class FakeProvisioner:
    """A provisioner without a process: it says what a test has it say."""

    engine: Engine
    owner: str = OWNER
    name: str = field(default_factory=lambda: secrets.token_hex(4))
    executor: str = "abacus"

    async def report(self, **fields: Any) -> Demand:
        made = Report(provisioner=self.name, executor=self.executor, host="laptop", pid=1)
        return await self.engine.provisioners.report(self.owner, replace(made, **fields))

    async def order(self, pool: str = "1") -> JobOrder:
        request = JobRequest(provisioner=self.name, executor=self.executor, pool=pool)
        return await self.engine.provisioners.order(self.owner, request)


def on_abacus(**attributes: Any) -> Manifest:
    """A workflow of one task on an executor that a package brings."""
    return manifest([replace(node(0), metadata=Metadata(executor="abacus", executor_data=attributes))])


def run(start: AsyncEngine, scenario: Callable[[Engine], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with start() as engine:
            await scenario(engine)

    asyncio.run(whole())


async def ended(engine: Engine, dispatch_id: str) -> Status:
    return (await engine.dispatch(USER, dispatch_id, 30.0)).status


def test_what_waits_is_asked_for_as_soon_as_it_does_with_what_tells_pools_apart(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        provisioner = FakeProvisioner(engine)
        assert (await provisioner.report()).pools == ()
        asking = asyncio.create_task(provisioner.report(wait=30.0))
        await engine.submit(submission(on_abacus(beads=10, workdir="/tmp/here", retries=3, queue=None)))  # noqa: S108
        (wanted,) = (await asking).pools
        assert (wanted.attributes, wanted.waiting, wanted.workers) == ({"beads": 10}, 1, 0)
        await engine.submit(submission(on_abacus(beads=10, workdir="/tmp/there")))  # noqa: S108 - nothing is written
        (again,) = (await provisioner.report()).pools
        assert (again.pool, again.waiting) == (wanted.pool, 2)

    run(start, scenario)


def test_an_executor_that_never_had_a_provisioner_fails_its_tasks_and_says_how_to_start_one(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        dispatch_id = await engine.submit(submission(on_abacus()))
        assert await ended(engine, dispatch_id) is Status.FAILED
        error = (await engine.dispatch(USER, dispatch_id, 0.0)).error or ""
        assert "this server has no executor 'abacus'; it has: local" in error
        assert "covalent-worker --provision abacus" in error

    run(start, scenario)


def test_no_user_has_tasks_run_among_those_that_look_at_directories(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        metadata = Metadata(executor="observer", executor_data={"python": "/bin/true"})
        dispatch_id = await engine.submit(submission(manifest([replace(node(0), metadata=metadata)])))
        assert await ended(engine, dispatch_id) is Status.FAILED
        assert "no executor 'observer'" in ((await engine.dispatch(USER, dispatch_id, 0.0)).error or "")

    run(start, scenario)


def test_tasks_wait_for_a_provisioner_that_has_been_there_whoever_restarts(start: AsyncEngine) -> None:
    async def before(engine: Engine) -> None:
        await FakeProvisioner(engine).report()

    async def after(engine: Engine) -> None:
        dispatch_id = await engine.submit(submission(on_abacus()))
        await engine._staff_pools()
        (found,) = await engine.overview.why(USER.owner, dispatch_id, 0)
        assert (found.code, "no provisioner of executor 'abacus' is connected" in found.message) == ("no-worker", True)
        assert engine.provisioners.known(STRANGER) == ()

    run(start, before)
    run(start, after)


def test_a_job_is_told_of_until_its_worker_has_come_and_then_the_worker(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        provisioner = FakeProvisioner(engine)
        await provisioner.report()
        dispatch_id = await engine.submit(submission(on_abacus()))
        await engine._staff_pools()
        made = await provisioner.order()
        assert engine.in_force(made.job) == Caller(owner=OWNER, scope="worker")
        assert identity.token_digest(made.token) == made.job
        job = Job(job=made.job, pool="1", state=JobState.STARTING, since=1.0)
        await provisioner.report(jobs=(job,))
        (found,) = await engine.overview.why(USER.owner, dispatch_id, 0)
        assert "a worker of executor 'abacus' is being started since 1970-01-01 00:00:01 UTC" in found.message
        await engine.hello(Caller(owner=OWNER, scope="worker"), Hello(worker="w", pool="1", slots=1, host="there"))
        engine.provisioners.introduced(made.job, "w")
        (wanted,) = (await provisioner.report(jobs=(job,))).pools
        assert wanted.workers == 1
        # What is said of its end later is no failed start, and its token is worth nothing any more.
        await provisioner.report(ended=(made.job,), faults=(Fault(pool="1", message="x", at=1.0, job=made.job),))
        assert engine.in_force(made.job) is None
        (found,) = await engine.overview.why(USER.owner, dispatch_id, 0)
        assert "the latest start failed" not in found.message

    run(start, scenario)


def test_tasks_fail_with_the_words_of_the_infrastructure_after_the_time_that_is_set(
    start: AsyncEngine, settings: Settings
) -> None:
    start._settings = replace(settings, provision_timeout=0.5)

    async def scenario(engine: Engine) -> None:
        provisioner = FakeProvisioner(engine)
        await provisioner.report()
        dispatch_id = await engine.submit(submission(on_abacus()))
        await engine._staff_pools()
        await provisioner.report(faults=(Fault(pool="1", message="no bead is free", at=1e300),))
        (found,) = await engine.overview.why(USER.owner, dispatch_id, 0)
        assert "and is tried again: no bead is free" in found.message
        assert await ended(engine, dispatch_id) is Status.FAILED
        error = (await engine.dispatch(USER, dispatch_id, 0.0)).error or ""
        assert "came within 0.5 seconds; the latest start failed:\nno bead is free" in error

    run(start, scenario)


def test_of_two_provisioners_one_looks_after_a_pool_until_it_goes(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        first, second = FakeProvisioner(engine), FakeProvisioner(engine)
        await first.report()
        await second.report()
        await engine.submit(submission(on_abacus()))
        await engine._staff_pools()
        assert len((await second.report()).pools) == 1
        await first.order()
        assert (await second.report()).pools == ()
        asking = asyncio.create_task(second.report(wait=30.0))
        await asyncio.sleep(0)
        await engine.provisioners.leave(OWNER, Leaving(provisioner=first.name, executor="abacus"))
        await engine._staff_pools()
        assert len((await asking).pools) == 1

    run(start, scenario)


def test_nobody_is_told_of_others_pools_or_gets_tokens_for_them_or_ends_what_is_no_worker(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        users = await engine.admit("a user's token", USER)
        stranger, other = FakeProvisioner(engine, owner=STRANGER), FakeProvisioner(engine, executor="other")
        mine = FakeProvisioner(engine)
        for provisioner in (mine, stranger, other):
            await provisioner.report()
        await engine.submit(submission(on_abacus()))
        await engine._staff_pools()
        for provisioner in (stranger, other):
            assert (await provisioner.report()).pools == ()
            with pytest.raises(UnknownProvisionerError):
                await provisioner.order()
        with pytest.raises(UnknownProvisionerError):
            await FakeProvisioner(engine).order()
        with pytest.raises(UnknownProvisionerError):
            await FakeProvisioner(engine, owner=STRANGER, name=mine.name).report()
        made = await mine.order()
        await stranger.report(ended=(made.job, users))
        await mine.report(ended=(users,))
        assert engine.in_force(users) == USER
        assert engine.in_force(made.job) is not None

    run(start, scenario)


def test_pools_are_listed_with_jobs_workers_and_errors_to_their_owner_alone(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        provisioner = FakeProvisioner(engine)
        await provisioner.report()
        assert (await pools.listing(engine, OWNER)).pools == ()
        await engine.submit(submission(on_abacus(beads=10)))
        await engine._staff_pools()
        made = await provisioner.order()
        job = Job(job=made.job, pool="1", state=JobState.STARTING, since=1.0, place="job 7")
        await provisioner.report(jobs=(job,), faults=(Fault(pool="1", message="no bead is free", at=2.0),))
        (listed,) = (await pools.listing(engine, OWNER)).pools
        assert (listed.executor, listed.place, listed.waiting) == ("abacus", '{"beads":10}', 1)
        assert (listed.provisioners, listed.error, listed.error_at) == (("laptop",), "no bead is free", 2.0)
        assert [(item.job, item.state, item.place, item.worker) for item in listed.jobs] == [
            (made.job[:16], JobState.STARTING, "job 7", None)
        ]
        await engine.hello(Caller(owner=OWNER, scope="worker"), Hello(worker="w", pool="1", slots=1, host="there"))
        engine.provisioners.introduced(made.job, "w")
        (listed,) = (await pools.listing(engine, OWNER)).pools
        assert [item.worker for item in listed.jobs] == ["w"]
        assert [(item.worker, item.host, item.tasks, item.silent_since) for item in listed.workers] == [
            ("w", "there", 0, None)
        ]
        assert (await pools.listing(engine, STRANGER)).pools == ()

    run(start, scenario)


@pytest.mark.parametrize("executor", ["local", "observer", "", " ", "a\0b"])
def test_no_provisioner_is_for_what_the_server_starts_itself_or_for_no_name(start: AsyncEngine, executor: str) -> None:
    async def scenario(engine: Engine) -> None:
        with pytest.raises(WireError):
            await FakeProvisioner(engine, executor=executor).report()

    run(start, scenario)


def test_tokens_of_workers_that_never_came_to_be_go_when_the_next_provisioner_reports(start: AsyncEngine) -> None:
    async def scenario(engine: Engine) -> None:
        first = FakeProvisioner(engine)
        await first.report()
        await engine.submit(submission(on_abacus()))
        await engine._staff_pools()
        kept, lost = await first.order(), await first.order()
        await engine.provisioners.leave(OWNER, Leaving(provisioner=first.name, executor="abacus"))
        known = Job(job=kept.job, pool="1", state=JobState.RUNNING, since=1.0)
        await FakeProvisioner(engine).report(jobs=(known,))
        assert (engine.in_force(kept.job) is None, engine.in_force(lost.job) is None) == (False, True)

    run(start, scenario)
