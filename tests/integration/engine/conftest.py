"""An engine on a database of its own, and a fake worker that speaks to it without HTTP."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from covalent.wire import FEATURES, places
from covalent.wire.manifest import Manifest
from covalent.wire.work import Completion, Hello, Lease, Outcome, Poll, StreamChunk, Work
from covalent_server import settings as server_settings
from covalent_server.db import Session
from covalent_server.engine import intake
from covalent_server.engine.callers import Caller
from covalent_server.engine.engine import Engine, running
from covalent_server.engine.submission import Submission
from covalent_server.settings import Settings
from tests import builders

OWNER = "local"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    places: dict[str, object] = {"data_dir": tmp_path / "data", "config_dir": tmp_path / "config", "port": 0}
    (tmp_path / "data").mkdir()
    return server_settings.load(places | {"database_url": database_url}, {})


class AsyncEngine:
    """An engine that staffs no pools: the tests' fake workers do the work."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[Engine]:
        async with running(self._settings, host=places.host_identity(), url="http://localhost:0") as engine:
            engine._provisioning._closing = True
            yield engine


@pytest.fixture
def start(settings: Settings) -> AsyncEngine:
    return AsyncEngine(settings)


_FULL_DISK = {
    "sqlite": "BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    "postgresql": "EXECUTE FUNCTION disk_full()",
}


@asynccontextmanager
async def full_disk(engine: Engine, what: str, condition: str, table: str = "node") -> AsyncIterator[None]:
    """Meanwhile an ``INSERT`` or ``UPDATE`` of rows for which a condition holds fails, as when there is no room."""

    def fill(session: Session) -> None:
        kind = session.dialect.name
        if kind == "postgresql":
            raises = "BEGIN RAISE EXCEPTION 'disk full'; END"
            session.exec_driver_sql(f"CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $${raises}$$")
        head = f"CREATE TRIGGER full_disk BEFORE {what} ON {table} FOR EACH ROW WHEN ({condition})"
        session.exec_driver_sql(f"{head} {_FULL_DISK[kind]}")

    def empty(session: Session) -> None:
        postgresql = session.dialect.name == "postgresql"
        session.exec_driver_sql("DROP FUNCTION disk_full() CASCADE" if postgresql else "DROP TRIGGER full_disk")

    await engine.shared.write(fill)
    yield
    await engine.shared.write(empty)


def submission(
    manifest: Manifest, *, owner: str = OWNER, key: str | None = None, assets: Sequence[bytes] = ()
) -> Submission:
    text = builders.text(manifest)
    return Submission(
        owner=owner,
        manifest=manifest,
        plain=json.loads(text),
        assets=[intake.from_bytes(memoryview(item)) for item in (builders.FUNCTION, *assets)],
        idempotency_key=key,
        body_digest=str(hash(text)),
    )


class FakeWorker:
    """A worker without processes: it answers every lease with a value made from the lease."""

    def __init__(self, engine: Engine, *, owner: str = OWNER, features: Collection[str] = FEATURES) -> None:
        self.features = tuple(features)
        self.engine = engine
        self.owner = owner
        self.id = secrets.token_hex(8)
        self.held: dict[int, Lease] = {}

    async def hello(self, pool: int = 1) -> None:
        await self.engine.hello(
            Caller(owner=self.owner, scope="worker"),
            Hello(worker=self.id, pool=str(pool), slots=1, host="elsewhere", features=self.features),
        )

    async def poll(self, *, want: int = 0, outputs: Sequence[tuple[Lease, Any]] = (), **fields: Any) -> Work:
        blobs = [builders.asset(value) for _, value in outputs]
        completions = [
            Completion(
                key=lease.key, outcome=Outcome.COMPLETED, output=builders.digest(blob), started_at=1.0, ended_at=2.0
            )
            for (lease, _), blob in zip(outputs, blobs, strict=True)
        ]
        fields.setdefault("held", tuple(lease.key for lease in self.held.values()))
        fields.setdefault("completions", tuple(completions))
        poll = Poll(worker=self.id, want=want, assets=tuple(map(builders.digest, blobs)), **fields)
        work, _ = await self.engine.workplace.poll(self.owner, poll, [memoryview(blob) for blob in blobs])
        for lease, _ in outputs:
            self.held.pop(lease.key.node, None)
        self.held.update({lease.key.node: lease for lease in work.leases})
        return work

    async def send(self, completion: Completion, blobs: Sequence[bytes] = ()) -> Work:
        """Bring one result, with assets."""
        poll = Poll(worker=self.id, completions=(completion,), assets=tuple(map(builders.digest, blobs)))
        work, _ = await self.engine.workplace.poll(self.owner, poll, [memoryview(blob) for blob in blobs])
        self.held.pop(completion.key.node, None)
        return work

    async def prints(self, lease: Lease, text: bytes, *, offset: int = 0) -> None:
        """Bring what a running task printed."""
        chunk = StreamChunk(key=lease.key, stream="stdout", offset=offset, blob=0)
        poll = Poll(worker=self.id, held=(lease.key,), streams=(chunk,))
        await self.engine.workplace.poll(self.owner, poll, [memoryview(text)])

    async def take(self, want: int = 64) -> list[Lease]:
        return list((await self.poll(want=want)).leases)

    async def work_through(self, value: Callable[[Lease], Any] = lambda lease: lease.node_id) -> int:
        """Run until nothing is left; returns how many leases there were."""
        return await self.work_on(await self.take(), value)

    async def work_on(
        self, leases: Sequence[Lease], value: Callable[[Lease], Any] = lambda lease: lease.node_id
    ) -> int:
        """Run these and all that follow from them; returns how many there were."""
        done = 0
        while leases:
            done += len(leases)
            work = await self.poll(want=64, outputs=[(lease, value(lease)) for lease in leases])
            # Where outputs of before stood in for all that it would have been given, there may be more behind.
            leases = list(work.leases) or await self.take()
        return done
