"""Assets that nothing names any more, deleted while others are being named.

What is to be deleted has not been named since a time, nor promised to be kept beyond it, and is named by no row that
was read after that time. Whatever names an asset writes when it did in the same transaction (``kept_until``), and that
is looked at once more in the one that deletes, by the clock as it goes then: once it was set back, what is named is
named earlier. A file goes after its row, under a lock that an upload of the same bytes takes until its own row is
there, and not while a backup is written. A kill in between leaves a file without a row, which the next sweep finds: all
files are looked at after a start, and after a sweep that did not come to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

from covalent_server.core.errors import LostAssetError
from covalent_server.db import mentions, unneeded, waking
from covalent_server.engine.shared import Shared, gently, log, monotonic, now

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from covalent_server.db import Session
    from covalent_server.storage.files import FileStore

    T = TypeVar("T")

#: Manifests of sublattices that are read together.
_MANIFESTS: Final = 32
#: Files whose rows are looked for together.
_FILES: Final = 500
#: Seconds by which clocks come to differ during a sweep without being set.
_DRIFT: Final = 1.0


class Moment:
    """A time of day, that of its making, which can be told again after the clock was set."""

    def __init__(self) -> None:
        self._monotonic = monotonic()
        self.at = now()

    def told_now(self) -> float:
        """What the clock would have shown then had it always gone as it goes now, or what it has shown if earlier."""
        return min(self.at, now() - (monotonic() - self._monotonic))


class Sweeping:
    """Deletes assets that nothing names."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        #: What was deleted since the server started.
        self.assets = 0
        self.bytes = 0
        #: Whether there are no files without rows, but for what is on its way.
        self._looked_for_files = False
        #: Whether the sweep that goes on has left files to another one.
        self._kept_files = False

    async def sweep(self) -> bool:
        """Delete what nothing names now; False when some of it has to be looked for another time."""
        looked, self._looked_for_files, self._kept_files = self._looked_for_files, False, False
        if not looked:
            await self._remove_orphans()
        began = Moment()
        # What was named before is committed after this, and visible to all reads that follow.
        await self._shared.write(lambda _: None)
        after = ""
        while found := await self._read(partial(unneeded.candidates, before=began.at, after=after)):
            after = found[-1]
            left = set(found)
            await self._spare_named(left)
            if not await self._remove(sorted(left), began):
                log.warning("the clock was set back: assets are looked for another time")
                return False
        self._looked_for_files = not self._kept_files
        return self._looked_for_files

    async def _spare_named(self, left: set[str]) -> None:
        """Take out of some digests those that something names."""
        for source in mentions.SOURCES:
            after: int | None = 0
            while left and after is not None:
                found, after = await self._read(partial(mentions.look, source=source, after=after))
                left -= found
        # A sublattice that is to become a dispatch names in its manifest what that is going to need.
        last = 0
        while left and (items := await self._read(partial(waking.unborn, after=last, limit=_MANIFESTS))):
            last = items[-1].node
            for item in items:
                left -= await asyncio.to_thread(_named, item, self._shared.store)

    async def _remove(self, digests: list[str], began: Moment) -> bool:
        """Delete assets that nobody has named since a moment; False once the clock was set back."""
        for start in range(0, len(digests), unneeded.PIECE):
            piece = digests[start : start + unneeded.PIECE]
            deleted = await gently(self._shared, partial(_deleted, digests=piece, began=began))
            if deleted is None:
                return False
            self.assets += deleted.count
            self.bytes += deleted.size
            await self._unlink(deleted.files)
        return True

    async def _unlink(self, digests: Iterable[str]) -> None:
        """Remove files that have no rows."""
        for digest in digests:
            async with self._shared.arriving(digest):
                known = await self._read(partial(unneeded.known, digests=[digest]))
                if not known and not await asyncio.to_thread(self._shared.store.remove, digest):
                    self._kept_files = True  # a backup is being written

    async def _remove_orphans(self) -> None:
        """Remove files whose rows are gone, or have never been there."""
        for shard in await asyncio.to_thread(self._shared.store.shards):
            digests = await asyncio.to_thread(self._shared.store.digests, shard)
            for start in range(0, len(digests), _FILES):
                piece = digests[start : start + _FILES]
                rows = await self._read(partial(unneeded.known, digests=piece))
                await self._unlink(digest for digest in piece if digest not in rows)

    async def _read(self, function: Callable[[Session], T]) -> T:
        """Read, then leave the machine to others for as long as that took."""
        began = monotonic()
        value = await self._shared.reader.run_apart(function)
        await asyncio.sleep(monotonic() - began)
        return value


def _deleted(session: Session, digests: list[str], began: Moment) -> unneeded.Deleted | None:
    """Delete assets that nobody has named since a moment; None when the clock was set back by more than it drifts."""
    before = began.told_now()
    return None if began.at - before > _DRIFT else unneeded.remove(session, digests, before)


def _named(item: waking.Unborn, store: FileStore) -> set[str]:
    """What the manifest of a sublattice names; nothing when it was lost, which is told when its node fails for it."""
    if item.data is not None:
        return mentions.inside(item.data)
    try:
        with closing(store.open(item.digest, item.size)) as reading:
            return mentions.inside(b"".join(reading.pieces()))
    except LostAssetError:
        return set()
