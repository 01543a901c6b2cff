"""Who is next: dispatches take turns for the workers of a pool, and limits hold some of their nodes back.

A dispatch, with all its sublattices, gets one node on its turn, and one more for each step by which its priority is
above the lowest that waits. So priority says how much goes to whom, and nobody waits for good: however many nodes a
dispatch has, the next turn is another's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: Nodes that a dispatch gets on its turn at most.
LONGEST_TURN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Ready nodes of one root that have the same rank and fall under the same limits, by their keys, first come first.

    It may be the beginning of a longer one.
    """

    root: int
    rank: int
    gate: int
    nodes: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Whose turn it was last, and how much was given on it."""

    rank: int
    root: int
    given: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What limits leave: the limits of each gate, and how many more nodes each of these lets through."""

    gates: Mapping[int, Sequence[int]] = field(default_factory=dict)
    left: Mapping[int, int] = field(default_factory=dict)

    def of(self, gate: int) -> int | None:
        """How many more nodes a gate lets through; None for any number."""
        return min((max(0, self.left[limit]) for limit in self.gates.get(gate, ())), default=None)


def deal(lines: Sequence[Line], want: int, after: Turn | None, room: Room) -> tuple[list[int], Turn | None]:
    """The nodes that are given out, in the order in which their turns came, and whose turn was last."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for line in lines:
        found.setdefault(line.root, []).extend((line.rank, key, line.gate) for key in line.nodes)
    queues = {root: deque(sorted(nodes)) for root, nodes in found.items() if nodes}
    ranks = {root: queue[0][0] for root, queue in queues.items()}
    lowest = max(ranks.values(), default=0)
    left = dict(room.left)
    order, given = _order(ranks, after)
    dealt: list[int] = []
    turn = after
    while order and len(dealt) < want:
        root = order.popleft()
        length = min(1 + lowest - ranks[root], LONGEST_TURN)
        while given < length and len(dealt) < want and (key := _next(queues[root], room, left)) is not None:
            dealt.append(key)
            given += 1
            turn = Turn(rank=ranks[root], root=root, given=given)
        if queues[root]:
            order.append(root)
        given = 0
    return dealt, turn


def _order(ranks: Mapping[int, int], after: Turn | None) -> tuple[deque[int], int]:
    """The roots as their turns come, and how much the first of them was given on its turn already."""
    order = deque(sorted(ranks, key=lambda root: (ranks[root], root)))
    if after is None:
        return order, 0
    passed = sum((ranks[root], root) < (after.rank, after.root) for root in order)
    order.rotate(-passed)
    if not order or order[0] != after.root:
        return order, 0
    return order, after.given


def _next(queue: deque[tuple[int, int, int]], room: Room, left: dict[int, int]) -> int | None:
    """Take the first node from a queue that its limits let through; those before it are held back."""
    while queue:
        _, key, gate = queue.popleft()
        limits = room.gates.get(gate, ())
        if all(left[limit] > 0 for limit in limits):
            for limit in limits:
                left[limit] -= 1
            return key
    return None
