"""What the parts of the engine share: the two doors of the database, the bell, the leases that are out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from covalent_server.engine.bell import Bell

if TYPE_CHECKING:
    from collections.abc import Callable

    from covalent_server.core.decisions import Policy
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """One server's parts."""

    settings: Settings
    instance: str
    host: str
    policy: Policy
    writer: Writer
    reader: Reader
    store: FileStore
    fencing: Fencing
    ledger: Ledger
    bell: Bell = field(default_factory=Bell)
    #: How many workers report for each pool.
    staff: Counter[int] = field(default_factory=Counter)
    #: Rings when a pool without a worker may have tasks.
    understaffed: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, operation: Callable[[Session], T]) -> T:
        """Run an operation in the next commit; returns after it."""
        return await asyncio.wrap_future(self.writer.submit(operation))

    async def read(self, function: Callable[[Session], T]) -> T:
        """Run a read on a thread of its own."""
        return await self.reader.run(function)

    def tell(self, effects: Effects) -> None:
        """Wake those whom committed effects concern."""
        if effects.pools:
            self.bell.ring(("pool", pool) for pool in effects.pools)
            if any(not self.staff[pool] for pool in effects.pools):
                self.understaffed.set()
        for dispatch in effects.ended:
            log.info("a dispatch ended", extra={"dispatch": dispatch})
        self.bell.ring(("dispatch", dispatch) for dispatch in effects.ended)


def now() -> float:
    """The time of day, for records."""
    return time.time()


def monotonic() -> float:
    """The clock of deadlines."""
    return time.monotonic()
