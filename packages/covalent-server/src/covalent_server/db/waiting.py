"""What the database knows of nodes that do not run: one read of a dispatch, or of one of its nodes."""

from __future__ import annotations

import json
from collections.abc import Collection

from sqlalchemy import Connection, bindparam, func, select

from covalent.status import Status
from covalent_server.core.errors import UnknownDispatchError, UnknownNodeError
from covalent_server.core.states import NodeState
from covalent_server.core.waiting import NAMED, FullLimit, NodeFacts
from covalent_server.db import AnyRow, limits
from covalent_server.db.dialect import Within, many
from covalent_server.db.moves import policy_of
from covalent_server.db.prepared import Prepared
from covalent_server.db.reads import LATEST_CHILD, owned
from covalent_server.db.tables import dispatch, event, link, node, pool, worker

_NODES = (
    select(
        *(
            node.c[name]
            for name in ("key", "number", "record", "state", "remaining", "pool", "gate", "losses", "worker", "policy")
        ),
        *(node.c[name] for name in ("preparing_at", "started_at", "due_at")),
        pool.c.executor,
        pool.c.place,
        worker.c.host,
        LATEST_CHILD,
    )
    .join(pool, pool.c.id == node.c.pool)
    .outerjoin(worker, worker.c.id == node.c.worker)
)
#: States of which nobody asks why they do not run.
_OVER = (NodeState.COMPLETED, NodeState.FAILED, NodeState.CANCELLED)
_ranked = (
    select(
        link.c.child,
        node.c.number,
        func.row_number().over(partition_by=link.c.child, order_by=node.c.number).label("rank"),
    )
    .join(node, node.c.key == link.c.parent)
    .where(Within(link.c.child, "children"), node.c.state != NodeState.COMPLETED)
    .subquery("ranked")
)
_PARENTS = Prepared(
    select(_ranked.c.child, _ranked.c.number).where(_ranked.c.rank <= NAMED).order_by(_ranked.c.child, _ranked.c.number)
)
#: An index leads to the events of a dispatch, among which those of the nodes are looked for.
_LEASED_AT = Prepared(
    select(event.c.node, func.max(event.c.at))
    .where(event.c.dispatch == bindparam("dispatch"), event.c.kind == "node.leased", Within(event.c.node, "nodes"))
    .group_by(event.c.node)
)


def facts(connection: Connection, owner: str, dispatch_id: str, number: int | None, limit: int) -> list[NodeFacts]:
    """The first of the nodes that have not ended, in the graph's order; or the one node, however it stands."""
    asked = owned(select(dispatch.c.key, dispatch.c.status, dispatch.c.requires), owner)
    found = connection.execute(asked.where(dispatch.c.id == dispatch_id)).one_or_none()
    if found is None:
        raise UnknownDispatchError(dispatch_id)
    statement = _NODES.where(node.c.dispatch == found.key)
    if number is None:
        statement = statement.where(node.c.state.not_in(_OVER)).order_by(node.c.position).limit(limit)
    else:
        statement = statement.where(node.c.number == number)
    rows = connection.execute(statement).all()
    if number is not None and not rows:
        raise UnknownNodeError(dispatch_id, number)
    parents = _parents(connection, [row.key for row in rows if row.remaining])
    leased_at = _leased_at(connection, found.key, [row.key for row in rows if row.state == NodeState.LEASED])
    gated = any(row.gate and row.state == NodeState.READY for row in rows)
    full = limits.full(connection, owner) if gated else {}
    return [_facts(found, row, parents.get(row.key, ()), leased_at.get(row.key), full.get(row.gate)) for row in rows]


def _parents(connection: Connection, keys: Collection[int]) -> dict[int, tuple[int, ...]]:
    parents: dict[int, tuple[int, ...]] = {}
    if keys:
        for child, number in _PARENTS.one(connection, {"children": many(connection, keys)}):
            parents[child] = (*parents.get(child, ()), number)
    return parents


def _leased_at(connection: Connection, key: int, nodes: Collection[int]) -> dict[int, float]:
    if not nodes:
        return {}
    rows = _LEASED_AT.one(connection, {"dispatch": key, "nodes": many(connection, nodes)})
    return {row[0]: row[1] for row in rows}


def _facts(
    found: AnyRow, row: AnyRow, parents: tuple[int, ...], leased_at: float | None, full: FullLimit | None
) -> NodeFacts:
    return NodeFacts(
        node_id=row.number,
        node_name=json.loads(row.record)["name"],
        state=NodeState(row.state),
        dispatch_status=Status(found.status),
        remaining=row.remaining,
        parents=parents,
        pool=row.pool,
        executor=row.executor,
        place=row.place,
        requires=frozenset(json.loads(found.requires)),
        losses=row.losses,
        at_most_once=policy_of(row).at_most_once,
        worker=row.worker,
        host=row.host or "",
        leased_at=leased_at,
        preparing_at=row.preparing_at,
        started_at=row.started_at,
        due_at=row.due_at,
        child=row.child,
        limit=full,
    )
