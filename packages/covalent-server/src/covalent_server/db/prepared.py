"""Statements of the hot path: written in SQLAlchemy Core, compiled once per dialect, then handed to the driver.

SQLAlchemy's own way to execution costs about 100 µs a statement and 10 µs a row of parameters, several times what
SQLite needs for them; even its way for text costs 40 µs. So SQLite's driver is asked directly, within the connection's
transaction. PostgreSQL is a round trip away, beside which that is little, and goes through SQLAlchemy, which tells a
lost connection from other errors. Parameters must be of types that the driver takes as they are: numbers, text, bytes,
None.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import MultipleResultsFound, NoResultFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ClauseElement, Connection, CursorResult, Dialect

    from covalent_server.db import AnyRow

Parameters = Mapping[str, Any]

_SQLITE: Final = "sqlite"


class Rows:
    """What a statement gave, with as much of SQLAlchemy's results as is asked of it."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def __iter__(self) -> Iterator[AnyRow]:
        return iter(self._rows)

    def all(self) -> Sequence[AnyRow]:
        """All rows."""
        return self._rows

    def one_or_none(self) -> AnyRow | None:
        """The only row, None when there is none."""
        if len(self._rows) > 1:
            raise MultipleResultsFound
        return self._rows[0] if self._rows else None

    def one(self) -> AnyRow:
        """The only row."""
        found = self.one_or_none()
        if found is None:
            raise NoResultFound
        return found

    def scalars(self) -> Sequence[Any]:
        """Of each row the first column."""
        return [row[0] for row in self._rows]

    def scalar(self) -> Any:
        """The first column of the first row, None when there is none."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """The first column of the only row."""
        return self.one()[0]


class Prepared:
    """A statement whose parameters have fixed names."""

    def __init__(self, statement: ClauseElement | Callable[[str], ClauseElement]) -> None:
        """Prepare a statement, or what a function makes of a dialect's name."""
        self._statement = statement
        self._compiled: dict[str, tuple[str, Callable[[Parameters], Any]]] = {}
        #: Makes a row of what SQLite's driver gives.
        self._row: Callable[[Sequence[Any]], AnyRow] | None = None

    def one(self, connection: Connection, parameters: Parameters) -> Rows:
        """Execute it once."""
        text, order = self.compiled(connection.dialect)
        if connection.dialect.name != _SQLITE:
            return _fetched(connection.exec_driver_sql(text, order(parameters)))
        cursor = connection.connection.cursor()
        cursor.execute(text, order(parameters))
        if not cursor.description:
            return Rows(())
        if self._row is None:
            self._row = _row([column[0] for column in cursor.description])
        return Rows([self._row(values) for values in cursor.fetchall()])

    def many(self, connection: Connection, rows: Sequence[Parameters]) -> None:
        """Execute it for each row of parameters."""
        if not rows:
            return
        text, order = self.compiled(connection.dialect)
        if connection.dialect.name != _SQLITE:
            connection.exec_driver_sql(text, [order(row) for row in rows])
        else:
            connection.connection.cursor().executemany(text, [order(row) for row in rows])

    def compiled(self, dialect: Dialect) -> tuple[str, Callable[[Parameters], Any]]:
        """Its text, and how that dialect's driver wants its parameters."""
        found = self._compiled.get(dialect.name)
        if found is None:
            statement = self._statement
            compiled = (statement(dialect.name) if callable(statement) else statement).compile(dialect=dialect)
            names = getattr(compiled, "positiontup", None)
            fixed = compiled.params
            found = str(compiled), _ordering(names, fixed)
            self._compiled[dialect.name] = found
        return found


def _row(names: Sequence[str]) -> Callable[[Sequence[Any]], AnyRow]:
    """Makes rows of values, with names for their columns; they do all that SQLAlchemy's do here."""
    named: Any = namedtuple  # noqa: PYI024 - the columns are known only now
    make: Callable[[Sequence[Any]], AnyRow] = named("Row", names, rename=True)._make
    return make


def _fetched(result: CursorResult[*tuple[Any, ...]]) -> Rows:
    return Rows(result.all() if result.returns_rows else ())


def _ordering(names: Sequence[str] | None, fixed: Parameters) -> Callable[[Parameters], Any]:
    """From parameters by name to what the driver takes: a tuple where its style is positional, else a mapping."""
    constants = {name: value for name, value in fixed.items() if value is not None}
    if names is None:
        return lambda parameters: {**constants, **parameters}
    if len(names) > 1 and not constants:
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] if name in parameters else constants[name] for name in names)
