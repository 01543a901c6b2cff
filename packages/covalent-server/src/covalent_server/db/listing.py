"""Lists, a page at a time: dispatches, newest first, and the nodes of one in the graph's order.

A page begins where the one before ended, which is told by a key and not by a number of rows: so what is added or goes
meanwhile moves nothing from one page to another.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import JSON, ColumnElement, Connection, Select, and_, cast, func, or_

from covalent.status import Status
from covalent.wire.records import DispatchList, NodeList
from covalent_server.core.states import NodeState
from covalent_server.db.dialect import POSTGRESQL
from covalent_server.db.reads import DISPATCHES, dispatch_row, node_record_of, node_statement, owned, records, spoken
from covalent_server.db.tables import dispatch, node


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchFilter:
    """Which dispatches: those of which everything holds that is said."""

    #: Any of these.
    statuses: Collection[Status] = ()
    name: str | None = None
    #: All of these.
    tags: Collection[str] = ()
    #: A part of the name, of the id or of a tag, in large or small letters.
    text: str | None = None
    #: When they were made, in seconds since the epoch.
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFilter:
    """Which nodes of a dispatch: those of which everything holds that is said."""

    #: Any of these.
    states: Collection[NodeState] = ()
    #: A part of the name, in large or small letters, or the number.
    text: str | None = None


EVERY_DISPATCH: Final = DispatchFilter()
EVERY_NODE: Final = NodeFilter()


def dispatches(
    connection: Connection, owner: str, which: DispatchFilter = EVERY_DISPATCH, *, limit: int, before: int | None = None
) -> DispatchList:
    """The newest dispatches, or those before one; those of sublattices are found through their nodes."""
    statement = owned(DISPATCHES, owner).where(dispatch.c.parent.is_(None))
    statement = _narrowed(statement, which).order_by(dispatch.c.key.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(dispatch.c.key < before)
    rows = connection.execute(statement).all()
    more = len(rows) > limit
    rows = rows[:limit]
    return DispatchList(dispatches=tuple(records(connection, rows)), next=str(rows[-1].key) if more and rows else None)


def _narrowed(statement: Select[Any], which: DispatchFilter) -> Select[Any]:
    if which.statuses:
        statement = statement.where(dispatch.c.status.in_(which.statuses))
    if which.name is not None:
        statement = statement.where(dispatch.c.name == which.name)
    for tag in which.tags:
        # SQLite's LIKE would not tell large letters from small ones.
        quoted = json.dumps(tag, ensure_ascii=False)
        statement = statement.where(func.replace(dispatch.c.tags, quoted, "") != dispatch.c.tags)
    if which.text is not None:
        statement = statement.where(or_(*(_holds(dispatch.c[name], which.text) for name in ("name", "id", "tags"))))
    if which.since is not None:
        statement = statement.where(dispatch.c.created_at >= which.since)
    if which.until is not None:
        statement = statement.where(dispatch.c.created_at <= which.until)
    return statement


def _holds(column: Any, text: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = func.lower(column).contains(text.lower(), autoescape=True)
    return found


def nodes(
    connection: Connection,
    owner: str,
    dispatch_id: str,
    which: NodeFilter = EVERY_NODE,
    *,
    limit: int | None = None,
    after: int | None = None,
) -> NodeList:
    """The nodes of a dispatch in the graph's order, or those after a position."""
    key = dispatch_row(connection, owner, dispatch_id).key
    statement = node_statement(key).order_by(node.c.position)
    if which.states:
        statement = statement.where(node.c.state.in_(which.states))
    if after is not None:
        statement = statement.where(node.c.position > after)
    if limit is not None:
        statement = statement.limit(limit + 1)
    if which.text is not None:
        statement = statement.where(_named(connection, which.text))
    rows = connection.execute(statement).all()
    more = limit is not None and len(rows) > limit
    rows = rows[:limit]
    here = node.c.dispatch == key
    if limit is not None and rows:
        here = and_(here, node.c.position.between(rows[0].position, rows[-1].position))
    printed = spoken(connection, here)
    return NodeList(
        nodes=tuple(node_record_of(row, printed) for row in rows),
        next=str(rows[-1].position) if more and rows else None,
    )


def _named(connection: Connection, text: str) -> ColumnElement[bool]:
    """Whether a node is called so, which stands in its JSON."""
    if connection.dialect.name == POSTGRESQL:
        name: Any = func.json_extract_path_text(cast(node.c.record, JSON), "name")
    else:
        name = func.json_extract(node.c.record, "$.name")
    held = _holds(name, text)
    return or_(held, node.c.number == int(text)) if text.isdecimal() and len(text) < 10 else held
