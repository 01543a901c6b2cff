"""Assets: descriptions, small bytes, and who may read them.

What nothing names is deleted by the next purge, and a purge finds out what is named while that changes. So whatever
comes to name an asset says until when it is to be kept in any case: until now, where the row that names it is written
in the same transaction, and longer where that is still to come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, select, update

from covalent.wire import container
from covalent_server.db.dialect import Within, insert_ignore, insert_or_raise, many
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import asset, asset_owner

#: What is said of small assets that are not intact.
ALTERED: Final = "is damaged: its bytes in the database are not those that were stored"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAsset:
    """An asset's bytes, or None when they are in the asset store."""

    digest: str
    size: int
    data: bytes | None
    #: False when the bytes in the row are not those that were stored.
    intact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAsset:
    """An asset to be recorded."""

    digest: str
    size: int
    preview: str
    data: bytes | None


_ADD = Prepared(insert_ignore(asset, "digest", "size", "preview", "data"))
_OWN = Prepared(insert_or_raise(asset_owner, "digest", "owner", "kept_until", raised="kept_until"))
_KEEP = Prepared(
    update(asset_owner)
    .where(asset_owner.c.digest == bindparam("b_digest"), asset_owner.c.owner == bindparam("b_owner"))
    .values(kept_until=bindparam("b_kept_until"))
)
_OWNED = Prepared(
    select(asset_owner.c.digest, asset_owner.c.kept_until).where(
        asset_owner.c.owner == bindparam("owner"), Within(asset_owner.c.digest, "digests")
    )
)
_FETCH = Prepared(
    select(asset.c.digest, asset.c.size, asset.c.data)
    .join(asset_owner, asset_owner.c.digest == asset.c.digest)
    .where(asset_owner.c.owner == bindparam("owner"), Within(asset.c.digest, "digests"))
)
_LARGE = Prepared(
    select(asset.c.digest, asset.c.size)
    .join(asset_owner, asset_owner.c.digest == asset.c.digest)
    .where(asset_owner.c.owner == bindparam("owner"), Within(asset.c.digest, "digests"), asset.c.data.is_(None))
)
_SMALL = Prepared(
    select(asset.c.digest, asset.c.data).where(Within(asset.c.digest, "digests"), asset.c.data.is_not(None))
)


def store(connection: Connection, owner: str, assets: Sequence[NewAsset], kept_until: float) -> None:
    """Record assets and that ``owner`` may read them, kept until a time although nothing may name them."""
    rows = [{"digest": item.digest, "size": item.size, "preview": item.preview, "data": item.data} for item in assets]
    _ADD.many(connection, rows)
    _OWN.many(connection, [{"digest": item.digest, "owner": owner, "kept_until": kept_until} for item in assets])


def claim(connection: Connection, owner: str, digests: Collection[str], kept_until: float) -> list[str]:
    """Keep assets until a time although nothing may name them; which of them ``owner`` may not read, in their order.

    Absent ones and other people's are alike.
    """
    if not digests:
        return []
    owned = _OWNED.one(connection, {"owner": owner, "digests": many(connection, digests)}).all()
    _KEEP.many(
        connection,
        [
            {"b_digest": row.digest, "b_owner": owner, "b_kept_until": kept_until}
            for row in owned
            if row.kept_until < kept_until
        ],
    )
    known = {row.digest for row in owned}
    return [digest for digest in digests if digest not in known]


def value_ids(connection: Connection, digests: Collection[str]) -> dict[str, str]:
    """What equal values share, for the small ones of these assets; a large one stands for itself by its digest."""
    rows = _SMALL.one(connection, {"digests": many(connection, digests)})
    return {row.digest: container.value_id(row.data) for row in rows}


def fetch(connection: Connection, owner: str, digests: Collection[str]) -> list[StoredAsset]:
    """Those of the assets that ``owner`` may read."""
    rows = _FETCH.one(connection, {"owner": owner, "digests": many(connection, digests)})
    return [
        StoredAsset(digest=row.digest, size=row.size, data=row.data, intact=intact(row.digest, row.data))
        for row in rows
    ]


def large(connection: Connection, owner: str, digests: Collection[str]) -> list[StoredAsset]:
    """Those of the assets that ``owner`` may read and whose bytes are in the asset store."""
    rows = _LARGE.one(connection, {"owner": owner, "digests": many(connection, digests)})
    return [StoredAsset(digest=row.digest, size=row.size, data=None) for row in rows]


def intact(digest: str, data: bytes | None) -> bool:
    """Whether the bytes of a row are those that were stored; those of files are looked at when they are read."""
    return data is None or hashlib.sha256(data).hexdigest() == digest
