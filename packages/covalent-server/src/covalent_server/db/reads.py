"""What users ask: dispatches, nodes, graphs, streams, events. Each read filters by owner in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, bindparam, func, select

from covalent.status import Status
from covalent.wire.codec import from_json
from covalent.wire.links import order
from covalent.wire.manifest import Link
from covalent.wire.records import AssetDescription, DispatchRecord, Event, EventList, NodeRecord
from covalent.wire.work import Environment
from covalent_server.core.errors import UnknownDispatchError, UnknownNodeError
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow
from covalent_server.db.assets import intact
from covalent_server.db.dialect import Within, many
from covalent_server.db.prepared import Prepared
from covalent_server.db.purging import trimmed
from covalent_server.db.tables import asset, dispatch, event, link, node, stream

_parent = node.alias("parent_node")
_parents_dispatch = dispatch.alias("parent_dispatch")
_child = dispatch.alias("child")
#: Of a node that is a sublattice: the dispatch that was made of it last.
LATEST_CHILD = (
    select(_child.c.id)
    .where(_child.c.parent == node.c.key)
    .order_by(_child.c.key.desc())
    .limit(1)
    .scalar_subquery()
    .label("child")
)
_DISPATCH = (
    dispatch.c.key,
    dispatch.c.id,
    dispatch.c.root_id,
    dispatch.c.name,
    dispatch.c.status,
    dispatch.c.created_at,
    dispatch.c.started_at,
    dispatch.c.ended_at,
    dispatch.c.manifest,
    dispatch.c.result,
    dispatch.c.error,
    dispatch.c.tags,
    _parent.c.number.label("parent_number"),
    _parents_dispatch.c.id.label("parent_id"),
)
#: A dispatch, with the node that it is the sublattice of.
_DISPATCHES = (
    select(*_DISPATCH)
    .outerjoin(_parent, _parent.c.key == dispatch.c.parent)
    .outerjoin(_parents_dispatch, _parents_dispatch.c.key == _parent.c.dispatch)
)
_NODE = (
    node.c.key,
    node.c.number,
    node.c.record,
    node.c.state,
    node.c.attempt,
    node.c.started_at,
    node.c.ended_at,
    node.c.output,
    node.c.error,
    node.c.failures,
    node.c.due_at,
    node.c.preparing_at,
    node.c.environment,
    node.c.workdir,
    asset.c.size,
    asset.c.preview,
    LATEST_CHILD,
)


def owned(statement: Select[Any], owner: str | BindParameter[str]) -> Select[Any]:
    """Of a statement's dispatches, those that an owner sees."""
    # What looks at a directory is no dispatch of its user's: it is seen in the list of triggers.
    return statement.where(dispatch.c.owner == owner, dispatch.c.complete == 1, dispatch.c.observes.is_(None))


# What a client that waits costs beside the work itself.
_BY_ID = Prepared(owned(_DISPATCHES, bindparam("owner")).where(dispatch.c.id == bindparam("id")))
_ENDED = Prepared(
    owned(select(dispatch.c.ended_at, dispatch.c.status), bindparam("owner")).where(dispatch.c.id == bindparam("id"))
)
_COUNTS = Prepared(
    select(node.c.dispatch, node.c.state, func.count().label("count"))
    .where(Within(node.c.dispatch, "keys"))
    .group_by(node.c.dispatch, node.c.state)
)
_DESCRIPTIONS = Prepared(select(asset.c.digest, asset.c.size, asset.c.preview).where(Within(asset.c.digest, "digests")))
_DATA = Prepared(select(asset.c.data).where(asset.c.digest == bindparam("digest")))


def _dispatch_row(connection: Connection, owner: str, dispatch_id: str, what: Prepared = _BY_ID) -> AnyRow:
    row = what.one(connection, {"owner": owner, "id": dispatch_id}).one_or_none()
    if row is None:
        raise UnknownDispatchError(dispatch_id)
    return row


def dispatch_record(connection: Connection, owner: str, dispatch_id: str) -> DispatchRecord:
    """A dispatch as it stands."""
    return _records(connection, [_dispatch_row(connection, owner, dispatch_id)])[0]


def with_value(connection: Connection, owner: str, dispatch_id: str) -> tuple[DispatchRecord, bytes | None]:
    """A dispatch as it stands, and the bytes of its value when they are few, and as they were stored."""
    record = dispatch_record(connection, owner, dispatch_id)
    if record.result is None:
        return record, None
    data = _DATA.one(connection, {"digest": record.result.digest}).scalar()
    return record, data if intact(record.result.digest, data) else None


def dispatch_ended(connection: Connection, owner: str, dispatch_id: str) -> bool:
    """Whether a dispatch has ended, or waits for its client."""
    row = _dispatch_row(connection, owner, dispatch_id, _ENDED)
    return row.ended_at is not None or row.status == Status.PENDING_POSTPROCESSING


def dispatches(
    connection: Connection, owner: str, *, status: Status | None, name: str | None, tag: str | None, limit: int
) -> tuple[DispatchRecord, ...]:
    """The newest dispatches; those of sublattices are found through their nodes."""
    statement = owned(_DISPATCHES, owner).where(dispatch.c.parent.is_(None))
    statement = statement.order_by(dispatch.c.key.desc()).limit(limit)
    if status is not None:
        statement = statement.where(dispatch.c.status == status)
    if name is not None:
        statement = statement.where(dispatch.c.name == name)
    if tag is not None:
        # SQLite's LIKE would not tell large letters from small ones.
        quoted = json.dumps(tag, ensure_ascii=False)
        statement = statement.where(func.replace(dispatch.c.tags, quoted, "") != dispatch.c.tags)
    return tuple(_records(connection, connection.execute(statement).all()))


def _records(connection: Connection, rows: Sequence[AnyRow]) -> list[DispatchRecord]:
    counts: dict[int, dict[str, int]] = {row.key: {} for row in rows}
    preparing: dict[int, int] = {}
    for key, state, count in _COUNTS.one(connection, {"keys": many(connection, counts)}):
        status = NodeState(state).status
        counts[key][status] = counts[key].get(status, 0) + count
        if state == NodeState.PREPARING:
            preparing[key] = count
    described = _descriptions(connection, [row.result for row in rows if row.result])
    return [_record(row, counts[row.key], preparing.get(row.key, 0), described) for row in rows]


def _record(
    row: AnyRow, counts: dict[str, int], preparing: int, described: dict[str, AssetDescription]
) -> DispatchRecord:
    manifest = json.loads(row.manifest)
    return DispatchRecord(
        dispatch_id=row.id,
        root_dispatch_id=row.root_id,
        name=row.name,
        status=Status(row.status),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        node_counts=counts,
        preparing=preparing,
        inputs=manifest.get("inputs"),
        workflow=manifest.get("workflow"),
        result=described.get(row.result) if row.status == Status.COMPLETED else None,
        error=row.error,
        tags=tuple(json.loads(row.tags)),
        parent=row.parent_id,
        parent_node=row.parent_number,
        redispatch_of=manifest.get("redispatch_of"),
    )


def _descriptions(connection: Connection, digests: Sequence[str]) -> dict[str, AssetDescription]:
    if not digests:
        return {}
    rows = _DESCRIPTIONS.one(connection, {"digests": many(connection, digests)})
    return {row.digest: _description(row.digest, row.size, row.preview) for row in rows}


def _description(digest: str, size: int, preview: str) -> AssetDescription:
    return AssetDescription(digest=digest, size=size, **json.loads(preview))


def nodes(connection: Connection, owner: str, dispatch_id: str) -> tuple[NodeRecord, ...]:
    """All nodes of a dispatch, in the graph's order."""
    key = _dispatch_row(connection, owner, dispatch_id).key
    rows = connection.execute(_node_statement(key).order_by(node.c.position)).all()
    spoken = _spoken(connection, node.c.dispatch == key)
    return tuple(_node_record(row, spoken) for row in rows)


def node_record(connection: Connection, owner: str, dispatch_id: str, number: int) -> NodeRecord:
    """One node of a dispatch."""
    row = _node_row(connection, owner, dispatch_id, number)
    return _node_record(row, _spoken(connection, node.c.key == row.key))


def _node_statement(key: int) -> Select[Any]:
    return select(*_NODE).outerjoin(asset, asset.c.digest == node.c.output).where(node.c.dispatch == key)


def _node_row(connection: Connection, owner: str, dispatch_id: str, number: int) -> AnyRow:
    key = _dispatch_row(connection, owner, dispatch_id).key
    row = connection.execute(_node_statement(key).where(node.c.number == number)).one_or_none()
    if row is None:
        raise UnknownNodeError(dispatch_id, number)
    return row


def _spoken(connection: Connection, wanted: ColumnElement[bool]) -> dict[tuple[int, int], tuple[str, ...]]:
    """The streams on which attempts at nodes have printed something, by the node's key and the attempt."""
    pairs = connection.execute(
        select(stream.c.node, stream.c.attempt, stream.c.stream)
        .join(node, node.c.key == stream.c.node)
        .where(wanted)
        .distinct()
    )
    spoken: dict[tuple[int, int], tuple[str, ...]] = {}
    for key, attempt, which in pairs:
        spoken[key, attempt] = (*spoken.get((key, attempt), ()), which)
    return spoken


def _node_record(row: AnyRow, spoken: Mapping[tuple[int, int], tuple[str, ...]]) -> NodeRecord:
    record = json.loads(row.record)
    # While its sublattice runs, a node keeps the manifest where its output is going to be.
    has_output = row.output is not None and row.state == NodeState.COMPLETED
    return NodeRecord(
        node_id=row.number,
        node_name=record["name"],
        kind=record.get("kind", "task"),
        status=NodeState(row.state).status,
        attempt=row.attempt,
        started_at=row.started_at,
        ended_at=row.ended_at,
        output=_description(row.output, row.size, row.preview) if has_output else None,
        error=row.error,
        failures=row.failures,
        retry_at=row.due_at,
        child=row.child,
        printed=spoken.get((row.key, row.attempt), ()),
        preparing_since=row.preparing_at if row.state == NodeState.PREPARING else None,
        environment=None if row.environment is None else from_json(Environment, json.loads(row.environment)),
        # One of an attempt before is of no interest once another has succeeded.
        workdir=None if row.state == NodeState.COMPLETED else row.workdir,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What a task printed, from an offset on."""

    #: The node's key.
    node: int
    data: bytes
    #: Whether the attempt that printed it is over, so that nothing more comes of it.
    settled: bool


def printed(
    connection: Connection, owner: str, dispatch_id: str, number: int, *, which: str, offset: int, attempt: int | None
) -> Printed:
    """What an attempt at a node, the latest unless told otherwise, printed from ``offset`` on."""
    row = _node_row(connection, owner, dispatch_id, number)
    wanted = row.attempt if attempt is None else attempt
    state = NodeState(row.state)
    settled = state.terminal or state is NodeState.DISPATCHING or wanted != row.attempt
    # Who follows a long text asks often, and for its end alone.
    pieces = connection.execute(
        select(stream.c.offset, stream.c.data)
        .where(stream.c.node == row.key, stream.c.attempt == wanted, stream.c.stream == which)
        .where(stream.c.offset + func.length(stream.c.data) > offset)
        .order_by(stream.c.offset)
    )
    text, end = bytearray(), offset
    for start, data in pieces:
        if start > end and not settled:  # a piece has overtaken the one before it
            break
        # Pieces of one attempt may overlap when a worker cut them anew; what is there already stays.
        text += data[max(0, end - start) :]
        end = max(end, start + len(data))
    return Printed(node=row.key, data=bytes(text), settled=settled)


def graph(connection: Connection, owner: str, dispatch_id: str) -> str:
    """The node-link document of a dispatch: the canonical text that was sent, put together from its rows."""
    row = _dispatch_row(connection, owner, dispatch_id)
    head = json.loads(row.manifest)["graph"]
    records = connection.execute(
        select(node.c.key, node.c.number, node.c.record).where(node.c.dispatch == row.key).order_by(node.c.position)
    ).all()
    numbers = {item.key: item.number for item in records}
    uses = connection.execute(
        select(link.c.parent, link.c.child, link.c.uses)
        .join(node, node.c.key == link.c.child)
        .where(node.c.dispatch == row.key)
    )
    links = [
        {"source": numbers[parent], "target": numbers[child], **use}
        for parent, child, text in uses
        for use in json.loads(text)
    ]
    links.sort(key=lambda item: order(from_json(Link, item)))
    return _with(head, links=_canonical(links), nodes=f"[{','.join(item.record for item in records)}]")


def manifest(connection: Connection, owner: str, dispatch_id: str) -> str:
    """A dispatch's manifest, as JSON."""
    row = _dispatch_row(connection, owner, dispatch_id)
    head = json.loads(row.manifest)
    return _with(head, graph=graph(connection, owner, dispatch_id))


def _with(head: dict[str, Any], **texts: str) -> str:
    """The canonical text of an object with some members that are text already."""
    members = {name: _canonical(value) for name, value in head.items()} | texts
    return f"{{{','.join(f'{_canonical(name)}:{text}' for name, text in sorted(members.items()))}}}"


def _canonical(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def events(connection: Connection, owner: str, after: int, limit: int) -> EventList:
    """Events of the owner's dispatches after a cursor, in the order of commits.

    The cursor is too old when events after it went with dispatches that were purged.
    """
    resync = after < trimmed(connection, owner)
    rows = connection.execute(
        select(event, dispatch.c.id.label("dispatch_id"), node.c.number)
        .join(dispatch, dispatch.c.key == event.c.dispatch)
        .outerjoin(node, node.c.key == event.c.node)
        .where(event.c.sequence > after, dispatch.c.owner == owner)
        .where(dispatch.c.complete == 1, dispatch.c.observes.is_(None))
        .order_by(event.c.sequence)
        .limit(limit)
    )
    return EventList(
        events=tuple(
            Event(
                sequence=row.sequence,
                at=row.at,
                kind=row.kind,
                dispatch_id=row.dispatch_id,
                node_id=row.number,
                attempt=row.attempt,
                detail=row.detail,
            )
            for row in rows
        ),
        resync=resync,
    )
