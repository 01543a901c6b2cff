"""What is drawn as one box: a task by itself, or in a large graph the tasks that are alike.

A graph that fits a page is drawn task by task. A larger one is looked at from farther and farther away, until it fits:
tasks of one function with the same neighbours are one box, then those of one function at the same depth, then all of
one function, and in the end all of one kind. Boxes that would lead into each other in a circle become one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from covalent.errors import GraphError
from covalent.wire.manifest import Graph, Link, Node

#: What fits a page: so many boxes in all, and so many tasks beside each other that are drawn by themselves.
MAX_BOXES: Final = 60
MAX_ABREAST: Final = 12
#: How often neighbours' neighbours are looked at; what differs farther off than that counts as the same.
_ROUNDS: Final = 8

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One task, or several that are drawn as one."""

    members: tuple[Node, ...]
    #: Whether some of them come after others of them.
    connected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """All links from the tasks of one box to those of another, by the boxes' positions."""

    source: int
    target: int
    #: The parameters that take the values; empty for mere order.
    parameters: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether no value goes this way."""
        return not self.parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """Boxes in an order in which all arrows lead forward."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def sketched(graph: Graph) -> Sketch:
    """The graph in as many boxes as a page holds."""
    pairs = _pairs(graph)
    chosen: list[int] = []
    for classes in _groupings(graph.nodes, pairs):
        chosen = classes
        if len(set(classes)) <= MAX_BOXES:
            break
    return _sketch(graph, chosen, pairs)


def _pairs(graph: Graph) -> set[Pair]:
    for link in graph.links:
        if not (0 <= link.source < len(graph.nodes) and 0 <= link.target < len(graph.nodes)):
            last = len(graph.nodes) - 1
            raise GraphError(
                f"a link leads from {link.source} to {link.target}, but the nodes are numbered 0 to {last}"
            )
    return {(link.source, link.target) for link in graph.links}


def _groupings(nodes: Sequence[Node], pairs: set[Pair]) -> Iterator[list[int]]:
    """For each node the number of its class, from the finest classes to the coarsest."""
    depths = _depths(len(nodes), pairs)
    if max(Counter(depths).values(), default=0) <= MAX_ABREAST:
        yield [node.id for node in nodes]
    functions = [(node.kind, node.name, node.metadata.executor) for node in nodes]
    alike = _numbered(zip(depths, functions, strict=True))
    yield _told_apart(alike, pairs)
    yield alike
    yield _numbered(functions)
    yield _numbered(node.kind for node in nodes)


def _depths(count: int, pairs: set[Pair]) -> list[int]:
    """How many tasks come before each one, along the longest way."""
    needs: dict[int, list[int]] = {number: [] for number in range(count)}
    for source, target in pairs:
        needs[target].append(source)
    depths = [0] * count
    try:
        for number in TopologicalSorter(needs).static_order():
            depths[number] = 1 + max((depths[source] for source in needs[number]), default=-1)
    except CycleError as error:
        circle = ", ".join(map(str, error.args[1]))
        raise GraphError(f"the graph cannot be drawn, nor run: its nodes {circle} wait for each other") from None
    return depths


def _numbered(keys: Iterable[Hashable]) -> list[int]:
    """Equal keys as equal numbers, in the order of appearance."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _told_apart(classes: list[int], pairs: set[Pair]) -> list[int]:
    """Finer classes: their members have neighbours of the same classes."""
    for _ in range(_ROUNDS):
        before: dict[int, set[int]] = defaultdict(set)
        after: dict[int, set[int]] = defaultdict(set)
        for source, target in pairs:
            after[source].add(classes[target])
            before[target].add(classes[source])
        finer = _numbered(
            (number, frozenset(before[node]), frozenset(after[node])) for node, number in enumerate(classes)
        )
        if len(set(finer)) == len(set(classes)):
            break
        classes = finer
    return classes


def _sketch(graph: Graph, classes: list[int], pairs: set[Pair]) -> Sketch:
    order, box_of = _in_order(classes, {(classes[source], classes[target]) for source, target in pairs})
    position = {box: number for number, box in enumerate(order)}
    places = [position[box_of[number]] for number in classes]
    members: list[list[Node]] = [[] for _ in order]
    for node in graph.nodes:
        members[places[node.id]].append(node)
    links: dict[Pair, list[Link]] = defaultdict(list)
    for link in graph.links:
        links[places[link.source], places[link.target]].append(link)
    boxes = [Box(members=tuple(inside), connected=(at, at) in links) for at, inside in enumerate(members)]
    arrows = [
        Arrow(source=source, target=target, parameters=_parameters(links[source, target]))
        for source, target in sorted(links)
        if source != target
    ]
    return Sketch(boxes=tuple(boxes), arrows=tuple(arrows))


def _parameters(links: Iterable[Link]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(link.edge_name for link in links if link.param_type != "wait"))


def _in_order(classes: Iterable[int], pairs: set[Pair]) -> tuple[list[int], dict[int, int]]:
    """The boxes so that all pairs lead forward, and the box of each class: circles are merged into one."""
    box_of = {number: number for number in sorted(set(classes))}
    while True:
        needs: dict[int, list[int]] = {box: [] for box in dict.fromkeys(box_of.values())}
        for source, target in sorted({(box_of[source], box_of[target]) for source, target in pairs}):
            if source != target:
                needs[target].append(source)
        try:
            return list(TopologicalSorter(needs).static_order()), box_of
        except CycleError as error:
            circle = set(error.args[1])
            box_of = {number: min(circle) if box in circle else box for number, box in box_of.items()}
