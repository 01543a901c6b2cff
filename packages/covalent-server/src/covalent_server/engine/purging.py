"""Purging: what is wanted is looked for and marked at once; its rows go in the background, piece by piece.

Between two pieces whoever else writes gets as much time as the last one took. Nothing is remembered that the database
does not know: after a kill the watch finds what is left, and goes on; so it does when a file could not be removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from covalent.errors import WireError
from covalent.wire.purging import Kept, PurgeProgress, PurgeReport, PurgeRequest
from covalent_server.db import identity, mentions, purgeable, purging, shrinking, unneeded
from covalent_server.db.purgeable import Family, Survey, Wanted
from covalent_server.engine.bell import heard
from covalent_server.engine.shared import Shared, gently, log, monotonic, now, surviving
from covalent_server.engine.sweeping import Sweeping

#: Dispatches that one request purges at most, sublattices apart.
_AT_ONCE: Final = 20_000
#: Dispatches that are marked in one transaction, unless a single family has more.
_MARKED: Final = 500
#: Reasons that one answer gives.
_TOLD: Final = 1000
#: Nodes that are looked through to tell what they name.
_COUNTED: Final = 200_000
#: Seconds between two looks for what has become too old.
_RETENTION_SECONDS: Final = 3600.0
#: Seconds for which it is known which workers there were, and which tokens.
_KNOWN_SECONDS: Final = 30 * 86400.0
#: Seconds between two looks for what is left.
_LOOK_SECONDS: Final = 60.0


class Purging:
    """Removes dispatches for good."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._sweeping = Sweeping(shared)
        #: Rings when somebody has asked for a purge.
        self._asked = asyncio.Event()
        #: How often somebody has, and how many of these are done with.
        self._requests = 0
        self._done = 0
        #: How often in a row it could not be done.
        self._failures = 0
        #: The owners of dispatches of which something is left, by their keys.
        self._left: dict[int, str] = {}

    async def purge(self, owner: str, request: PurgeRequest) -> PurgeReport:
        """Make what is wanted invisible for good; answered after the commit, before its rows are gone."""
        survey = await self._survey(_wanted(owner, request))
        families, kept = await self._shared.reader.run_apart(survey.found)
        most = len(families) if request.dry_run else _AT_ONCE
        gone = families[:most]
        for batch in _batches(gone):
            await self._shared.reader.run_apart(partial(purgeable.count_nodes, families=batch))
        if not request.dry_run:
            gone = await self._mark(gone, kept, survey.ends)
        named = await self._named(gone) if request.dry_run else None
        return PurgeReport(
            assets=None if named is None else named[0],
            bytes=None if named is None else named[1],
            dispatches=sum(len(family.members) for family in gone),
            nodes=sum(family.nodes for family in gone),
            kept=tuple(kept[:_TOLD]),
            more=len(families) > most,
        )

    async def progress(self, owner: str, wait: float) -> PurgeProgress:
        """How much is left to be removed; with ``wait`` seconds, once that is nothing, or could not be done."""
        deadline, wanted, failures = monotonic() + wait, self._requests, self._failures
        with self._shared.bell.listen("purged") as event:
            while self._done < wanted and self._failures <= failures and await heard(event, deadline - monotonic()):
                event.clear()
        return PurgeProgress(
            dispatches=sum(whose == owner for whose in self._left.values()),
            assets=self._sweeping.assets,
            bytes=self._sweeping.bytes,
            done=self._done >= wanted,
            failures=self._failures,
        )

    async def recover(self) -> None:
        """Know what an earlier server has left."""
        self._left.update(await self._shared.read(purging.leftovers))
        self._requests += bool(self._left) or await self._shared.read(purging.to_be_swept)

    async def watch(self) -> None:
        """Remove what was marked, for as long as the engine runs."""
        looked = -_RETENTION_SECONDS
        while True:
            if monotonic() - looked >= _RETENTION_SECONDS:
                looked = monotonic()
                await surviving(self._retain)
                await surviving(self._forget)
            await surviving(self._go_on)
            await heard(self._asked, _LOOK_SECONDS)
            self._asked.clear()

    async def _go_on(self) -> None:
        """Purge what there is to purge, also what had to be left for another time."""
        if self._done < self._requests or await self._shared.read(purging.to_be_swept):
            try:
                await self._purge()
            except Exception:
                self._failures += 1
                self._shared.bell.ring(["purged"])
                raise
            self._failures = 0

    async def _survey(self, wanted: Wanted) -> Survey:
        survey = Survey(wanted)
        after: int | None = 0
        while after is not None:
            after = await self._shared.reader.run_apart(partial(survey.look, after=after))
        return survey

    async def _retain(self) -> None:
        """Purge what has become too old, whosever it is."""
        if not self._shared.settings.retention_days:
            return
        before = now() - self._shared.settings.retention_days * 86400
        survey = await self._survey(Wanted(owner=None, ended_before=before))
        families, _ = await self._shared.reader.run_apart(survey.found)
        if families:
            await self._mark(families, [], survey.ends)

    async def _forget(self) -> None:
        """Forget workers and tokens that have been gone for long."""
        before = now() - _KNOWN_SECONDS
        while await self._shared.read(partial(identity.any_gone, before=before)):
            await gently(self._shared, partial(identity.forget, before=before))

    async def _mark(self, families: Sequence[Family], kept: list[Kept], ends: Mapping[int, str]) -> list[Family]:
        """Mark families, those that can no longer be apart, and have all removed that this leaves."""
        gone: list[Family] = []
        try:
            for batch in _batches(families):
                gone += await self._mark_batch(batch, ends)
        finally:
            # What was marked before a failure is to go as well.
            self._requests += 1
            self._asked.set()
        ids = {family.id for family in gone}
        kept += [
            Kept(dispatch_id=family.id, reason=f"something has come to need dispatch {family.id!r}: ask once more")
            for family in families
            if family.id not in ids
        ]
        return gone

    async def _mark_batch(self, families: Sequence[Family], ends: Mapping[int, str]) -> list[Family]:
        """Mark families in one transaction; what is left of them is known before anybody can have removed it."""
        new = {key: family.owner for family in families for key in family.members if key not in self._left}
        self._left.update(new)
        marked: list[Family] = []
        try:
            marking = partial(purging.mark, families=families, ends=ends, now=now())
            marked = await gently(self._shared, marking)
        finally:
            for key in new.keys() - {key for family in marked for key in family.members}:
                self._left.pop(key, None)
        for family in marked:
            log.info("purged a dispatch", extra={"dispatch": family.id})
        return marked

    async def _named(self, families: Sequence[Family]) -> tuple[int, int] | None:
        """How many assets families name, and their bytes; None when there is too much of it to be looked through."""
        if sum(family.nodes for family in families) > _COUNTED:
            return None
        named: set[str] = set()
        for batch in _batches(families):
            keys = [key for family in batch for key in family.members]
            named |= await self._shared.reader.run_apart(partial(mentions.of_dispatches, keys=keys))
        return await self._shared.reader.run_apart(partial(unneeded.sizes, digests=named))

    async def _purge(self) -> None:
        """Remove what is left of dispatches, then what nothing names any more; give back what all of it took."""
        wanted = self._requests
        noted = await gently(self._shared, purging.begin_sweep)
        await self._remove_all()
        swept = await self._sweeping.sweep()
        while await gently(self._shared, shrinking.shrink):
            pass
        await asyncio.to_thread(shrinking.checkpoint, self._shared.settings.database_url)
        if swept:
            await gently(self._shared, partial(purging.end_sweep, noted=noted))
        self._done = wanted
        self._shared.bell.ring(["purged"])

    async def _remove_all(self) -> None:
        while found := await self._shared.reader.run_apart(purging.leftovers):
            self._left.update(found)
            for key in found:
                while await gently(self._shared, partial(purging.remove_piece, key=key)):
                    pass
                self._left.pop(key, None)


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
