"""What users ask: dispatches, nodes, graphs, streams. Each read filters by owner in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, bindparam, func, select

from covalent.status import Status
from covalent.wire.codec import from_json
from covalent.wire.links import order
from covalent.wire.manifest import Link
from covalent.wire.records import AssetDescription, DispatchRecord, NodeRecord
from covalent.wire.work import Environment
from covalent_server.core.errors import UnknownDispatchError, UnknownNodeError
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow
from covalent_server.db.assets import intact
from covalent_server.db.dialect import Within, many
from covalent_server.db.prepared import Prepared
from covalent_server.db.tables import asset, dispatch, link, node, stream

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
DISPATCHES = (
    select(*_DISPATCH)
    .outerjoin(_parent, _parent.c.key == dispatch.c.parent)
    .outerjoin(_parents_dispatch, _parents_dispatch.c.key == _parent.c.dispatch)
)
_NODE = (
    node.c.key,
    node.c.number,
    node.c.position,
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
_BY_ID = Prepared(owned(DISPATCHES, bindparam("owner")).where(dispatch.c.id == bindparam("id")))
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


def dispatch_row(connection: Connection, owner: str, dispatch_id: str, what: Prepared = _BY_ID) -> AnyRow:
    """The row of an owner's dispatch; raises UnknownDispatchError when there is none."""
    row = what.one(connection, {"owner": owner, "id": dispatch_id}).one_or_none()
    if row is None:
        raise UnknownDispatchError(dispatch_id)
    return row


def dispatch_record(connection: Connection, owner: str, dispatch_id: str) -> DispatchRecord:
    """A dispatch as it stands."""
    return records(connection, [dispatch_row(connection, owner, dispatch_id)])[0]


def with_value(connection: Connection, owner: str, dispatch_id: str) -> tuple[DispatchRecord, bytes | None]:
    """A dispatch as it stands, and the bytes of its value when they are few, and as they were stored."""
    record = dispatch_record(connection, owner, dispatch_id)
    if record.result is None:
        return record, None
    data = _DATA.one(connection, {"digest": record.result.digest}).scalar()
    return record, data if intact(record.result.digest, data) else None


def dispatch_ended(connection: Connection, owner: str, dispatch_id: str) -> bool:
    """Whether a dispatch has ended, or waits for its client."""
    row = dispatch_row(connection, owner, dispatch_id, _ENDED)
    return row.ended_at is not None or row.status == Status.PENDING_POSTPROCESSING


def records(connection: Connection, rows: Sequence[AnyRow]) -> list[DispatchRecord]:
    """What is told of rows of :data:`DISPATCHES`."""
    counts: dict[int, dict[str, int]] = {row.key: {} for row in rows}
    preparing: dict[int, int] = {}
    for key, state, count in _COUNTS.one(connection, {"keys": many(connection, counts)}):
        status = NodeState(state).status
        counts[key][status] = counts[key].get(status, 0) + count
        if state == NodeState.PREPARING:
            preparing[key] = count
    described = descriptions(connection, [row.result for row in rows if row.result])
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


def descriptions(connection: Connection, digests: Sequence[str]) -> dict[str, AssetDescription]:
    """What the headers of assets claim; whether somebody may know of them is not asked here."""
    if not digests:
        return {}
    rows = _DESCRIPTIONS.one(connection, {"digests": many(connection, digests)})
    return {row.digest: description(row.digest, row.size, row.preview) for row in rows}


def description(digest: str, size: int, preview: str) -> AssetDescription:
    """An asset's row as it is told."""
    return AssetDescription(digest=digest, size=size, **json.loads(preview))


def node_record(connection: Connection, owner: str, dispatch_id: str, number: int) -> NodeRecord:
    """One node of a dispatch."""
    row = node_row(connection, owner, dispatch_id, number)
    return node_record_of(row, spoken(connection, node.c.key == row.key))


def node_statement(key: int) -> Select[Any]:
    """Rows of a dispatch's nodes."""
    return select(*_NODE).outerjoin(asset, asset.c.digest == node.c.output).where(node.c.dispatch == key)


def node_row(connection: Connection, owner: str, dispatch_id: str, number: int) -> AnyRow:
    """The row of one node; raises UnknownDispatchError or UnknownNodeError."""
    key = dispatch_row(connection, owner, dispatch_id).key
    row = connection.execute(node_statement(key).where(node.c.number == number)).one_or_none()
    if row is None:
        raise UnknownNodeError(dispatch_id, number)
    return row


def spoken(connection: Connection, wanted: ColumnElement[bool]) -> dict[tuple[int, int], tuple[str, ...]]:
    """The streams on which attempts at nodes have printed something, by the node's key and the attempt."""
    pairs = connection.execute(
        select(stream.c.node, stream.c.attempt, stream.c.stream)
        .join(node, node.c.key == stream.c.node)
        .where(wanted)
        .distinct()
    )
    found: dict[tuple[int, int], tuple[str, ...]] = {}
    for key, attempt, which in pairs:
        found[key, attempt] = (*found.get((key, attempt), ()), which)
    return found


def node_record_of(row: AnyRow, printed: Mapping[tuple[int, int], tuple[str, ...]]) -> NodeRecord:
    """What is told of a row of :func:`node_statement`."""
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
        output=description(row.output, row.size, row.preview) if has_output else None,
        error=row.error,
        failures=row.failures,
        retry_at=row.due_at,
        child=row.child,
        printed=printed.get((row.key, row.attempt), ()),
        preparing_since=row.preparing_at if row.state == NodeState.PREPARING else None,
        environment=None if row.environment is None else from_json(Environment, json.loads(row.environment)),
        # One of an attempt before is of no interest once another has succeeded.
        workdir=None if row.state == NodeState.COMPLETED else row.workdir,
    )


def graph(connection: Connection, owner: str, dispatch_id: str) -> str:
    """The node-link document of a dispatch: the canonical text that was sent, put together from its rows."""
    row = dispatch_row(connection, owner, dispatch_id)
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
    row = dispatch_row(connection, owner, dispatch_id)
    head = json.loads(row.manifest)
    return _with(head, graph=graph(connection, owner, dispatch_id))


def _with(head: dict[str, Any], **texts: str) -> str:
    """The canonical text of an object with some members that are text already."""
    members = {name: _canonical(value) for name, value in head.items()} | texts
    return f"{{{','.join(f'{_canonical(name)}:{text}' for name, text in sorted(members.items()))}}}"


def _canonical(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
