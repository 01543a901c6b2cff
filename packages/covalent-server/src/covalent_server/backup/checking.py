"""Looking through all that is stored: whether the database is sound, and every asset that it names is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from covalent_server.core.errors import LostAssetError
from covalent_server.db import checking
from covalent_server.db.assets import ALTERED, StoredAsset
from covalent_server.db.checking import Ledger
from covalent_server.storage.files import FileStore

#: Faults that are told one by one.
_TOLD: Final = 100
_SLICE: Final = 500
_UNKNOWN: Final = "is gone: the database names it and has no row of it"


@dataclass(slots=True, kw_only=True)
class Findings:
    """What was found."""

    assets: int = 0
    #: In all assets.
    bytes: int = 0
    #: How many faults there are, and the first of them in words.
    faulty: int = 0
    faults: list[str] = field(default_factory=list)
    #: What was begun and never finished; it does no harm.
    leftovers: list[str] = field(default_factory=list)

    def note(self, fault: str) -> None:
        """Add a fault."""
        self.faulty += 1
        if self.faulty <= _TOLD:
            self.faults.append(fault)

    def told(self) -> list[str]:
        """The faults in words, and how many there are beside them."""
        more = self.faulty - len(self.faults)
        return [*self.faults, f"and {more} more"] if more else self.faults


def check(url: str, store: FileStore, *, deep: bool, served: bool) -> Findings:
    """Look through a database and its assets; if ``deep``, hash all bytes. Nothing is changed.

    While it is ``served``, what is under way is not told from what was left over, and so nothing is said of either.
    """
    found = Findings()
    with store.keeping(), checking.opened(url) as ledger:
        for fault in ledger.damage():
            found.note(fault)
        for asset in ledger.assets(deep=deep):
            found.assets += 1
            found.bytes += asset.size
            lost = _fault(asset, store, deep=deep)
            if lost is not None:
                found.note(_told(asset.digest, lost, ledger))
        for digest in ledger.unknown():
            found.note(_told(digest, _UNKNOWN, ledger))
        if not served:
            found.leftovers += _leftovers(ledger, store)
    return found


def _fault(asset: StoredAsset, store: FileStore, *, deep: bool) -> str | None:
    """What is wrong with an asset."""
    if asset.data is not None:
        return None if asset.intact else ALTERED
    try:
        with closing(store.open(asset.digest, asset.size)) as reading:
            for _ in reading.pieces() if deep else ():
                pass
    except LostAssetError as error:
        return error.fault
    return None


def _told(digest: str, fault: str, ledger: Ledger) -> str:
    return str(LostAssetError(digest, fault, ledger.origin(digest)))


def _leftovers(ledger: Ledger, store: FileStore) -> Iterator[str]:
    if count := ledger.invisible():
        yield f"dispatches that were written or removed by half: {count}; the next covalent start finishes that"
    if count := sum(1 for _ in store.unfinished()):
        yield f"uploads that were cut off: {count}; the next covalent start removes them"
    files = (digest for shard in store.shards() for digest in store.digests(shard))
    if count := sum(len(ledger.unnamed(part)) for part in _parts(files)):
        yield f"files of assets that the database does not name: {count}; they do no harm"
    if count := sum(1 for _ in store.damaged()):
        yield f"damaged files that were set aside, in assets/damaged: {count}; nothing reads them"


def _parts(digests: Iterable[str]) -> Iterator[list[str]]:
    every = iter(digests)
    while part := list(islice(every, _SLICE)):
        yield part
