"""The writer's transactions: some operations together, all of them or none, and never without knowing which.

On SQLite that is one file and one lock. On PostgreSQL the connection can be lost at any moment, that of the commit
included, and others may write to the same database. Three things make up for it:

* *A place.* A server holds an advisory lock for as long as its connection lives. Who has it knows that whatever was
  sent through an earlier connection, its own or that of a server that was killed, has come to its end.
* *A turn.* A transaction begins by waiting for another advisory lock, which it holds until its commit can be seen. So
  transactions that write come one after the other as on SQLite: what one of them reads stays true until it ends, rows
  need no locks in any order, and the events' numbers, given within it, are in the order of commits.
* *A mark.* Each transaction leaves its own random word in a row of its server's. When the answer to a commit is lost,
  the next connection, once it has its place, reads there whether it came about; if not, the same operations are done
  again. The row's name holds the place, so that several servers would each have one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from covalent_server.db.engines import POSTGRESQL
from covalent_server.db.outages import Outage, is_outage, sqlstate
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import setting
from covalent_server.errors import AlreadyRunningError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Operation = Callable[["Connection"], Any]

#: What sets our advisory locks apart from those of other programs in the database: "cova".
_OURS: Final = 0x636F7661
_TURN: Final = 0
#: The one place that there is: leases' deadlines are kept in the server's memory, so a second server is refused.
_PLACE: Final = 1
_MARK: Final = f"mark {_PLACE}"
#: How long the end of an earlier connection is waited for, which may have been lost in the midst of something.
_PLACE_PATIENCE: Final = "5s"
_LOCK_TIMEOUT: Final = "55P03"
#: Others than our servers, a migration or somebody at a console, may come in between.
_CONFLICTS: Final = ("40001", "40P01")
_MAX_CONFLICTS: Final = 10

_TAKE_TURN: Final = Prepared(
    text(
        f"INSERT INTO setting (name, value) SELECT '{_MARK}', CAST(:mark AS text)"  # noqa: S608  (constants of ours)
        f" FROM pg_advisory_xact_lock({_OURS}, {_TURN}) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
)
_HOLDERS: Final = text(
    "SELECT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND granted "
    "AND classid = :ours AND objid = :place AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Transactions(Protocol):
    """Runs operations in transactions, one after the other; for one thread."""

    def run(self, operations: Sequence[Operation]) -> list[Any]:
        """The operations' values, after the commit that holds all of them; what any of them raises, after none."""

    def give_up(self) -> None:
        """Wait no longer for a database that is away; from any thread."""

    def close(self) -> None:
        """Close the connection."""


def transactions(engine: Engine) -> Transactions:
    """Those of the engine's kind of database."""
    return _OnPostgres(engine) if engine.dialect.name == POSTGRESQL else _OnSqlite(engine)


def take_place(connection: Connection) -> None:
    """Make the connection that of the database's server; raises AlreadyRunningError when there is another."""
    try:
        with connection.begin():
            connection.execute(text(f"SET LOCAL lock_timeout = '{_PLACE_PATIENCE}'"))
            connection.execute(select(func.pg_advisory_lock(_OURS, _PLACE)))
    except DBAPIError as error:
        if sqlstate(error) != _LOCK_TIMEOUT:
            raise
        with connection.begin():
            found = connection.execute(_HOLDERS, {"ours": _OURS, "place": _PLACE}).scalars()
            holders = ", ".join(found) or "nobody knows which"
        raise AlreadyRunningError(
            f"another server works on this database ({holders}), and there can be one; stop that one, or choose "
            "another database with COVALENT_DATABASE_URL"
        ) from None


def take_turn(connection: Connection, mark: str) -> None:
    """Begin a transaction that writes: wait until no other does, and leave the mark by which it will be known."""
    _TAKE_TURN.one(connection, {"mark": mark})


class _OnSqlite:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def run(self, operations: Sequence[Operation]) -> list[Any]:
        if self._connection is None:
            self._connection = self._engine.connect()
        connection = self._connection
        with connection.begin():
            return [operation(connection) for operation in operations]

    def give_up(self) -> None:
        """It is never away."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


class _OnPostgres:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._outage = Outage()

    def run(self, operations: Sequence[Operation]) -> list[Any]:
        conflicts = 0
        while True:
            mark = secrets.token_hex(8)
            values: list[Any] | None = None
            try:
                connection = self._placed()
                with connection.begin():
                    take_turn(connection, mark)
                    values = [operation(connection) for operation in operations]
            except DBAPIError as error:
                if sqlstate(error) in _CONFLICTS and conflicts < _MAX_CONFLICTS:
                    conflicts += 1
                elif not is_outage(error):
                    raise
                else:
                    self._leave()
                    self._outage.wait(error, however_long=values is not None)
                    if values is not None and self._came_about(mark):
                        return values
            else:
                self._outage.over()
                return values

    def _came_about(self, mark: str) -> bool:
        """Whether the transaction did whose commit was not answered; asked until there is an answer."""
        while True:
            try:
                connection = self._placed()
                with connection.begin():
                    found = connection.execute(select(setting.c.value).where(setting.c.name == _MARK)).scalar()
            except DBAPIError as error:
                if not is_outage(error):
                    raise
                self._leave()
                self._outage.wait(error, however_long=True)
            else:
                self._outage.over()
                return bool(found == mark)

    def _placed(self) -> Connection:
        """The connection, made anew when it was lost, with its place."""
        if self._connection is None:
            connection = self._engine.connect()
            try:
                take_place(connection)
            except BaseException:
                connection.invalidate()  # and with it what it may hold by now
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _leave(self) -> None:
        """Let go of a connection that is lost, whatever it says of itself."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()

    def give_up(self) -> None:
        self._outage.give_up()

    def close(self) -> None:
        self._leave()
        self._engine.dispose()
