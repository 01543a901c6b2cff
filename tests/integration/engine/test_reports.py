"""What a worker's report comes to: answered at once, written whole or not at all, and kept within bounds."""

from __future__ import annotations

import asyncio

import pytest

from covalent.status import Status
from covalent.wire.work import Acknowledgement, Completion, Outcome
from covalent_server.db import printing
from covalent_server.engine.callers import Caller
from covalent_server.engine.messages import MAX_STREAM_BYTES
from tests import builders
from tests.builders import manifest, node
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, full_disk, submission

USER = Caller(owner=OWNER, scope="user")


def test_an_acknowledgement_is_not_held_back_until_there_is_a_lease(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            failed = Completion(key=lease.key, outcome=Outcome.FAILED, error="no")
            async with asyncio.timeout(20):  # what it asks for is 30 seconds
                answer = await worker.poll(want=1, wait=30.0, completions=(failed,))
            assert answer.acknowledgements == (Acknowledgement.OK,)

    asyncio.run(scenario())


def test_a_result_and_its_bytes_are_written_together_or_not_at_all(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            digest = builders.digest(builders.asset("value"))
            async with full_disk(engine, "UPDATE", "NEW.key > 0"):
                with pytest.raises(Exception, match="disk full"):
                    await worker.poll(outputs=[(lease, "value")])
            assert await engine.assets.missing(OWNER, [digest]) == [digest]
            commits = engine.shared.writer.commits
            assert (await worker.poll(outputs=[(lease, "value")])).acknowledgements == (Acknowledgement.OK,)
            assert engine.shared.writer.commits == commits + 1
            assert await engine.assets.missing(OWNER, [digest]) == []
            assert (await engine.dispatch(USER, dispatch_id, 0)).status is Status.COMPLETED

    asyncio.run(scenario())


def test_a_stream_is_kept_up_to_its_bound(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            dispatch_id = await engine.submit(submission(manifest([node(0)])))
            worker = FakeWorker(engine)
            await worker.hello()
            (lease,) = await worker.take()
            for offset in (-1, MAX_STREAM_BYTES + 1, 2**62):
                await worker.prints(lease, b"beyond", offset=offset)
            await worker.prints(lease, b"kept", offset=0)
            await worker.poll(outputs=[(lease, 1)])
            wanted = printing.Wanted(which="stdout", attempt=lease.key.attempt)
            found = await engine.read(printing.printed, OWNER, dispatch_id, 0, wanted)
            assert (found.data, found.settled) == (b"kept", True)

    asyncio.run(scenario())
