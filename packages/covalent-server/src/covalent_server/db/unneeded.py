"""Assets that nothing names any more: found, and deleted with all that says who may read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, func, select

from covalent_server.db.dialect import Within, many
from covalent_server.db.tables import asset, asset_owner, cached

#: Digests that are looked for together, held in memory meanwhile.
SLICE: Final = 250_000
#: Assets that one transaction deletes, which may hold 64 KB each.
PIECE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """Assets that are gone."""

    count: int
    size: int
    #: Those whose bytes are files, which are still there.
    files: Sequence[str]


def candidates(connection: Connection, before: float, after: str) -> list[str]:
    """The first assets behind a digest that nobody has named, nor been promised, since a time."""
    found = _not_kept(before).where(asset.c.digest > after).order_by(asset.c.digest).limit(SLICE)
    return list(connection.execute(found).scalars())


def _not_kept(before: float) -> Select[Any]:
    kept = select(asset_owner.c.digest).where(
        asset_owner.c.digest == asset.c.digest, asset_owner.c.kept_until >= before
    )
    return select(asset.c.digest, asset.c.size, asset.c.data.is_(None).label("is_file")).where(~kept.exists())


def remove(connection: Connection, digests: Collection[str], before: float) -> Deleted:
    """Delete assets, but for those that have come to be named since they were found.

    An output that was kept for equal tasks goes as well: it lives as long as some dispatch has it.
    """
    rows = connection.execute(_not_kept(before).where(asset.c.digest.in_(digests))).all()
    gone = [row.digest for row in rows]
    connection.execute(delete(cached).where(cached.c.output.in_(gone)))
    connection.execute(delete(asset_owner).where(asset_owner.c.digest.in_(gone)))
    connection.execute(delete(asset).where(asset.c.digest.in_(gone)))
    return Deleted(
        count=len(rows), size=sum(row.size for row in rows), files=[row.digest for row in rows if row.is_file]
    )


def sizes(connection: Connection, digests: Collection[str]) -> tuple[int, int]:
    """How many of the assets there are, and their bytes altogether."""
    found = select(func.count(), func.coalesce(func.sum(asset.c.size), 0)).where(Within(asset.c.digest, "digests"))
    count, size = connection.execute(found, {"digests": many(connection, digests)}).one()
    return int(count), int(size)


def known(connection: Connection, digests: Collection[str]) -> set[str]:
    """Those of the assets that there are."""
    return set(connection.execute(select(asset.c.digest).where(asset.c.digest.in_(digests))).scalars())
