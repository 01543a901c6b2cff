"""Limits through the engine: they outlive the server, and so does who holds them."""

from __future__ import annotations

import asyncio

from covalent.wire.limits import Limit
from covalent_server.engine import limits
from tests.integration.db.test_limits import fan
from tests.integration.engine.conftest import OWNER, AsyncEngine, FakeWorker, submission


def test_a_server_that_starts_knows_limits_and_who_holds_them(start: AsyncEngine) -> None:
    async def scenario() -> None:
        async with start() as engine:
            await limits.put(engine.shared, OWNER, Limit(name="vasp", slots=3))
            await engine.submit(submission(fan(9, "vasp")))
            worker = FakeWorker(engine)
            await worker.hello()
            held = await worker.take(2)
            assert len(held) == 2
        async with start() as engine:
            (limit,) = (await limits.all_of(engine.shared, OWNER)).limits
            assert (limit.name, limit.slots, limit.held) == ("vasp", 3, 2)
            other = FakeWorker(engine)
            await other.hello()
            (third,) = await other.take()
            assert await other.take() == []
            # A place is free again when the worker of before has done what it was given before.
            worker.engine = engine
            await worker.poll(outputs=[(held[0], 1)])
            await other.poll(outputs=[(third, 1)])
            assert len(await other.take()) == 2

    asyncio.run(scenario())
