"""One dispatch or one node with what is known around it, for the page that shows it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select

from covalent.status import Status
from covalent.wire import template
from covalent.wire.codec import from_json
from covalent.wire.manifest import Client, Node
from covalent.wire.overview import (
    Argument,
    Attempt,
    Child,
    Code,
    DispatchDetail,
    Neighbour,
    NodeDetail,
    PlaceCount,
    WorkerName,
)
from covalent.wire.records import AssetDescription
from covalent_server.core.errors import UnknownAssetError, UnknownDispatchError
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow
from covalent_server.db.happened import latest
from covalent_server.db.prepared import Prepared
from covalent_server.db.reads import DISPATCHES, descriptions, node_record, node_row, owned, records
from covalent_server.db.tables import asset_owner, dispatch, event, link, node, pool, worker

#: Neighbours, sublattices and attempts that are told at most, and assets of one argument.
_NEIGHBOURS: Final = 200
_CHILDREN: Final = 100
_ATTEMPTS: Final = 100
_ASSETS: Final = 20

_COUNTED = Prepared(
    select(node.c.state, pool.c.executor, pool.c.place, func.count().label("count"))
    .join(pool, pool.c.id == node.c.pool)
    .where(node.c.dispatch == bindparam("key"))
    .group_by(node.c.state, pool.c.executor, pool.c.place)
)
_PLACED = Prepared(
    select(node.c.worker, pool.c.executor, pool.c.place, worker.c.host, worker.c.pid)
    .join(pool, pool.c.id == node.c.pool)
    .outerjoin(worker, worker.c.id == node.c.worker)
    .where(node.c.key == bindparam("key"))
)
_HAPPENED = Prepared(
    select(event.c.at, event.c.kind, event.c.attempt)
    .where(event.c.dispatch == bindparam("dispatch"), event.c.node == bindparam("node"))
    .order_by(event.c.sequence)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A node's detail without what the engine knows of why it waits, and whether it has ended."""

    detail: NodeDetail
    ended: bool


def dispatch_detail(connection: Connection, owner: str, dispatch_id: str) -> DispatchDetail:
    """A dispatch with what is known around it."""
    row = connection.execute(owned(DISPATCHES, owner).where(dispatch.c.id == dispatch_id)).one_or_none()
    if row is None:
        raise UnknownDispatchError(dispatch_id)
    (record,) = records(connection, [row])
    plain = json.loads(row.manifest)
    lattice = plain.get("lattice") or {}
    states, places = Counter[str](), Counter[tuple[str, str]]()
    for state, executor, place, count in _COUNTED.one(connection, {"key": row.key}):
        states[state] += count
        places[executor, place] += count
    described = descriptions(connection, [digest for digest in (record.inputs, record.workflow) if digest])
    return DispatchDetail(
        dispatch=record,
        sequence=latest(connection),
        states=dict(states),
        inputs=described.get(record.inputs or ""),
        workflow=described.get(record.workflow or ""),
        code=Code(name=(plain["graph"].get("graph") or {}).get("name", record.name), doc=lattice.get("doc")),
        client=from_json(Client, plain.get("client") or {}),
        env=tuple(sorted(plain.get("env") or {})),
        priority=plain.get("priority") or 0,
        executors=tuple(
            PlaceCount(executor=executor, place=place, nodes=count) for (executor, place), count in places.most_common()
        ),
        children=_children(connection, row.key),
    )


def _children(connection: Connection, key: int) -> tuple[Child, ...]:
    child = dispatch.alias("child")
    rows = connection.execute(
        select(child.c.id, child.c.name, child.c.status, node.c.number)
        .join(node, node.c.key == child.c.parent)
        .where(node.c.dispatch == key, child.c.complete == 1)
        .order_by(child.c.key)
        .limit(_CHILDREN)
    )
    return tuple(
        Child(dispatch_id=row.id, name=row.name, status=Status(row.status), node_id=row.number) for row in rows
    )


def node_detail(connection: Connection, owner: str, dispatch_id: str, number: int) -> Found:
    """A node with what is known around it."""
    row = node_row(connection, owner, dispatch_id, number)
    declared = from_json(Node, json.loads(row.record))
    placed = _PLACED.one(connection, {"key": row.key}).one()
    arguments = [(f"[{index}]", item) for index, item in enumerate(declared.args)] + list(declared.kwargs.items())
    named = {digest for _, item in arguments for digest in list(template.assets(item))[:_ASSETS]}
    described = descriptions(connection, [*named, declared.function])
    state = NodeState(row.state)
    detail = NodeDetail(
        node=node_record(connection, owner, dispatch_id, number),
        position=row.position,
        state=state,
        executor=placed.executor,
        place=placed.place,
        executor_data=declared.metadata.executor_data,
        worker=None
        if placed.worker is None
        else WorkerName(id=placed.worker, host=placed.host or "", pid=placed.pid or 0),
        function=described.get(declared.function),
        code=Code(name=declared.name),
        retries=declared.metadata.retries,
        timeout=declared.metadata.timeout,
        tags=declared.metadata.tags or (),
        inputs=tuple(_argument(name, item, described) for name, item in arguments),
        parents=_neighbours(connection, row.key, parents=True),
        children=_neighbours(connection, row.key, parents=False),
        parent_count=_count(connection, row.key, parents=True),
        child_count=_count(connection, row.key, parents=False),
        attempts=_attempts(connection, row, dispatch_id),
    )
    return Found(detail=detail, ended=state.terminal)


def _argument(name: str, item: Any, described: Mapping[str, AssetDescription]) -> Argument:
    digests = list(dict.fromkeys(template.assets(item)))[:_ASSETS]
    return Argument(
        name=name,
        template=item,
        assets=tuple(described[digest] for digest in digests if digest in described),
        nodes=tuple(sorted(set(template.nodes(item)))),
    )


def _neighbours(connection: Connection, key: int, *, parents: bool) -> tuple[Neighbour, ...]:
    here, there = (link.c.child, link.c.parent) if parents else (link.c.parent, link.c.child)
    rows = connection.execute(
        select(node.c.number, node.c.record, node.c.state)
        .join(link, there == node.c.key)
        .where(here == key)
        .order_by(node.c.position)
        .limit(_NEIGHBOURS)
    )
    return tuple(
        Neighbour(node_id=row.number, node_name=json.loads(row.record)["name"], status=NodeState(row.state).status)
        for row in rows
    )


def _count(connection: Connection, key: int, *, parents: bool) -> int:
    here = link.c.child if parents else link.c.parent
    return int(connection.execute(select(func.count()).select_from(link).where(here == key)).scalar_one())


def _attempts(connection: Connection, row: AnyRow, dispatch_id: str) -> tuple[Attempt, ...]:
    """The attempts at a node: each begins with its lease and ends with what came of it."""
    key = connection.execute(select(dispatch.c.key).where(dispatch.c.id == dispatch_id)).scalar_one()
    found: dict[int, Attempt] = {}
    for at, kind, number in _HAPPENED.one(connection, {"dispatch": key, "node": row.key}):
        state = kind.removeprefix("node.").upper()
        if not number:
            continue
        over = state in NodeState.__members__ and not NodeState(state).leased
        began = found[number].began_at if number in found else at
        found[number] = Attempt(attempt=number, began_at=began, ended_at=at if over else None, state=state)
    return tuple(found.values())[-_ATTEMPTS:]


def asset_description(connection: Connection, owner: str, digest: str) -> AssetDescription:
    """What the header of an owner's asset claims; raises UnknownAssetError when the owner has none."""
    mine = select(asset_owner.c.digest).where(asset_owner.c.digest == digest, asset_owner.c.owner == owner)
    found = descriptions(connection, list(connection.execute(mine).scalars()))
    if digest not in found:
        raise UnknownAssetError(digest)
    return found[digest]
