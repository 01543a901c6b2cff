"""Where boxes stand and how arrows run: in rows, each box below all that it needs.

The row of a box is the longest way to it. An arrow that passes rows has a lane in each of them, so that no arrow runs
through a box: it is straight inside of rows and curves between them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from covalent.drawing.rows import Pair, Rows, rows_of

#: The measures of a drawing, in pixels.
BOX_HEIGHT: Final = 40.0
ROW_GAP: Final = 46.0
#: The room that the end of an arrow takes.
PORT: Final = 14.0
#: Which part of a box's upper edge arrows may end on.
_EDGE: Final = 0.9

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The left upper corner of a box, and its width."""

    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A place for each box; for each arrow its ends, and between them two points for each row that it passes."""

    places: tuple[Place, ...]
    ways: tuple[tuple[Point, ...], ...]
    width: float
    height: float


def laid_out(widths: Sequence[float], arrows: Sequence[Pair], labels: Sequence[float]) -> Layout:
    """Places for boxes that are at least as wide as this; arrows lead from boxes to later ones, by position.

    ``labels`` says how wide the text is that stands at the right of each arrow's end, 0 where there is none.
    """
    arriving: dict[int, list[int]] = defaultdict(list)
    for number, (_, target) in enumerate(arrows):
        arriving[target].append(number)
    widths = [max(width, _labelled(arriving[box], labels)) for box, width in enumerate(widths)]
    row_of = rows_of(len(widths), arrows)
    rows = Rows(widths, arrows, row_of)
    places = tuple(
        Place(x=rows.centre(box) - width / 2, y=_top(row_of[box]), width=width) for box, width in enumerate(widths)
    )
    ways = [_way(source, range(row_of[source] + 1, row_of[target]), places[source], rows) for source, target in arrows]
    for box, place in enumerate(places):
        _end(place, sorted(arriving[box], key=lambda number: ways[number][-1]), ways, labels)
    height = max((place.y + BOX_HEIGHT for place in places), default=0.0)
    return Layout(places=places, ways=tuple(map(tuple, ways)), width=rows.width, height=height)


def _top(row: int) -> float:
    return row * (BOX_HEIGHT + ROW_GAP)


def _labelled(arriving: Sequence[int], labels: Sequence[float]) -> float:
    """How wide a box must be for the labels of the arrows that end on it; a single arrow ends in the middle."""
    rooms = [labels[number] for number in arriving]
    if not any(rooms):
        return 0.0
    return (PORT + 2 * rooms[0] if len(rooms) == 1 else sum(PORT + room for room in rooms)) / _EDGE


def _way(source: int, passed: Iterable[int], place: Place, rows: Rows) -> list[Point]:
    """The way of an arrow but for its end."""
    way = [(place.x + place.width / 2, place.y + BOX_HEIGHT)]
    for row in passed:
        x = rows.lane(source, row)
        way += [(x, _top(row)), (x, _top(row) + BOX_HEIGHT)]
    return way


def _end(place: Place, arriving: Sequence[int], ways: Sequence[list[Point]], labels: Sequence[float]) -> None:
    """Let the arrows of a box end on its upper edge, beside each other in this order."""
    if len(arriving) == 1:
        ways[arriving[0]].append((place.x + place.width / 2, place.y))
        return
    needed = sum(PORT + labels[number] for number in arriving)
    scale = min(1.0, _EDGE * place.width / needed) if needed else 1.0
    x = place.x + (place.width - scale * needed) / 2
    for number in arriving:
        ways[number].append((x + scale * PORT / 2, place.y))
        x += scale * (PORT + labels[number])
