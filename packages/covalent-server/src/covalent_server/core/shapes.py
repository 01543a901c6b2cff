"""A graph as columns of numbers: what is drawn of it, told so that ten thousand nodes are a short message."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from covalent_server.core.states import NodeState

#: A letter for each state.
LETTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        NodeState.WAITING: "W",
        NodeState.READY: "Y",
        NodeState.LEASED: "L",
        NodeState.PREPARING: "P",
        NodeState.RUNNING: "R",
        NodeState.DELAYED: "D",
        NodeState.DISPATCHING: "S",
        NodeState.LEFT_TO_CLIENT: "T",
        NodeState.COMPLETED: "C",
        NodeState.FAILED: "F",
        NodeState.CANCELLED: "X",
        NodeState.BLOCKED: "B",
    }
)
#: How often neighbours' neighbours are looked at; what differs farther off than that counts as the same.
ROUNDS: Final = 8

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What never changes of a graph, by the nodes' positions."""

    ids: tuple[int, ...]
    names: tuple[str, ...]
    name: tuple[int, ...]
    kinds: tuple[str, ...]
    kind: tuple[int, ...]
    executors: tuple[str, ...]
    executor: tuple[int, ...]
    groups: int
    group: tuple[int, ...]
    sources: tuple[int, ...]
    targets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What is drawn of a node."""

    number: int
    name: str
    kind: str
    executor: str


def shape(nodes: Sequence[Drawn], pairs: Iterable[Pair]) -> Shape:
    """The shape of a graph, from its nodes in order and its linked pairs of parent and child, by position."""
    ordered = sorted(pairs, key=lambda pair: (pair[1], pair[0]))
    names, name = numbered(node.name for node in nodes)
    kinds, kind = numbered(node.kind for node in nodes)
    executors, executor = numbered(node.executor for node in nodes)
    group = grouped(list(zip(name, kind, strict=True)), ordered)
    return Shape(
        ids=differences(node.number for node in nodes),
        names=names,
        name=name,
        kinds=kinds,
        kind=kind,
        executors=executors,
        executor=executor,
        groups=len(set(group)),
        group=group,
        sources=tuple(source for source, _ in ordered),
        targets=differences(target for _, target in ordered),
    )


def numbered(words: Iterable[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The distinct words, and for each word where it stands among those."""
    places: dict[str, int] = {}
    found = tuple([places.setdefault(word, len(places)) for word in words])
    return tuple(places), found


def differences(numbers: Iterable[int]) -> tuple[int, ...]:
    """The first number, then what each adds to the one before: runs of equal steps compress to nothing."""
    found, before = [], 0
    for number in numbers:
        found.append(number - before)
        before = number
    return tuple(found)


def grouped(labels: Sequence[Hashable], pairs: Sequence[Pair]) -> tuple[int, ...]:
    """For each node its group: those with one label, at one depth, whose neighbours are in the same groups."""
    parents: list[list[int]] = [[] for _ in labels]
    children: list[list[int]] = [[] for _ in labels]
    for source, target in pairs:
        parents[target].append(source)
        children[source].append(target)
    groups = _classes(zip(_depths(parents, children), labels, strict=True))
    count = len(set(groups))
    for _ in range(ROUNDS):
        looked = (
            (own, frozenset([groups[item] for item in above]), frozenset([groups[item] for item in below]))
            for own, above, below in zip(groups, parents, children, strict=True)
        )
        groups = _classes(looked)
        if (found := len(set(groups))) == count:
            break
        count = found
    return groups


def _classes(keys: Iterable[Hashable]) -> tuple[int, ...]:
    places: dict[Hashable, int] = {}
    return tuple([places.setdefault(key, len(places)) for key in keys])


def _depths(parents: Sequence[Sequence[int]], children: Sequence[Sequence[int]]) -> list[int]:
    """How many nodes are on the longest way to each node."""
    left = [len(above) for above in parents]
    depths = [0] * len(left)
    ready = deque(place for place, count in enumerate(left) if not count)
    while ready:
        place = ready.popleft()
        for child in children[place]:
            depths[child] = max(depths[child], depths[place] + 1)
            left[child] -= 1
            if not left[child]:
                ready.append(child)
    return depths
