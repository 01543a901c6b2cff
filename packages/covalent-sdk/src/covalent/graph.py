"""The transport graph: tasks, and which of them take values from which, as node-link JSON.

The JSON is our own, sorted and compact: equal graphs are equal text, whatever version of networkx is installed.
networkx itself is imported only when somebody asks for a view of the graph in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from covalent.deps import DepsCall
from covalent.errors import GraphError, WireError
from covalent.transportable import TransportableObject
from covalent.wire import template
from covalent.wire.codec import dumps, from_json, loads, to_json
from covalent.wire.links import constants, order
from covalent.wire.manifest import Graph, GraphAttributes, Kind, Link, Metadata, Node

if TYPE_CHECKING:
    import networkx as nx


class TransportGraph:
    """A workflow's tasks in the order of their calls, with the assets that they name."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.nodes: list[Node] = []
        #: The template of the workflow's value, None while the graph is being built.
        self.output: Any = None
        #: By asset id: the functions, hooks and constants that nodes name.
        self.assets: dict[str, TransportableObject] = {}
        #: By asset id: the functions themselves, known only to the process that built the graph.
        self.functions: dict[str, Callable[..., Any]] = {}
        #: By asset id: the calls around tasks themselves, likewise.
        self.calls: dict[str, DepsCall] = {}
        #: Modules that are to be sent along, by name, whether or not its functions need them.
        self.modules: set[str] = set()
        self._links: set[Link] = set()

    # -- building

    def add_asset(self, asset: TransportableObject) -> str:
        """Keep an asset and return its id."""
        self.assets.setdefault(asset.asset_id, asset)
        return asset.asset_id

    def add_node(
        self,
        name: str,
        function: str,
        *,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
        keywords: Sequence[str] = (),
        arg_names: Sequence[str] = (),
        metadata: Metadata | None = None,
        kind: Kind = Kind.TASK,
    ) -> int:
        """Add a task and the links that its templates call for; returns its number."""
        node = Node(
            id=len(self.nodes),
            name=name,
            function=function,
            kind=kind,
            args=tuple(args),
            kwargs=kwargs or {},
            keywords=tuple(keywords),
            metadata=metadata or Metadata(),
        )
        self.nodes.append(node)
        for index, item in enumerate(node.args):
            for source in _sources(item):
                self._links.add(Link(source=source, target=node.id, edge_name=arg_names[index], arg_index=index))
        for key, item in node.kwargs.items():
            for source in _sources(item):
                self._links.add(Link(source=source, target=node.id, edge_name=key, param_type="kwarg"))
        return node.id

    def replace_nodes(self, changed: Iterable[Node], names: Mapping[int, Sequence[str]] | None = None) -> None:
        """Put other tasks in the place of those with the same numbers; ``names`` are those of what takes arguments.

        Their arguments stay, and so do the links but for the names. Assets and functions that no task names any more
        are given up.
        """
        for node in changed:
            self.nodes[node.id] = node
        if names:
            self._links = {
                replace(link, edge_name=names[link.target][link.arg_index])
                if link.target in names and link.arg_index is not None
                else link
                for link in self._links
            }
        named = self.named_assets
        self.assets = {digest: asset for digest, asset in self.assets.items() if digest in named}
        self.functions = {digest: function for digest, function in self.functions.items() if digest in named}
        self.calls = {digest: call for digest, call in self.calls.items() if digest in named}

    def add_wait(self, source: int, target: int) -> None:
        """Let a task begin only after another one has ended."""
        if source == target or (source > target and self._leads(target, source)):
            child, parent = self._called(target), self._called(source)
            raise GraphError(f"{child} cannot wait for {parent}, which itself needs {child}")
        self._links.add(Link(source=source, target=target, edge_name="", param_type="wait"))

    def _called(self, node: int) -> str:
        return f"{self.nodes[node].name}({node})"

    def _leads(self, start: int, end: int) -> bool:
        successors: dict[int, set[int]] = {}
        for link in self._links:
            successors.setdefault(link.source, set()).add(link.target)
        reached: set[int] = set()
        waiting = [start]
        while waiting:
            node = waiting.pop()
            if node not in reached:
                reached.add(node)
                waiting.extend(successors.get(node, ()))
        return end in reached

    # -- reading

    @property
    def links(self) -> list[Link]:
        """Every use of a task's output, in a stable order."""
        return sorted(self._links, key=order)

    @property
    def named_assets(self) -> set[str]:
        """The digests of all assets that the graph names."""
        named = set(template.assets(self.output))
        for node in self.nodes:
            named |= {node.function, *node.metadata.hooks.call_before, *node.metadata.hooks.call_after}
            named.update(constants(node))
        return named

    @property
    def record(self) -> Graph:
        """The graph as it is sent."""
        attributes = GraphAttributes(name=self.name, output=self.output)
        return Graph(graph=attributes, nodes=tuple(self.nodes), links=tuple(self.links))

    def get_node_value(self, node_id: int, key: str) -> Any:
        """One field of a node's record, by its name."""
        if not 0 <= node_id < len(self.nodes):
            raise KeyError(node_id)
        try:
            return getattr(self.nodes[node_id], key)
        except AttributeError:
            raise KeyError(key) from None

    def networkx(self) -> nx.MultiDiGraph[int]:
        """A copy of the graph in networkx, to be looked at, drawn and measured."""
        import networkx as nx  # noqa: PLC0415 - half a second that only this needs

        view: nx.MultiDiGraph[int] = nx.MultiDiGraph(name=self.name, output=self.output)
        for node in self.nodes:
            fields = to_json(node)
            view.add_node(fields.pop("id"), **fields)
        for link in self.links:
            fields = to_json(link)
            view.add_edge(fields.pop("source"), fields.pop("target"), **fields)
        return view

    # -- JSON

    def serialize_to_json(self) -> str:
        """Node-link JSON: equal graphs give equal text."""
        return dumps(self.record).decode()

    @classmethod
    def deserialize_from_json(cls, text: str | bytes) -> Self:
        """From node-link JSON, its links under ``links`` or ``edges``."""
        plain = loads(text)
        if isinstance(plain, dict) and "links" not in plain and "edges" in plain:
            plain = {**plain, "links": plain["edges"]}
        return cls.from_record(from_json(Graph, plain))

    @classmethod
    def from_record(cls, record: Graph) -> Self:
        """From the graph as it is sent."""
        if [node.id for node in record.nodes] != list(range(len(record.nodes))):
            raise WireError("expected nodes numbered 0, 1, 2, … in order", path="$.nodes")
        graph = cls(record.graph.name)
        graph.nodes = list(record.nodes)
        graph.output = record.graph.output
        graph._links = set(record.links)
        return graph

    def with_nodes(self, nodes: Sequence[Node]) -> Graph:
        """The graph as it is sent, its nodes replaced by others of the same numbers."""
        return replace(self.record, nodes=tuple(nodes))

    def __eq__(self, other: object) -> bool:
        return self.record == other.record if isinstance(other, TransportGraph) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<TransportGraph {self.name!r}: {len(self.nodes)} nodes, {len(self._links)} links>"


def _sources(item: Any) -> Iterator[int]:
    """The nodes that a template mentions; most templates are constants, which is seen at a glance."""
    return iter(()) if "value" in item or "asset" in item else template.nodes(item)
