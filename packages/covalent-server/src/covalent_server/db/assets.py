"""Assets: descriptions, small bytes, and who may read them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select

from covalent_server.db.dialect import insert_ignore
from covalent_server.db.tables import asset, asset_owner

T = TypeVar("T")

#: SQLite's and PostgreSQL's limits on parameters are far above this.
CHUNK = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAsset:
    """An asset's bytes, or None when they are in the asset store."""

    digest: str
    size: int
    data: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAsset:
    """An asset to be recorded."""

    digest: str
    size: int
    preview: str
    data: bytes | None


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The items, so many at a time, for statements whose parameters are limited."""
    ordered = list(items)
    return (ordered[start : start + size] for start in range(0, len(ordered), size))


def store(connection: Connection, owner: str, assets: Sequence[NewAsset]) -> None:
    """Record assets and that ``owner`` may read them."""
    if not assets:
        return
    rows = [{"digest": item.digest, "size": item.size, "preview": item.preview, "data": item.data} for item in assets]
    connection.execute(insert_ignore(connection, asset), rows)
    connection.execute(
        insert_ignore(connection, asset_owner), [{"digest": item.digest, "owner": owner} for item in assets]
    )


_OWNED = select(asset_owner.c.digest).where(
    asset_owner.c.owner == bindparam("owner"), asset_owner.c.digest.in_(bindparam("digests", expanding=True))
)
_FETCH = (
    select(asset.c.digest, asset.c.size, asset.c.data)
    .join(asset_owner, asset_owner.c.digest == asset.c.digest)
    .where(asset_owner.c.owner == bindparam("owner"), asset.c.digest.in_(bindparam("digests", expanding=True)))
)


def missing(connection: Connection, owner: str, digests: Collection[str]) -> list[str]:
    """Which of the digests ``owner`` may not read, in the given order: absent ones and other people's alike."""
    owned: set[str] = set()
    for chunk in chunks(digests):
        owned.update(connection.execute(_OWNED, {"owner": owner, "digests": chunk}).scalars())
    return [digest for digest in digests if digest not in owned]


def fetch(connection: Connection, owner: str, digests: Collection[str]) -> list[StoredAsset]:
    """Those of the assets that ``owner`` may read."""
    found = []
    for chunk in chunks(digests):
        rows = connection.execute(_FETCH, {"owner": owner, "digests": chunk})
        found += [StoredAsset(digest=row.digest, size=row.size, data=row.data) for row in rows]
    return found
