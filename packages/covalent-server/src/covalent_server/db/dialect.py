"""The few places where SQLite and PostgreSQL are spoken to differently."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, ColumnElement, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles

if TYPE_CHECKING:
    from sqlalchemy import Connection, Insert, Table
    from sqlalchemy.sql.compiler import SQLCompiler

POSTGRESQL = "postgresql"


def insert_ignore(table: Table, *names: str) -> Callable[[str], Insert]:
    """An insert of these columns that leaves rows alone whose key is there already; made for a dialect's name."""
    values: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in names}

    def make(dialect: str) -> Insert:
        if dialect == POSTGRESQL:
            return postgresql.insert(table).values(values).on_conflict_do_nothing()
        return sqlite.insert(table).values(values).on_conflict_do_nothing()

    return make


def insert_or_raise(
    table: Table, *names: str, raised: str, measured: Callable[[ColumnElement[Any]], ColumnElement[Any]] | None = None
) -> Callable[[str], Insert]:
    """As :func:`insert_ignore`, but that one column of the row that is there takes the new value if that is higher.

    What is ``measured`` of the values is compared, by default the values themselves.
    """
    values: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in names}
    keys, column = list(table.primary_key), table.c[raised]

    def make(dialect: str) -> Insert:
        statement: Any = (postgresql if dialect == POSTGRESQL else sqlite).insert(table).values(values)
        new = statement.excluded[raised]
        higher = column < new if measured is None else measured(column) < measured(new)
        updated: Insert = statement.on_conflict_do_update(index_elements=keys, set_={raised: new}, where=higher)
        return updated

    return make


class Within(ColumnElement[bool]):
    """Whether a column's value is one of many, which are one parameter: see :func:`many`."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.values: BindParameter[Any] = bindparam(name)


@compiles(Within, "sqlite")
def _within_sqlite(element: Within, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in (element.column, element.values))
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - both parts come from the compiler


@compiles(Within, POSTGRESQL)
def _within_postgresql(element: Within, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in (element.column, element.values))
    return f"{column} = ANY({values})"


def many(connection: Connection, values: Iterable[Any]) -> Any:
    """Values as the one parameter of a :class:`Within`."""
    listed = list(values)
    return listed if connection.dialect.name == POSTGRESQL else json.dumps(listed)
