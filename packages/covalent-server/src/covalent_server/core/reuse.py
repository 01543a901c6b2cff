"""When a task of one dispatch is the same as one of another, so that its output may be taken over.

Two tasks are the same when name, kind, function, input values and all their ancestors are. That is told by a number
for each task, its *signature*: equal things get equal numbers, and a task's number is made of those of its parents.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from covalent.wire.links import sources
from covalent.wire.manifest import Node


@dataclass(slots=True, kw_only=True)
class Signatures:
    """The signatures of any number of graphs; only those of one object can be compared."""

    #: What stands for an asset: its value id where it is known.
    values: Mapping[str, str]
    _numbers: dict[Hashable, int] = field(default_factory=dict)

    def of(self, nodes: Sequence[Node], waits: Mapping[int, Collection[int]]) -> dict[int, int]:
        """The signature of each node whose function has an identity and whose ancestors have a signature.

        ``waits`` names the nodes that a node waits for without taking a value from them.
        """
        by_number = {node.id: node for node in nodes}
        parents = {node.id: {*sources(node), *waits.get(node.id, ())} for node in nodes}
        found: dict[int, int] = {}
        for number in TopologicalSorter(parents).static_order():
            node = by_number[number]
            if node.function_id and parents[number] <= found.keys():
                waited = tuple(sorted(found[source] for source in waits.get(number, ())))
                found[number] = self._numbered((*identity(node, self.values, found), waited))
        return found

    def _numbered(self, description: Hashable) -> int:
        return self._numbers.setdefault(description, len(self._numbers))


def identity(node: Node, values: Mapping[str, str], parents: Mapping[int, Hashable]) -> tuple[Hashable, ...]:
    """What a task is: its name, kind and function, and its inputs, with ``parents`` in place of other nodes."""
    args = tuple(_described(item, values, parents) for item in node.args)
    kwargs = tuple((name, _described(item, values, parents)) for name, item in sorted(node.kwargs.items()))
    return node.name, str(node.kind), node.function_id, args, kwargs, node.keywords


def _described(item: Any, values: Mapping[str, str], parents: Mapping[int, Hashable]) -> Hashable:
    """A template as something that equals another one when both give equal values."""
    if "asset" in item:
        return "asset", values.get(item["asset"], item["asset"])
    if "node" in item:
        steps = tuple(
            tuple(_described(part, values, parents) if isinstance(part, dict) else _scalar(part) for part in step)
            for step in item.get("path", ())
        )
        return "node", parents[item["node"]], steps
    ((kind, content),) = item.items()
    if kind == "value":
        return _scalar(content)
    if kind == "dict":
        pairs = ((_described(key, values, parents), _described(value, values, parents)) for key, value in content)
        return kind, tuple(pairs)
    return kind, tuple(_described(part, values, parents) for part in content)


def _scalar(value: Any) -> Hashable:
    """A scalar with its type: 1, 1.0 and True are equal, but no function needs to treat them so."""
    return type(value).__name__, repr(value)
