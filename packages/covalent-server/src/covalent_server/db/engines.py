"""Opening the database: one engine for the writer, one for readers, with the settings that durability rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: Seconds that SQLite waits for another process's lock, such as a backup's.
_BUSY_TIMEOUT_MS = 30_000


def open_engine(url: str, *, writes: bool) -> Engine:
    """An engine on the database; on SQLite a writing one begins its transactions with the write lock in hand."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=1 if writes else 4)
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=1 if writes else 4, connect_args={"check_same_thread": False}
    )
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver's own transactions would begin late and commit on their own
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
