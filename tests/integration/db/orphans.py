"""Rows that belong to something that is not there any more, in whatever table."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, select

from covalent_server.db import Session
from covalent_server.db.tables import dispatch, event, metadata, node, trigger

#: What the tables do not say of themselves: these columns name a row of another table, too.
_ALSO: Final[dict[Column[int], Column[int]]] = {
    dispatch.c.parent: node.c.key,
    dispatch.c.observes: trigger.c.key,
    event.c.dispatch: dispatch.c.key,
    event.c.node: node.c.key,
    trigger.c.last: dispatch.c.key,
    trigger.c.observer: dispatch.c.key,
}


def references() -> dict[Column[int], Column[int]]:
    """Every column that names a row, with the column that it is found by."""
    declared = {
        key.parent: key.column for table in metadata.sorted_tables for key in sorted(table.foreign_keys, key=str)
    }
    return declared | _ALSO


def orphans(session: Session) -> list[str]:
    """The values that name nothing."""
    found = []
    for column, target in references().items():
        missing = select(column).where(column.is_not(None), column.not_in(select(target)))
        found += [f"{column} {value}" for value in session.execute(missing).scalars()]
    return found
