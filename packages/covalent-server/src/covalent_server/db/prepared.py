"""Statements of the hot path: written in SQLAlchemy Core, compiled once per dialect, then handed to the driver.

SQLAlchemy's own way to execution costs about 100 µs a statement and 10 µs a row of parameters, several times what
SQLite needs for them. Parameters must be of types that the driver takes as they are: numbers, text, bytes, None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ClauseElement, Connection, CursorResult, Dialect

Parameters = Mapping[str, Any]


class Prepared:
    """A statement whose parameters have fixed names."""

    def __init__(self, statement: ClauseElement | Callable[[str], ClauseElement]) -> None:
        """Prepare a statement, or what a function makes of a dialect's name."""
        self._statement = statement
        self._compiled: dict[str, tuple[str, Callable[[Parameters], Any]]] = {}

    def one(self, connection: Connection, parameters: Parameters) -> CursorResult[*tuple[Any, ...]]:
        """Execute it once."""
        text, order = self.compiled(connection.dialect)
        return connection.exec_driver_sql(text, order(parameters))

    def many(self, connection: Connection, rows: Sequence[Parameters]) -> None:
        """Execute it for each row of parameters."""
        if rows:
            text, order = self.compiled(connection.dialect)
            connection.exec_driver_sql(text, [order(row) for row in rows])

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


def _ordering(names: Sequence[str] | None, fixed: Parameters) -> Callable[[Parameters], Any]:
    """From parameters by name to what the driver takes: a tuple where its style is positional, else a mapping."""
    constants = {name: value for name, value in fixed.items() if value is not None}
    if names is None:
        return lambda parameters: {**constants, **parameters}
    if len(names) > 1 and not constants:
        return itemgetter(*names)
    return lambda parameters: tuple(parameters[name] if name in parameters else constants[name] for name in names)
