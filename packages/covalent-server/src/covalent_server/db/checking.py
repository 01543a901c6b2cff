"""What is wrong with a database, as far as it can tell by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from covalent.wire.codec import from_json
from covalent.wire.manifest import Node
from covalent_server.core import mentions
from covalent_server.core.origins import Origin
from covalent_server.db import AnyRow, origins
from covalent_server.db.assets import StoredAsset, intact
from covalent_server.db.dialect import Within, many
from covalent_server.db.engines import open_engine
from covalent_server.db.tables import asset, dispatch, node
from covalent_server.errors import DamagedDataError

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection, Select

T = TypeVar("T")

#: Rows that one look takes: no transaction is to be open for long, for a server's log of changes grows meanwhile.
_SLICE: Final = 500


class Ledger:
    """A database that is looked at, slice by slice, each in a transaction of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def damage(self) -> Iterator[str]:
        """What SQLite finds wrong in its file, and rows that name rows which are not there."""
        if self._connection.dialect.name != "sqlite":
            return
        with self._connection.begin():
            for (found,) in self._connection.exec_driver_sql("PRAGMA integrity_check"):
                if found != "ok":
                    yield f"the database's file is damaged: {found}"
            for table, row, parent, _ in self._connection.exec_driver_sql("PRAGMA foreign_key_check"):
                yield f"row {row} of the table {table} names a row of {parent} that is not there"

    def assets(self, *, deep: bool) -> Iterator[StoredAsset]:
        """All assets, without bytes in those of files; the bytes of the others are hashed if ``deep``."""
        columns = asset.c.digest, asset.c.size, asset.c.data if deep else func.length(asset.c.data).label("data")
        for rows in self._slices(select(*columns), asset.c.digest, list):
            for row in rows:
                whole = row.data is None or (intact(row.digest, row.data) if deep else row.data == row.size)
                data = None if row.data is None else b""
                yield StoredAsset(digest=row.digest, size=row.size, data=data, intact=whole)

    def unknown(self) -> Iterator[str]:
        """Digests that dispatches and their nodes name, and that no asset has."""
        visible = dispatch.c.complete == 1
        dispatches = select(dispatch.c.key, dispatch.c.manifest, dispatch.c.project, dispatch.c.result).where(visible)
        for absent in self._slices(dispatches, dispatch.c.key, lambda rows: self.absent(_of_dispatches(rows))):
            yield from absent
        nodes = (
            select(node.c.key, node.c.record, node.c.output)
            .join(dispatch, dispatch.c.key == node.c.dispatch)
            .where(visible)
        )
        for absent in self._slices(nodes, node.c.key, lambda rows: self.absent(_of_nodes(rows))):
            yield from absent

    def absent(self, digests: Iterable[str]) -> set[str]:
        """Those of the digests that no asset has."""
        wanted = set(digests)
        found = select(asset.c.digest).where(Within(asset.c.digest, "digests"))
        return wanted.difference(self._connection.execute(found, {"digests": many(self._connection, wanted)}).scalars())

    def unnamed(self, digests: Collection[str]) -> set[str]:
        """As :meth:`absent`, in a transaction of its own."""
        with self._connection.begin():
            return self.absent(digests)

    def invisible(self) -> int:
        """How many dispatches were written, or removed, by half."""
        with self._connection.begin():
            return self._connection.scalar(select(func.count()).where(dispatch.c.complete == 0)) or 0

    def origin(self, digest: str) -> Origin | None:
        """What an asset came with."""
        with self._connection.begin():
            return origins.find(self._connection, None, digest)

    def _slices(self, statement: Select[Any], key: Column[Any], look: Callable[[Sequence[AnyRow]], T]) -> Iterator[T]:
        """What a look at each slice of rows gives; their first column is the key by which they are ordered."""
        part = statement
        while True:
            with self._connection.begin():
                rows = self._connection.execute(part.order_by(key).limit(_SLICE)).all()
                seen = look(rows)
            yield seen
            if len(rows) < _SLICE:
                return
            part = statement.where(key > rows[-1][0])


@contextmanager
def opened(url: str) -> Iterator[Ledger]:
    """A database to be looked at; what it cannot read of itself is a DamagedDataError."""
    engine = open_engine(url, writes=False)
    try:
        with engine.connect() as connection:
            yield Ledger(connection)
    except DBAPIError as error:
        raise DamagedDataError(
            f"the database cannot be read: {error.orig}; bring back a backup with: covalent restore"
        ) from None
    finally:
        engine.dispose()


def _of_dispatches(rows: Sequence[AnyRow]) -> Iterator[str]:
    for row in rows:
        yield from (digest for digest in (row.project, row.result) if digest is not None)
        yield from mentions.of_manifest(json.loads(row.manifest))


def _of_nodes(rows: Sequence[AnyRow]) -> Iterator[str]:
    for row in rows:
        if row.output is not None:
            yield row.output
        yield from mentions.of_node(from_json(Node, json.loads(row.record)))
