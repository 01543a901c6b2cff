"""Taking over what another dispatch has done: its completed nodes stand in for those that are the same.

It is found out before a dispatch is written, whose nodes are then written as completed: however large both graphs are,
no transaction grows with them.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from covalent.wire import container
from covalent.wire.codec import from_json
from covalent.wire.links import constants
from covalent.wire.manifest import Graph, Manifest, Node
from covalent_server.core.errors import UnknownDispatchError
from covalent_server.core.reuse import Signatures
from covalent_server.core.states import NodeState
from covalent_server.db.assets import value_ids
from covalent_server.db.dispatches import NewDispatch, NewNode
from covalent_server.db.tables import dispatch, link, node


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    """A dispatch that was there before."""

    nodes: list[Node]
    #: Which of its nodes wait for which without taking a value, by number.
    waits: dict[int, set[int]]
    #: The outputs of those that have completed, by number, in the graph's order.
    outputs: dict[int, str]


def taken_over(connection: Connection, new: NewDispatch, manifest: Manifest) -> NewDispatch:
    """A new dispatch, of this manifest, in which outputs of an earlier one stand in where the nodes are the same."""
    graph, old = manifest.graph, _earlier(connection, new.owner, manifest.reuse or "")
    values = value_ids(connection, {digest for item in (*graph.nodes, *old.nodes) for digest in constants(item)})
    values |= {item.digest: container.value_id(item.data) for item in new.assets if item.data is not None}
    signatures = Signatures(values=values)
    left = _outputs(old, signatures)
    found = signatures.of(graph.nodes, _waits(graph))
    taken: dict[int, str] = {}
    for place, item in enumerate(new.nodes):
        same = left[found[item.number]] if item.number in found else None
        if same and not item.left_to_client:
            taken[place] = same.popleft()
    return replace(new, nodes=_completed(new, taken))


def _completed(new: NewDispatch, taken: dict[int, str]) -> Sequence[NewNode]:
    """The nodes with the outputs that were taken over, by their places; none waits for those any more."""
    done = [0] * len(new.nodes)
    for item in new.links:
        done[item.child] += item.parent in taken
    return [
        replace(item, output=taken.get(place), remaining=item.remaining - done[place])
        for place, item in enumerate(new.nodes)
    ]


def _outputs(old: _Earlier, signatures: Signatures) -> defaultdict[int, deque[str]]:
    """The outputs of completed nodes by signature; of equal calls each output serves once, in order."""
    found = signatures.of(old.nodes, old.waits)
    outputs: defaultdict[int, deque[str]] = defaultdict(deque)
    for number, output in old.outputs.items():
        if number in found:
            outputs[found[number]].append(output)
    return outputs


def _earlier(connection: Connection, owner: str, dispatch_id: str) -> _Earlier:
    key = connection.execute(
        select(dispatch.c.key).where(dispatch.c.owner == owner, dispatch.c.id == dispatch_id, dispatch.c.complete == 1)
    ).scalar()
    if key is None:
        raise UnknownDispatchError(dispatch_id)
    rows = connection.execute(
        select(node.c.key, node.c.number, node.c.state, node.c.output, node.c.record)
        .where(node.c.dispatch == key)
        .order_by(node.c.position)
    ).all()
    numbers = {row.key: row.number for row in rows}
    waits: dict[int, set[int]] = {}
    links = select(link).join(node, node.c.key == link.c.child).where(node.c.dispatch == key)
    for parent, child, uses in connection.execute(links):
        if any(use.get("param_type") == "wait" for use in json.loads(uses)):
            waits.setdefault(numbers[child], set()).add(numbers[parent])
    return _Earlier(
        nodes=[from_json(Node, json.loads(row.record)) for row in rows],
        waits=waits,
        outputs={row.number: row.output for row in rows if row.state == NodeState.COMPLETED},
    )


def _waits(graph: Graph) -> dict[int, set[int]]:
    waits: dict[int, set[int]] = {}
    for use in graph.links:
        if use.param_type == "wait":
            waits.setdefault(use.target, set()).add(use.source)
    return waits
