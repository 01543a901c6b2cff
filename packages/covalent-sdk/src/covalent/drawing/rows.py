"""What stands in which row, in which order and how far to the right."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

Pair = tuple[int, int]

BOX_GAP: Final = 22.0
LANE_GAP: Final = 14.0
#: How often rows are sorted, and shifted; more changes little.
_SORTINGS: Final = 12
_SHIFTS: Final = 24
#: How much more a lane's straightness counts than a box's place.
_STRAIGHT: Final = 8.0


def rows_of(count: int, arrows: Sequence[Pair]) -> list[int]:
    """The row of each box: as high as it can be, but what needs nothing stands just above what needs it."""
    rows = [0] * count
    needing = set()
    for source, target in sorted(arrows, key=lambda arrow: arrow[1]):
        rows[target] = max(rows[target], rows[source] + 1)
        needing.add(target)
    lowest: dict[int, int] = {}
    for source, target in arrows:
        lowest[source] = min(lowest.get(source, rows[target] - 1), rows[target] - 1)
    return [row if box in needing else lowest.get(box, row) for box, row in enumerate(rows)]


class Rows:
    """Rows of boxes and, numbered after them, the lanes of arrows that pass a row.

    An order with few crossings is found by sweeps that sort each row by the middle of the neighbours in the row
    before; positions by sweeps that move each row as near to its neighbours as its order and the gaps allow.
    """

    def __init__(self, widths: Sequence[float], arrows: Sequence[Pair], rows: Sequence[int]) -> None:
        self._widths = list(widths)
        #: By box and row: the arrows of one box share their lanes, and part where they leave them.
        self._lanes: dict[Pair, int] = {}
        self._boxes = len(widths)
        self._rows: list[list[int]] = [[] for _ in range(max(rows, default=-1) + 1)]
        for box, row in enumerate(rows):
            self._rows[row].append(box)
        self._above: dict[int, set[int]] = defaultdict(set)
        self._below: dict[int, set[int]] = defaultdict(set)
        for source, target in arrows:
            upper = source
            for row in range(rows[source] + 1, rows[target]):
                upper = self._joined(upper, self._lane_of(source, row))
            self._joined(upper, target)
        self._x = [0.0] * len(self._widths)
        self._sort()
        self._shift()
        left = min((x - width / 2 for x, width in zip(self._x, self._widths, strict=True)), default=0.0)
        self._x = [x - left for x in self._x]

    # -- what came of it

    def centre(self, box: int) -> float:
        """Where the middle of a box is."""
        return self._x[box]

    def lane(self, source: int, row: int) -> float:
        """Where the arrows from a box pass a row."""
        return self._x[self._lanes[source, row]]

    @property
    def width(self) -> float:
        """How far the last box or lane reaches."""
        return max((x + width / 2 for x, width in zip(self._x, self._widths, strict=True)), default=0.0)

    def _lane_of(self, source: int, row: int) -> int:
        if (source, row) not in self._lanes:
            self._lanes[source, row] = len(self._widths)
            self._rows[row].append(len(self._widths))
            self._widths.append(0.0)
        return self._lanes[source, row]

    def _joined(self, upper: int, lower: int) -> int:
        self._below[upper].add(lower)
        self._above[lower].add(upper)
        return lower

    def _sweep(self, number: int) -> tuple[list[list[int]], Mapping[int, set[int]]]:
        """The rows downwards, and the neighbours above; in every other sweep upwards, and those below."""
        return (self._rows, self._above) if number % 2 == 0 else (self._rows[::-1], self._below)

    # -- order

    def _sort(self) -> None:
        best, fewest = [list(row) for row in self._rows], self._crossings()
        for sweep in range(_SORTINGS):
            if not fewest:
                break
            rows, near = self._sweep(sweep)
            for fixed, row in pairwise(rows):
                self._sort_row(row, fixed, near)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self._rows], crossings
        self._rows = best

    @staticmethod
    def _sort_row(row: list[int], fixed: Sequence[int], near: Mapping[int, set[int]]) -> None:
        position = {item: number / len(fixed) for number, item in enumerate(fixed)}
        wanted = {item: number / len(row) for number, item in enumerate(row)}
        for item in row:
            if near[item]:
                wanted[item] = sum(position[other] for other in near[item]) / len(near[item])
        row.sort(key=wanted.__getitem__)

    def _crossings(self) -> int:
        crossings = 0
        for upper, lower in pairwise(self._rows):
            position = {item: number for number, item in enumerate(lower)}
            seen: list[int] = []
            for item in upper:
                ends = sorted(position[other] for other in self._below[item])
                crossings += sum(len(seen) - bisect_right(seen, end) for end in ends)
                for end in ends:
                    insort(seen, end)
        return crossings

    # -- positions

    def _shift(self) -> None:
        for row in self._rows:
            self._settle(row, [0.0] * len(row))
        for sweep in range(_SHIFTS):
            rows, near = self._sweep(sweep)
            for row in rows[1:]:
                self._settle(row, [self._middle(item, near[item]) for item in row])
        for row in self._rows:
            self._settle(row, [self._middle(item, self._above[item] | self._below[item]) for item in row])

    def _middle(self, item: int, neighbours: set[int]) -> float:
        weights = [_STRAIGHT if self._is_lane(item) and self._is_lane(other) else 1.0 for other in neighbours]
        total = sum(weights)
        if not total:
            return self._x[item]
        return sum(weight * self._x[other] for weight, other in zip(weights, neighbours, strict=True)) / total

    def _is_lane(self, item: int) -> bool:
        return item >= self._boxes

    def _settle(self, row: Sequence[int], wanted: Sequence[float]) -> None:
        gaps = [self._gap(left, right) for left, right in pairwise(row)]
        weights = [_STRAIGHT if self._is_lane(item) else 1.0 for item in row]
        for item, x in zip(row, nearest(wanted, weights, gaps), strict=True):
            self._x[item] = x

    def _gap(self, left: int, right: int) -> float:
        lanes = self._is_lane(left) or self._is_lane(right)
        return (self._widths[left] + self._widths[right]) / 2 + (LANE_GAP if lanes else BOX_GAP)


def nearest(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Positions in this order and at least these gaps apart, as near as can be to those wanted.

    Nearest is where the sum of the weighted squares of the distances is least. Without the gaps the positions need
    only ascend, and are found by pooling neighbours that do not.
    """
    offsets = list(_summed(gaps))
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets, strict=False):
        mean, total, count = want - offset, weight, 1
        while pools and pools[-1][0] >= mean:
            other, its, some = pools.pop()
            mean, total, count = (mean * total + other * its) / (total + its), total + its, count + some
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _summed(gaps: Sequence[float]) -> Iterator[float]:
    position = 0.0
    yield position
    for gap in gaps:
        position += gap
        yield position
