"""Assets go with the last that names them; what is named, promised or on its way stays."""

from __future__ import annotations

import asyncio
import errno
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import String, func, select, update

from covalent.status import Status
from covalent.wire.manifest import Kind
from covalent.wire.purging import PurgeRequest
from covalent.wire.work import Poll
from covalent_server.core.errors import UnknownDispatchError
from covalent_server.db import listing, mentions, purging, reusing, unneeded
from covalent_server.db.purgeable import Survey, Wanted
from covalent_server.db.tables import asset, asset_owner, cached, metadata
from covalent_server.engine import purging as engine_purging
from covalent_server.engine.engine import Engine
from covalent_server.engine.shared import now
from covalent_server.engine.submission import prepare
from covalent_server.engine.sweeping import Sweeping
from covalent_server.storage.files import FileStore
from tests import builders
from tests.builders import FUNCTION, digest, manifest
from tests.integration.db.orphans import orphans
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission
from tests.integration.engine.test_purging import done, listed, worker_of
from tests.integration.engine.test_reuse import cached as cached_node
from tests.integration.engine.test_sublattices import built
from tests.integration.engine.test_triggers import USER

CONSTANT = builders.asset("a constant")
#: Too large for a row.
LARGE = builders.asset("x" * 100_000)


def takes(*constants: bytes) -> Any:
    return manifest([builders.node(0, *({"asset": digest(item)} for item in constants))])


async def stored(engine: Engine) -> set[str]:
    return set(await engine.read(lambda session: session.execute(select(asset.c.digest)).scalars().all()))


async def upload(engine: Engine, data: bytes) -> None:
    arriving = engine.shared.store.receive(digest(data))
    arriving.write(data)
    await engine.assets.received(OWNER, arriving, digest(data))
    arriving.close()


async def forget_promises(engine: Engine) -> None:
    """As if everything had been uploaded long ago."""
    await engine.shared.write(lambda session: session.execute(update(asset_owner).values(kept_until=0.0)))


async def purge(engine: Engine, *ids: str) -> None:
    """Purge, and wait until nothing of it is left."""
    await engine.purging.purge(OWNER, PurgeRequest(ids=ids or ("none",)))
    assert (await engine.purging.progress(OWNER, 60)).done
    assert await engine.read(orphans) == []


def test_an_asset_goes_with_the_last_dispatch_that_names_it_and_its_file_too(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            first = await done(engine, takes(LARGE, CONSTANT), assets=[CONSTANT])
            second = await done(engine, takes(LARGE))
            await forget_promises(engine)
            value = digest(builders.asset(0))
            everything = {digest(item) for item in (FUNCTION, CONSTANT, LARGE)} | {value}
            assert await stored(engine) == everything
            would = await engine.purging.purge(OWNER, PurgeRequest(ids=(first,), dry_run=True))
            assert (would.assets, would.bytes) == (4, sum(map(len, (FUNCTION, CONSTANT, LARGE, builders.asset(0)))))
            await purge(engine, first)
            assert await stored(engine) == everything - {digest(CONSTANT)}
            assert engine.shared.store.path(digest(LARGE)).exists()
            await purge(engine, second)
            assert await stored(engine) == set()
            assert not engine.shared.store.path(digest(LARGE)).exists()
            told = await engine.purging.progress(OWNER, 0)
            assert (told.assets, told.bytes, told.done) == (4, would.bytes, True)
            assert await engine.read(lambda session: unneeded.known(session, everything)) == set()

    asyncio.run(scenario())


def test_what_was_uploaded_or_said_not_to_be_missing_is_kept_until_it_is_named(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            await purge(engine)
            assert await stored(engine) == {digest(LARGE)}
            await forget_promises(engine)
            assert await engine.assets.missing(OWNER, [digest(LARGE)]) == []
            await purge(engine)
            dispatch_id = await done(engine, takes(LARGE))
            assert digest(LARGE) in await stored(engine)
            await purge(engine, dispatch_id)
            assert await stored(engine) == {digest(LARGE)}
            await forget_promises(engine)
            await purge(engine)
            assert await stored(engine) == set()

    asyncio.run(scenario())


def test_what_a_worker_sends_ahead_of_its_result_is_kept(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(takes()))
            worker = await worker_of(engine)
            (lease,) = await worker.take()
            ahead = builders.asset("ahead")
            await engine.workplace.poll(OWNER, _message(worker, ahead), [memoryview(ahead)])
            await purge(engine)
            assert digest(ahead) in await stored(engine)
            await worker.poll(outputs=[(lease, "ahead")])
            await forget_promises(engine)
            await purge(engine)
            assert digest(ahead) in await stored(engine)

    asyncio.run(scenario())


def _message(worker: FakeWorker, data: bytes) -> Poll:
    return Poll(worker=worker.id, held=tuple(lease.key for lease in worker.held.values()), assets=(digest(data),))


def test_what_comes_to_be_named_while_assets_are_looked_through_is_kept(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            made = manifest([cached_node(0, {"asset": digest(CONSTANT)})])
            await purge(engine, await done(engine, made, assets=[CONSTANT]))
            assert await count_cached(engine) == 0
            first = await done(engine, made, assets=[CONSTANT])
            began = now()
            everything = await stored(engine)
            # All of it is to go; meanwhile something the same is dispatched, whose output is taken from the cache.
            worker = await worker_of(engine)
            again = await engine.submit(submission(made, assets=[]))
            assert await worker.take() == []
            assert (await engine.dispatch(USER, again, 10)).status is Status.COMPLETED
            deleted = await engine.shared.write(lambda session: unneeded.remove(session, everything, began))
            assert (deleted.count, deleted.files) == (0, [])
            await purge(engine, first)
            assert await stored(engine) == everything
            assert await count_cached(engine) == 1
            await purge(engine, again)
            assert await stored(engine) == set()
            assert await count_cached(engine) == 0

    asyncio.run(scenario())


async def count_cached(engine: Engine) -> int:
    counted = select(func.count()).select_from(cached)
    return int(await engine.read(lambda session: session.execute(counted).scalar_one()))


def test_what_is_repeated_may_be_purged_in_the_midst_of_it(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            made = manifest([cached_node(0, {"value": 1})])
            first = await done(engine, made)
            again = replace(made, reuse=first)
            new = prepare(submission(again), engine.shared.machine)
            new = await engine.read(reusing.taken_over, new, again)
            await purge(engine, first)
            with pytest.raises(UnknownDispatchError, match=first):
                await engine._write_dispatch(new)
            assert await listed(engine) == set()
            assert await engine.read(orphans) == []

    asyncio.run(scenario())


def test_what_the_manifest_of_a_sublattice_names_is_kept_before_there_is_a_dispatch_of_it(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([builders.node(0, kind=Kind.SUBLATTICE)])))
            worker = await worker_of(engine)
            (lease,) = await worker.take()
            gate = threading.Event()
            building = asyncio.create_task(built(worker, lease, takes(CONSTANT)))
            await engine.shared.unborn.wait()
            held = engine.shared.writer.submit(lambda _: gate.wait(60))  # nothing becomes a dispatch from here on
            await building
            left = {digest(CONSTANT), digest(FUNCTION), "0" * 64}
            await Sweeping(engine.shared)._spare_named(left)
            gate.set()
            await asyncio.wrap_future(held)
            assert left == {"0" * 64}

    asyncio.run(scenario())


def test_a_file_that_arrives_again_while_it_is_removed_stays(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            await forget_promises(engine)
            path = engine.shared.store.path(digest(LARGE))
            async with engine.shared.arriving(digest(LARGE)):
                # Its bytes are in their place, and its row is yet to come.
                purging = asyncio.create_task(purge(engine))
                for _ in range(1000):
                    if not await stored(engine):
                        break
                    await asyncio.sleep(0.01)
                assert path.exists()
                again = asyncio.create_task(upload(engine, LARGE))
            await asyncio.gather(purging, again)
            assert await stored(engine) == {digest(LARGE)}
            assert path.read_bytes() == LARGE

    asyncio.run(scenario())


def test_a_file_without_a_row_goes_after_the_next_start_and_what_is_on_its_way_stays(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            await engine.shared.write(lambda session: unneeded.remove(session, [digest(LARGE)], now() + 1e9))
            path = engine.shared.store.path(digest(LARGE))
            assert path.exists()  # as when the server is killed before it removes the file
        async with start() as engine:
            arriving = engine.shared.store.receive(digest(LARGE))
            await purge(engine)
            assert not path.exists()
            arriving.write(LARGE)
            await engine.assets.received(OWNER, arriving, digest(LARGE))
            arriving.close()
            await purge(engine)
            assert path.read_bytes() == LARGE
            assert (await engine.assets.find(OWNER, digest(LARGE))).size == len(LARGE)

    asyncio.run(scenario())


def test_no_file_goes_while_a_backup_is_written_and_it_goes_after_that(
    start: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            await forget_promises(engine)
            path = engine.shared.store.path(digest(LARGE))
            with engine.shared.store.keeping():
                await purge(engine)
                assert await stored(engine) == set()
                assert path.exists()
            await swept(engine)
            assert not path.exists()

    monkeypatch.setattr(engine_purging, "_LOOK_SECONDS", 0.01)
    asyncio.run(scenario())


async def swept(engine: Engine) -> None:
    """Wait until no assets are to be swept any more."""
    for _ in range(1000):
        if not await engine.read(purging.to_be_swept):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("assets are still to be swept")


def test_assets_go_also_when_the_server_is_killed_after_the_last_row_that_named_them(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            ended = await done(engine, takes(LARGE))
            await forget_promises(engine)
            survey = Survey(Wanted(owner=OWNER, ids=frozenset([ended])))
            await engine.read(survey.look, 0)
            families, _ = await engine.read(survey.found)
            await engine.shared.write(lambda session: purging.mark(session, families, survey.ends, 1.0))
            (key,) = families[0].members
            while await engine.shared.write(lambda session: purging.remove_piece(session, key)):
                pass
            assert await engine.read(purging.leftovers) == {}
            path = engine.shared.store.path(digest(LARGE))
        async with start() as engine:
            assert (await engine.purging.progress(OWNER, 60)).done
            assert await stored(engine) == set()
            assert not path.exists()
            assert not await engine.read(purging.to_be_swept)

    asyncio.run(scenario())


def test_what_is_purged_while_assets_are_swept_is_swept_for(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            ended = await done(engine)
            await purge(engine)
            noted = await engine.shared.write(purging.begin_sweep)
            survey = Survey(Wanted(owner=OWNER, ids=frozenset([ended])))
            await engine.read(survey.look, 0)
            families, _ = await engine.read(survey.found)
            await engine.shared.write(lambda session: purging.mark(session, families, survey.ends, 1.0))
            await engine.shared.write(lambda session: purging.end_sweep(session, noted))
            assert await engine.read(purging.to_be_swept)
            await purge(engine)
            assert not await engine.read(purging.to_be_swept)
            assert await stored(engine) == set()

    asyncio.run(scenario())


class OnAFailingDisk(FileStore):
    """A store whose disk fails when it is asked what is there."""

    def digests(self, shard: str) -> list[str]:
        raise OSError(errno.EIO, "Input/output error", shard)


def test_files_are_looked_for_again_when_that_failed(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            await engine.shared.write(lambda session: unneeded.remove(session, [digest(LARGE)], now() + 1e9))
            sweeping = Sweeping(engine.shared)
            directory = engine.shared.settings.data_dir / "assets"
            sweeping._shared = replace(engine.shared, store=OnAFailingDisk(directory))
            with pytest.raises(OSError, match="Input/output error"):
                await sweeping.sweep()
            sweeping._shared = engine.shared
            assert await sweeping.sweep()
            assert not engine.shared.store.path(digest(LARGE)).exists()

    asyncio.run(scenario())


def test_what_others_have_put_among_the_files_keeps_no_sweep_from_its_end(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            await engine.shared.write(lambda session: unneeded.remove(session, [digest(LARGE)], now() + 1e9))
            path = engine.shared.store.path(digest(LARGE))
            directory = engine.shared.settings.data_dir / "assets"
            strays = [directory / "ab", directory / ".x", path.parent / "notes", path.parent / ("f" * 62)]
            for stray in strays[:-1]:
                stray.write_text("of somebody else's")
            strays[-1].mkdir()
            assert await Sweeping(engine.shared).sweep()
            assert not path.exists()
            assert all(stray.exists() for stray in strays)

    asyncio.run(scenario())


@pytest.mark.parametrize("seconds", [3600.0, 0.5])
def test_what_is_named_after_the_clock_was_set_back_stays(
    start: AsyncEngine, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await upload(engine, LARGE)
            await forget_promises(engine)
            right = time.time

            class Interrupted(Sweeping):
                async def _remove(self, *given: Any) -> Any:
                    monkeypatch.setattr(time, "time", lambda: right() - seconds)
                    await engine.submit(submission(takes(LARGE)))
                    return await super()._remove(*given)

            await Interrupted(engine.shared).sweep()
            assert digest(LARGE) in await stored(engine)
            assert engine.shared.store.path(digest(LARGE)).exists()
            monkeypatch.setattr(time, "time", right)

    asyncio.run(scenario())


def test_every_column_that_names_an_asset_is_looked_through() -> None:
    looked = {column.name for source in mentions.SOURCES for column in source.selected_columns} - {"key"}
    digests = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String) and column.type.length == 64 and column.name not in looked
    }
    # Two say which assets there are and whose; the others are digests of something else.
    assert digests == {
        *("asset.digest", "asset_owner.digest"),
        *("cached.cache_key", "node.cache_key", "dispatch.body_digest", "token.digest"),
        *("session.digest", "session.token", "worker.token"),
    }


def test_reading_a_dispatch_whose_value_is_kept_by_another_goes_on(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            first, second = await done(engine), await done(engine)
            await purge(engine, first)
            nodes = (await engine.read(listing.nodes, OWNER, second)).nodes
            assert [item.output and item.output.json for item in nodes] == ["0", "1"]

    asyncio.run(scenario())
