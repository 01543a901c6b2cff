"""Giving back to the disk what deleted rows took. On PostgreSQL that is PostgreSQL's own matter."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from covalent_server.db.engines import POSTGRESQL, open_engine

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Pages of 4 KB that one transaction gives back; it may have to move as many.
_PAGES: Final = 256
#: What ``PRAGMA auto_vacuum`` says of a database whose file can become smaller piece by piece.
_INCREMENTAL: Final = 2
#: Milliseconds that others may keep us from emptying the log; they are not kept waiting for longer either.
_BUSY_MS: Final = 50


def shrink(connection: Connection) -> bool:
    """Give back some pages that hold nothing; False when there are no others, or nothing can be given back."""
    if connection.dialect.name == POSTGRESQL or _number(connection, "auto_vacuum") != _INCREMENTAL:
        return False
    before = _number(connection, "freelist_count")
    for _ in range(min(before, _PAGES)):
        # The driver takes one step of the statement, and each step gives back one page.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
    return before > _PAGES


def checkpoint(url: str) -> None:
    """Bring the log into the file, which becomes smaller by that, and empty the log unless it is being read."""
    engine = open_engine(url, writes=True)
    try:
        if engine.dialect.name != POSTGRESQL:
            with closing(engine.raw_connection()) as connection:
                cursor = connection.cursor()
                cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        engine.dispose()


def vacuum(url: str) -> bool:
    """Write the database of a stopped server anew, without what it does not need; False on PostgreSQL.

    From then on its file can become smaller while a server runs, also when an earlier version made it.
    """
    engine = open_engine(url, writes=True)
    try:
        if engine.dialect.name == POSTGRESQL:
            return False
        with closing(engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")  # which what comes next brings into force
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        engine.dispose()
    return True


def _number(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
