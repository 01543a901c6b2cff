"""A copy of a SQLite database, taken while a server writes to it, that another server can go on from.

What tells one server from all others is not in the copy. The nodes of what is dispatched later get the same keys in
both, so a worker of the one must not be believed by the other: the copy gets an instance id and a fencing key of its
own when it is first served, and knows none of the workers and of their tokens.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from covalent_server.db import identity
from covalent_server.db.assets import StoredAsset, intact
from covalent_server.db.engines import open_engine
from covalent_server.db.tables import asset
from covalent_server.errors import BackupError, DamagedDataError
from covalent_server.settings import sqlite_url

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Rows with small assets' bytes that are in memory together.
_ROWS = 100


def copy(url: str, target: Path, now: float) -> None:
    """Copy the database as it stands at this moment into a file that is not there yet."""
    engine = open_engine(url, writes=True)
    try:
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            # It reads every row, and leaves out what was deleted.
            cursor.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.OperationalError as error:
        raise BackupError(
            f"the database cannot be copied: {error}; see that there is room beside the backup's file"
        ) from None
    except sqlite3.DatabaseError as error:
        raise DamagedDataError(f"the database is damaged: {error}; covalent db check tells what is") from None
    finally:
        engine.dispose()
    with opened(target) as session:
        identity.disown(session, now)


@contextmanager
def opened(path: Path) -> Iterator[Connection]:
    """A transaction on a database that nobody else uses; nothing but the file is left of it."""
    engine = open_engine(sqlite_url(path), writes=True)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def assets(connection: Connection) -> Iterator[StoredAsset]:
    """All assets by their digests, those of files without bytes."""
    rows = connection.execution_options(yield_per=_ROWS).execute(
        select(asset.c.digest, asset.c.size, asset.c.data).order_by(asset.c.digest)
    )
    for row in rows:
        yield StoredAsset(digest=row.digest, size=row.size, data=row.data, intact=intact(row.digest, row.data))
