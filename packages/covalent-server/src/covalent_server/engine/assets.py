"""Assets as accounts have them: which there are, their bytes in and out, and what is said of one that was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from covalent_server.core.errors import LostAssetError, UnknownAssetError
from covalent_server.db import assets, caching, origins
from covalent_server.engine import intake
from covalent_server.engine.shared import Shared, log

if TYPE_CHECKING:
    from covalent_server.storage.files import Reading, Upload

#: How many lost assets are remembered with what they came of.
_ORIGINS: Final = 1000


class Assets:
    """The assets of one server."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def missing(self, owner: str, digests: Sequence[str]) -> list[str]:
        """Which assets an account lacks; a file that was lost is lacking, too, until it is sent again."""
        # What is not lacking will not be sent: it is kept until it is named.
        until = self._shared.grace()
        absent = await self._shared.write(lambda session: assets.claim(session, owner, digests, until))
        large = await self._shared.read(lambda session: assets.large(session, owner, digests))
        holds = self._shared.store.holds
        lost = await asyncio.to_thread(
            lambda: [item.digest for item in large if not holds(item.digest, item.size)] if large else []
        )
        lacking = {*absent, *lost}
        return [digest for digest in digests if digest in lacking]

    async def small(self, owner: str, digests: Sequence[str]) -> list[assets.StoredAsset]:
        """Those of the assets whose bytes are in the database, as they were stored, and the account's to read."""
        found = await self._shared.read(lambda session: assets.fetch(session, owner, digests))
        return [item for item in found if item.data is not None and item.intact]

    async def find(self, owner: str, digest: str) -> assets.StoredAsset:
        """One asset, with its bytes if they are few; raises LostAssetError when they are not those that were stored."""
        found = await self._shared.read(lambda session: assets.fetch(session, owner, [digest]))
        if not found:
            raise UnknownAssetError(digest)
        if not found[0].intact:
            raise await lost(self._shared, owner, LostAssetError(digest, assets.ALTERED))
        return found[0]

    async def open(self, owner: str, asset: assets.StoredAsset) -> tuple[Reading, bytes]:
        """Begin to read an asset's file; its first piece is known to be good when it is the only one."""
        try:
            return await asyncio.to_thread(_open, self._shared, asset)
        except LostAssetError as error:
            raise await lost(self._shared, owner, error) from None

    async def lost(self, owner: str, error: LostAssetError) -> None:
        """Note that an asset turned out to be lost while it was read."""
        await lost(self._shared, owner, error)

    async def received(self, owner: str, upload: Upload, digest: str) -> None:
        """Record an asset all of whose bytes have arrived; answered after they are on the disk and committed."""
        async with self._shared.arriving(digest):
            new = await asyncio.to_thread(intake.from_upload, upload, digest)
            until = self._shared.grace()
            await self._shared.write(lambda session: assets.store(session, owner, [new], until))


async def lost(shared: Shared, owner: str, error: LostAssetError) -> LostAssetError:
    """Have a lost asset neither read again nor stand in for an output; the same error with what it came with."""
    digest = error.digest
    async with shared.arriving(digest):  # else good bytes that come meanwhile would be set aside
        await asyncio.to_thread(shared.store.set_aside, digest)
    await shared.write(lambda session: caching.forget(session, digest))
    if (owner, digest) not in shared.origins:
        found = await shared.reader.run_apart(partial(origins.find, owner=owner, digest=digest))
        if len(shared.origins) >= _ORIGINS:
            shared.origins.clear()
        shared.origins[owner, digest] = found
    named = LostAssetError(digest, error.fault, shared.origins[owner, digest])
    log.error("an asset was lost", extra={"asset": digest, "reason": str(named)})
    return named


def _open(shared: Shared, asset: assets.StoredAsset) -> tuple[Reading, bytes]:
    reading = shared.store.open(asset.digest, asset.size)
    try:
        return reading, reading.read()
    except BaseException:
        reading.close()
        raise
