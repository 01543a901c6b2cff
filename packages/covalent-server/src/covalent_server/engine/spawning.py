"""Sublattices: manifests that tasks gave become dispatches of their own.

A task's completion is committed first, then its manifest is read and dispatched. Doing that twice is safe: a second
time the dispatch is found by its key. So a server that is killed in between finds at its start what is left to do.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from covalent.errors import WireError
from covalent.wire.manifest import Manifest
from covalent_server.core.errors import LostAssetError, ObsoleteSublatticeError, RequestError
from covalent_server.db import waking
from covalent_server.db.assets import ALTERED
from covalent_server.engine import intake
from covalent_server.engine.assets import lost
from covalent_server.engine.shared import Shared, log, now, surviving
from covalent_server.engine.submission import NO_USERS_KEY, Submission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from covalent_server.storage.files import FileStore

#: Made once: two threads that make one at the same time crash the process.
_MANIFEST: Final = msgspec.json.Decoder(Manifest)
#: Sublattices that are read into memory together.
_AT_ONCE: Final = 32


async def spawn(shared: Shared, submit: Callable[[Submission], Awaitable[str]]) -> None:
    """Make dispatches of sublattices for as long as the engine runs."""
    spawning = Spawning(shared, submit)
    while True:
        await shared.unborn.wait()
        shared.unborn.clear()
        await surviving(spawning.all_that_wait)


class Spawning:
    """Makes dispatches of manifests."""

    def __init__(self, shared: Shared, submit: Callable[[Submission], Awaitable[str]]) -> None:
        self._shared = shared
        self._submit = submit

    async def all_that_wait(self) -> None:
        """Every sublattice that has no dispatch yet: small ones together, to share commits; large ones one by one."""
        after = 0
        while items := await self._shared.read(partial(waking.unborn, after=after, limit=_AT_ONCE)):
            after = items[-1].node
            async with asyncio.TaskGroup() as group:
                for item in items:
                    if item.data is not None:
                        group.create_task(surviving(partial(self._one, item)))
            for item in items:
                if item.data is None:
                    await surviving(partial(self._one, item))

    async def _one(self, item: waking.Unborn) -> None:
        try:
            self._check_size(item)
            await self._submit(await asyncio.to_thread(_submission, item, self._shared.store))
        except ObsoleteSublatticeError:
            log.info("a sublattice's node has ended", extra={"node": item.node})
        except LostAssetError as error:
            await self._give_up(item, str(await lost(self._shared, item.owner, error)))
        except (WireError, RequestError) as error:
            await self._give_up(item, f"the sublattice cannot become a dispatch: {error}")

    def _check_size(self, item: waking.Unborn) -> None:
        """A sublattice may be as large as a workflow that is sent."""
        most = self._shared.settings.max_body_bytes
        if item.size > most:
            raise WireError(f"its manifest has {item.size} bytes, and one may have {most}; build smaller sublattices")

    async def _give_up(self, item: waking.Unborn, reason: str) -> None:
        effects = await self._shared.write(lambda session: waking.stillborn(session, item, reason, now()))
        self._shared.tell(effects)


def _data(item: waking.Unborn, store: FileStore) -> bytes:
    """The manifest's bytes; raises LostAssetError when they are not those that the task gave."""
    if item.data is None:
        with closing(store.open(item.digest, item.size)) as reading:
            return b"".join(reading.pieces())
    if hashlib.sha256(item.data).hexdigest() != item.digest:
        raise LostAssetError(item.digest, ALTERED)
    return item.data


def _submission(item: waking.Unborn, store: FileStore) -> Submission:
    text = intake.manifest(_data(item, store))
    try:
        manifest = _MANIFEST.decode(text)
        plain = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"not a manifest: {error}") from None
    return Submission(
        owner=item.owner,
        manifest=manifest,
        plain=plain,
        idempotency_key=f"{NO_USERS_KEY}{item.node}.{item.attempt}",
        body_digest=hashlib.sha256(text).hexdigest(),
        parent=(item.node, item.attempt),
        env={} if item.env is None else msgspec.json.decode(item.env),
        rank=item.rank,
    )
