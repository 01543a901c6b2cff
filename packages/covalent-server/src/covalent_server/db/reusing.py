"""Taking over what another dispatch has done: its completed nodes stand in for those that are the same."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from dataclasses import dataclass

from sqlalchemy import Connection, select

from covalent.wire import template
from covalent.wire.codec import from_json
from covalent.wire.manifest import Node
from covalent_server.core.decisions import Policy, decide
from covalent_server.core.errors import UnknownDispatchError
from covalent_server.core.events import Reused
from covalent_server.core.reuse import Signatures
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow
from covalent_server.db.assets import value_ids
from covalent_server.db.consequences import apply
from covalent_server.db.moves import STATE, Effects, Move, view
from covalent_server.db.tables import dispatch, link, node


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """A dispatch's nodes by number, and which wait for which without taking a value."""

    rows: dict[int, AnyRow]
    nodes: list[Node]
    waits: dict[int, list[int]]


def take_over(connection: Connection, owner: str, key: int, earlier: str, now: float) -> Effects:
    """Complete the nodes of a new dispatch that are the same as completed ones of an ``earlier`` one."""
    old_key = connection.execute(
        select(dispatch.c.key).where(dispatch.c.owner == owner, dispatch.c.id == earlier, dispatch.c.complete == 1)
    ).scalar()
    if old_key is None:
        raise UnknownDispatchError(earlier)
    new, old = _graph(connection, key), _graph(connection, old_key)
    digests = {digest for item in (*new.nodes, *old.nodes) for digest in _constants(item)}
    signatures = Signatures(values=value_ids(connection, digests))
    outputs = _completed(old, signatures)
    moves = []
    found = signatures.of(new.nodes, new.waits)
    for number, row in new.rows.items():
        left = outputs[found[number]] if number in found else None
        if left and row.state == NodeState.WAITING:
            moves.append(_move(row, left.popleft(), now))
    return apply(connection, moves, now)


def _move(row: AnyRow, output: str, now: float) -> Move:
    before = view(row)
    decision = decide(before, Reused(), Policy())
    return Move(
        key=row.key,
        dispatch=row.dispatch,
        before=before,
        decision=decision,
        output=output,
        started_at=now,
        ended_at=now,
    )


def _completed(graph: _Graph, signatures: Signatures) -> defaultdict[int, deque[str]]:
    """The outputs of completed nodes by signature; of equal calls each output serves once, in order."""
    found = signatures.of(graph.nodes, graph.waits)
    outputs: defaultdict[int, deque[str]] = defaultdict(deque)
    for number, row in graph.rows.items():
        if row.state == NodeState.COMPLETED and number in found:
            outputs[found[number]].append(row.output)
    return outputs


def _graph(connection: Connection, key: int) -> _Graph:
    rows = connection.execute(
        select(*STATE, node.c.number, node.c.record, node.c.output)
        .where(node.c.dispatch == key)
        .order_by(node.c.position)
    ).all()
    by_key = {row.key: row.number for row in rows}
    waits: dict[int, list[int]] = {}
    links = select(link).join(node, node.c.key == link.c.child).where(node.c.dispatch == key)
    for parent, child, uses in connection.execute(links):
        if any(use.get("param_type") == "wait" for use in json.loads(uses)):
            waits.setdefault(by_key[child], []).append(by_key[parent])
    nodes = [from_json(Node, json.loads(row.record)) for row in rows]
    return _Graph(rows={row.number: row for row in rows}, nodes=nodes, waits=waits)


def _constants(item: Node) -> set[str]:
    return {digest for part in (*item.args, *item.kwargs.values()) for digest in template.assets(part)}
