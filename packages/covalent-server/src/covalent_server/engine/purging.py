"""Purging: what is wanted is looked for and marked at once; its rows go in the background, piece by piece.

Between two pieces whoever else writes gets as much time as the last one took. Nothing is remembered that the database
does not know: after a kill the watch finds what is left, and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from covalent.errors import WireError
from covalent.wire.purging import Kept, PurgeProgress, PurgeReport, PurgeRequest
from covalent_server.db import purgeable, purging
from covalent_server.db.purgeable import Family, Survey, Wanted
from covalent_server.engine.bell import heard
from covalent_server.engine.shared import Shared, log, monotonic, now, surviving

if TYPE_CHECKING:
    from collections.abc import Callable

    from covalent_server.db import Session

#: Dispatches that one request purges at most, sublattices apart.
_AT_ONCE: Final = 20_000
#: Dispatches that are marked in one transaction, unless a single family has more.
_MARKED: Final = 500
#: Reasons that one answer gives.
_TOLD: Final = 1000
#: Seconds between two looks for what is left.
_LOOK_SECONDS: Final = 60.0


class Purging:
    """Removes dispatches for good."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        #: Rings when something was marked.
        self._marked = asyncio.Event()
        #: The owners of dispatches of which something is left, by their keys.
        self._left: dict[int, str] = {}

    async def purge(self, owner: str, request: PurgeRequest) -> PurgeReport:
        """Make what is wanted invisible for good; answered after the commit, before its rows are gone."""
        families, kept = await self._survey(_wanted(owner, request))
        most = len(families) if request.dry_run else _AT_ONCE
        gone: list[Family] = []
        for batch in _batches(families[:most]):
            await self._shared.reader.run_apart(partial(purgeable.count_nodes, families=batch))
            gone += batch if request.dry_run else await self._mark(batch, kept)
        return PurgeReport(
            dispatches=sum(len(family.members) for family in gone),
            nodes=sum(family.nodes for family in gone),
            kept=tuple(kept[:_TOLD]),
            more=len(families) > most,
        )

    async def progress(self, owner: str, wait: float) -> PurgeProgress:
        """How much is left to be removed; with ``wait`` seconds, once that is nothing if it comes to it in time."""
        deadline = monotonic() + wait
        with self._shared.bell.listen(("purged", owner)) as event:
            while owner in self._left.values() and await heard(event, deadline - monotonic()):
                event.clear()
        left = sum(whose == owner for whose in self._left.values())
        return PurgeProgress(dispatches=left, done=not left)

    async def recover(self) -> None:
        """Know what an earlier server has left."""
        self._left.update(await self._shared.read(purging.leftovers))

    async def watch(self) -> None:
        """Remove what was marked, for as long as the engine runs."""
        while True:
            await surviving(self._remove_all)
            await heard(self._marked, _LOOK_SECONDS)
            self._marked.clear()

    async def _survey(self, wanted: Wanted) -> tuple[list[Family], list[Kept]]:
        survey = Survey(wanted)
        after: int | None = 0
        while after is not None:
            after = await self._shared.reader.run_apart(partial(survey.look, after=after))
        return await self._shared.reader.run_apart(survey.found)

    async def _mark(self, batch: Sequence[Family], kept: list[Kept]) -> list[Family]:
        marked = await self._shared.write(lambda session: purging.mark(session, batch, now()))
        for family in marked:
            self._left.update(dict.fromkeys(family.members, family.owner))
            log.info("purged a dispatch", extra={"dispatch": family.id, "nodes": family.nodes})
        ids = {family.id for family in marked}
        kept += [
            Kept(dispatch_id=family.id, reason=f"something has come to need dispatch {family.id!r}: ask once more")
            for family in batch
            if family.id not in ids
        ]
        self._marked.set()
        return marked

    async def _remove_all(self) -> None:
        owners: set[str] = set()
        while found := await self._shared.reader.run_apart(purging.leftovers):
            self._left.update(found)
            owners.update(found.values())
            for key in found:
                while await self._gently(partial(purging.remove_piece, key=key)):
                    pass
                del self._left[key]
        self._shared.bell.ring(("purged", owner) for owner in owners)

    async def _gently(self, operation: Callable[[Session], bool]) -> bool:
        """Write, then leave the writer to others for as long as that took."""
        began = monotonic()
        value = await self._shared.write(operation)
        await asyncio.sleep(monotonic() - began)
        return value


def _wanted(owner: str, request: PurgeRequest) -> Wanted:
    filters = (request.older_than, request.status, request.tag)
    if bool(request.ids) == any(item is not None for item in filters):
        raise WireError("name dispatches by their ids, or else say by age, status or tag which ones are meant")
    if request.status is not None and not request.status.terminal:
        raise WireError(f"a dispatch that is {request.status} has not ended, and cannot be purged", path="status")
    return Wanted(
        owner=owner,
        ids=frozenset(request.ids),
        ended_before=None if request.older_than is None else now() - request.older_than,
        status=request.status,
        tag=request.tag,
    )


def _batches(families: Sequence[Family]) -> Iterator[list[Family]]:
    """Families of so many dispatches together as one transaction marks."""
    batch: list[Family] = []
    size = 0
    for family in families:
        if batch and size + len(family.members) > _MARKED:
            yield batch
            batch, size = [], 0
        batch.append(family)
        size += len(family.members)
    if batch:
        yield batch
