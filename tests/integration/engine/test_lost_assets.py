"""A lost asset is told with the task that made it, or that it came with, and stands in for nothing any more."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from covalent.status import Status
from covalent.wire.work import Completion, Lease, Outcome
from covalent_server.backup import checking
from covalent_server.core.errors import LostAssetError
from covalent_server.db.tables import asset, cached, dispatch
from covalent_server.engine.engine import Engine
from covalent_server.settings import Settings
from covalent_server.storage.files import FileStore
from tests import builders
from tests.builders import manifest, node, take
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission
from tests.integration.engine.test_sublattices import INNER, OUTER, as_asset, ended, nodes

LARGE = builders.asset("x" * 100_000)


async def upload(engine: Engine, blob: bytes) -> str:
    digest = builders.digest(blob)
    with closing(engine.shared.store.receive(digest)) as incoming:
        incoming.write(blob)
        await engine.assets.received(OWNER, incoming, digest)
    return digest


async def finish(engine: Engine, worker: FakeWorker, lease: Lease, blob: bytes) -> str:
    """Complete a task whose output becomes a file, which is then damaged."""
    digest = await upload(engine, blob)
    path = engine.shared.store.path(digest)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    await worker.send(Completion(key=lease.key, outcome=Outcome.COMPLETED, output=digest))
    return digest


async def damage_row(engine: Engine, digest: str) -> None:
    damaged = update(asset).where(asset.c.digest == digest).values(data=b"damaged")
    await engine.shared.write(lambda session: session.execute(damaged))


async def reason(engine: Engine, digest: str) -> str:
    """Why an asset is not given."""
    with pytest.raises(LostAssetError) as caught:
        await engine.assets.open(OWNER, await engine.assets.find(OWNER, digest))
    return str(caught.value)


def test_a_file_that_its_disk_cannot_read_is_set_aside_as_one_that_is_damaged(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.prepare()
    path = store.path(builders.digest(LARGE))
    path.parent.mkdir()
    path.symlink_to("/proc/self/mem")  # whose beginning gives EIO, as a broken disk does
    with pytest.raises(OSError, match="Input/output error"):
        path.read_bytes()
    store.set_aside(builders.digest(LARGE))
    assert not path.is_symlink()
    assert store.aside(builders.digest(LARGE)).is_symlink()


def test_a_lost_output_is_told_with_the_task_that_made_it_and_how_to_have_it_again(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(7, name="grow"), node(9, take(7))])))
            worker = FakeWorker(engine)
            await worker.hello()
            digest = await finish(engine, worker, (await worker.take())[0], LARGE)
            assert await reason(engine, digest) == (
                f"the asset {digest} is damaged: its bytes in the asset store are not those that were stored; it is "
                f"the output of task 7 (grow) of dispatch {dispatch_id}: run that again with "
                f"ct.redispatch('{dispatch_id}')(), or bring back a backup with: covalent restore"
            )
            # Whoever else needs it is told the same, and nobody looks through all nodes once more.
            told = await reason(engine, digest)
            engine.shared.origins[OWNER, digest] = None
            assert (await reason(engine, digest)) == told.partition("; it is")[0] + (
                "; nothing tells what made it: bring back a backup with: covalent restore"
            )

    asyncio.run(scenario())


@pytest.mark.parametrize("place", ["task", "dispatch", "nowhere"])
def test_a_lost_input_is_told_with_what_it_came_with(start: AsyncEngine, place: str) -> None:
    async def scenario() -> None:
        async with start() as engine:
            blob = builders.asset("precious")
            digest = builders.digest(blob)
            named = {"asset": digest}
            made = {
                "task": manifest([node(3, named, name="read")]),
                "dispatch": manifest([node(3)], output=named),
                "nowhere": manifest([node(3)]),
            }[place]
            dispatch_id = await engine.submit(submission(made, assets=[blob]))
            await damage_row(engine, digest)
            words = {
                "task": f"; it came with task 3 (read) of dispatch {dispatch_id}: dispatch that workflow",
                "dispatch": f"; it came with dispatch {dispatch_id}: dispatch that workflow",
                "nowhere": "; nothing tells what made it: bring back a backup",
            }[place]
            assert words in await reason(engine, digest)

    asyncio.run(scenario())


def test_a_damaged_row_goes_to_no_worker(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            blob = builders.asset("an argument")
            await engine.submit(submission(manifest([node(0, {"asset": builders.digest(blob)})]), assets=[blob]))
            await damage_row(engine, builders.digest(blob))
            worker = FakeWorker(engine)
            await worker.hello()
            work = await worker.poll(want=1)
            assert len(work.leases) == 1
            assert work.assets == (builders.digest(builders.FUNCTION),)

    asyncio.run(scenario())


def test_a_lost_output_stands_in_for_no_other_tasks(start: AsyncEngine) -> None:
    async def kept(engine: Engine) -> int:
        return int(await engine.read(lambda session: session.scalar(select(func.count()).select_from(cached))))

    async def scenario() -> None:
        async with start() as engine:
            made = manifest([node(0, {"value": 1}, function_id="f", metadata=replace(node(0).metadata, cache=True))])
            await engine.submit(submission(made))
            worker = FakeWorker(engine)
            await worker.hello()
            digest = await finish(engine, worker, (await worker.take())[0], LARGE)
            assert await kept(engine) == 1
            await reason(engine, digest)
            assert await kept(engine) == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("large", [False, True], ids=["in a row", "in a file"])
def test_a_sublattice_whose_manifest_was_lost_fails_with_that_reason(start: AsyncEngine, *, large: bool) -> None:
    async def scenario() -> None:
        async with start() as engine:
            outer = await engine.submit(submission(OUTER))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            inner = manifest([node(number) for number in range(900)]) if large else INNER
            blob = as_asset(inner)
            if large:
                await finish(engine, worker, lease, blob)
            else:
                await upload(engine, blob)
                await damage_row(engine, builders.digest(blob))
                await worker.send(Completion(key=lease.key, outcome=Outcome.COMPLETED, output=builders.digest(blob)))
            assert (await ended(engine, outer)).status is Status.FAILED
            error = (await nodes(engine, outer))[0].error or ""
            assert f"the asset {builders.digest(blob)} is damaged" in error
            assert f"the output of task 0 (nested) of dispatch {outer}" in error

    asyncio.run(scenario())


def test_a_check_finds_what_is_lost_on_any_database(start: AsyncEngine, settings: Settings) -> None:
    async def scenario() -> None:
        async with start() as engine:
            blob = builders.asset("an argument")
            made = manifest([node(0, {"asset": builders.digest(blob)}, name="grow"), node(1, take(0))])
            dispatch_id = await engine.submit(submission(made, assets=[blob]))
            whole = await check(engine, settings)
            assert (whole.assets, whole.faults) == (2, [])
            worker = FakeWorker(engine)
            await worker.hello()
            digest = await finish(engine, worker, (await worker.take())[0], LARGE)
            await damage_row(engine, builders.digest(blob))
            project = update(dispatch).values(project="f" * 64)
            await engine.shared.write(lambda session: session.execute(project))
            found = await check(engine, settings)
            assert found.assets == 3
            assert found.faulty == 3
            told = {fault.split()[2]: fault for fault in found.faults}
            assert told.keys() == {digest, builders.digest(blob), "f" * 64}
            assert f"the output of task 0 (grow) of dispatch {dispatch_id}" in told[digest]
            assert f"it came with task 0 (grow) of dispatch {dispatch_id}" in told[builders.digest(blob)]
            assert f"it came with dispatch {dispatch_id}" in told["f" * 64]

    asyncio.run(scenario())


async def check(engine: Engine, settings: Settings) -> checking.Findings:
    return await asyncio.to_thread(checking.check, settings.database_url, engine.shared.store, deep=True, served=False)
