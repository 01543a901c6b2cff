"""Opening the database: one engine for the writer, one for readers, with the settings that durability rests on."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from covalent_server.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

POSTGRESQL: Final = "postgresql"

#: Milliseconds that SQLite waits for another process's lock, such as a backup's.
_BUSY_TIMEOUT_MS: Final = 30_000
_READERS: Final = 4
#: So that a database's machine that vanished is noticed within half a minute, and not after hours; in seconds, but for
#: the last. A URL may say otherwise.
_NETWORK: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
#: The same in the other direction: the server's place is free soon after its machine vanished.
_KEPT_ALIVE: Final = (
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
)
#: Whatever the database's own defaults are: see ``transactions``. A commit that does not wait for the disk is none.
_WRITES: Final = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)
_READS: Final = ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",)


def open_engine(url: str, *, writes: bool) -> Engine:
    """An engine on the database; on SQLite a writing one begins its transactions with the write lock in hand.

    Raises SettingsError for a URL that leads to no database of ours, which it does not repeat: it may hold a password.
    """
    parts = parsed(url)
    try:
        return (_postgresql if parts.get_backend_name() == POSTGRESQL else _sqlite)(parts, writes=writes)
    except ImportError:
        raise SettingsError(
            "PostgreSQL needs a driver that is not installed here; run: pip install 'covalent-server[postgres]'"
        ) from None


def parsed(url: str) -> URL:
    """The parts of a database's URL; raises SettingsError for what is none, and does not repeat it."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        parts = None
    if parts is None or "@" in (parts.host or ""):
        raise SettingsError(
            "the database's URL cannot be understood; write postgresql+psycopg://user:password@host:port/name, with "
            "%40 for an @ in the password (or keep that in ~/.pgpass)"
        )
    return parts


def _postgresql(url: URL, *, writes: bool) -> Engine:
    said = f"covalent on {socket.gethostname()}, pid {os.getpid()}"
    given = {name: value for name, value in _NETWORK.items() if name not in url.query}
    engine = create_engine(
        url,
        pool_size=1 if writes else _READERS,
        connect_args=given | {"fallback_application_name": said},
        use_native_hstore=False,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        try:
            for statement in (*_KEPT_ALIVE, *(_WRITES if writes else _READS)):
                connection.execute(statement)
            connection.commit()
        except BaseException:
            connection.close()  # the pool does not know it yet
            raise

    return engine


def _sqlite(url: URL, *, writes: bool) -> Engine:
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=1 if writes else _READERS, connect_args={"check_same_thread": False}
    )
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver's own transactions would begin late and commit on their own
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        if writes and not connection.execute("PRAGMA page_count").fetchone()[0]:
            # Before there is anything in it, and before the log: later only VACUUM can.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
