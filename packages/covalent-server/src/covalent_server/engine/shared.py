"""What the parts of the engine share: the two doors of the database, the bell, the leases that are out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

from covalent_server.core.measures import Tally
from covalent_server.engine.bell import Bell
from covalent_server.executors.registry import Machine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from covalent_server.core.origins import Origin
    from covalent_server.db import Session
    from covalent_server.db.moves import Effects
    from covalent_server.db.reader import Reader
    from covalent_server.db.writer import Writer
    from covalent_server.engine.fencing import Fencing
    from covalent_server.engine.ledger import Ledger
    from covalent_server.settings import Settings
    from covalent_server.storage.files import FileStore

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds between looks at the clock: for expired leases, unstaffed pools, what is due.
SWEEP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """One server's parts."""

    settings: Settings
    instance: str
    host: str
    writer: Writer
    reader: Reader
    store: FileStore
    fencing: Fencing
    ledger: Ledger
    bell: Bell = field(default_factory=Bell)
    tally: Tally = field(default_factory=Tally)
    #: What lost assets came of, by owner and digest: it takes long to find out, and many tasks may need the same one.
    origins: dict[tuple[str, str], Origin | None] = field(default_factory=dict)
    #: How many workers report for each pool.
    staff: Counter[int] = field(default_factory=Counter)
    #: Rings when a pool without a worker may have tasks.
    understaffed: asyncio.Event = field(default_factory=asyncio.Event)
    #: Rings when a sublattice's manifest waits to become a dispatch.
    unborn: asyncio.Event = field(default_factory=asyncio.Event)
    #: Rings when a delayed node may be due.
    due: asyncio.Event = field(default_factory=asyncio.Event)
    #: Rings when a trigger is to be looked at.
    triggers: asyncio.Event = field(default_factory=asyncio.Event)
    _arriving: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @property
    def machine(self) -> Machine:
        """The machine that local tasks run on."""
        return Machine(host=self.host, interpreters=self.settings.interpreters)

    def queue(self, operation: Callable[[Session], T]) -> asyncio.Future[T]:
        """Queue an operation for the next commit; what is queued before anything is awaited shares that."""
        return asyncio.wrap_future(self.writer.submit(operation))

    async def written(self, queued: asyncio.Future[T]) -> T:
        """Wait for the commit of what was queued."""
        return await queued

    async def write(self, operation: Callable[[Session], T]) -> T:
        """Run an operation in the next commit; returns after it."""
        return await self.written(self.queue(operation))

    def grace(self) -> float:
        """Until when an asset is kept that is not named yet."""
        return now() + self.settings.asset_grace

    def arriving(self, digest: str) -> asyncio.Lock:
        """What is held while an asset's file comes or goes, until the database says so."""
        return self._arriving.setdefault(digest, asyncio.Lock())

    async def read(self, function: Callable[[Session], T]) -> T:
        """Run a read on a thread of its own."""
        return await self.reader.run(function)

    def tell(self, effects: Effects) -> None:
        """Wake those whom committed effects concern."""
        if effects.pools:
            self.bell.ring(("pool", pool) for pool in effects.pools)
            if any(not self.staff[pool] for pool in effects.pools):
                self.understaffed.set()
        self.tally.ended += len(effects.ended)
        for dispatch in effects.ended:
            log.info("a dispatch ended", extra={"dispatch": dispatch})
        if effects.ended:
            self.bell.ring(["ended"])
        self.bell.ring(("dispatch", dispatch) for dispatch in effects.ended)
        self.bell.ring(("node", node) for node in effects.settled)
        # A node that was ended by somebody else than its worker: let the worker know.
        released = [self.ledger.release(node) for node in effects.settled]
        self.bell.ring(("worker", worker) for worker in released if worker is not None)
        if effects.spawning:
            self.unborn.set()
        if effects.triggers:
            self.triggers.set()
        # What is due later is found when the clock is looked at; a timer for each of many failures would pile up.
        if effects.due_at is not None and (left := effects.due_at - now()) < SWEEP_SECONDS:
            asyncio.get_running_loop().call_later(max(0.0, left), self.due.set)


async def gently(shared: Shared, operation: Callable[[Session], T]) -> T:
    """Write, then leave the writer to others for as long as that took."""
    began = monotonic()
    value = await shared.write(operation)
    await asyncio.sleep(monotonic() - began)
    return value


async def surviving(step: Callable[[], Awaitable[None]]) -> None:
    """One step of a watch, which must not end because the disk was full for a moment."""
    try:
        await step()
    except Exception:
        log.exception("a watch failed and goes on")


def now() -> float:
    """The time of day, for records."""
    return time.time()


def monotonic() -> float:
    """The clock of deadlines."""
    return time.monotonic()
