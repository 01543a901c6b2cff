"""A graph as SVG text: readable on light and on dark pages, as a file and inside of a page.

Boxes bring their own dark ground for their white words; what stands on the page itself is of a grey that both kinds of
page leave legible. Kinds of tasks differ by shape and by word, not by colour alone. Nothing has an ``id`` and there is
no style sheet: several drawings in one notebook cannot get into each other's way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from covalent.drawing import wording
from covalent.drawing.grouping import Arrow, Box, Sketch, sketched
from covalent.drawing.layout import BOX_HEIGHT, ROW_GAP, Layout, Place, Point, laid_out
from covalent.drawing.wording import LABEL_SIZE, NAME_SIZE, WORD_SIZE
from covalent.markup import escaped
from covalent.wire.manifest import Graph, Kind

_FONT: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
_GREY: Final = "#767676"
_GROUND: Final = "#364fc7"
_GROUNDS: Final[dict[Kind, str]] = {Kind.SUBLATTICE: "#5f3dc4", Kind.COLLECT: "#0b6e7f", Kind.REPLAY: "#9c3f10"}
_PADDING: Final = 28.0
_MARGIN: Final = 12.0
_HEADING: Final = 42.0
#: Half the width and half the height of an arrow's head.
_HEAD: Final = 4.0
#: How far the second of two outlines, which stand for several tasks, lies behind the first.
_BEHIND: Final = 4.0


def written(graph: Graph) -> str:
    """The picture of a graph, as one SVG element."""
    sketch = sketched(graph)
    captions, labels = wording.captions(graph, sketch), wording.labels(sketch)
    layout = _laid_out(sketch, captions, labels)
    return "\n".join(
        [
            *_opening(wording.heading(graph, sketch), layout),
            *map(_arrow, sketch.arrows, layout.ways, labels),
            *map(_box, sketch.boxes, captions, layout.places),
            "</g></g></svg>",
        ]
    )


def _laid_out(sketch: Sketch, captions: Sequence[tuple[str, str]], labels: Sequence[str]) -> Layout:
    widths = [max(wording.width(name, NAME_SIZE), wording.width(word, WORD_SIZE)) + _PADDING for name, word in captions]
    rooms = [wording.width(label, LABEL_SIZE) for label in labels]
    return laid_out(widths, [(arrow.source, arrow.target) for arrow in sketch.arrows], rooms)


def _opening(heading: tuple[str, str], layout: Layout) -> list[str]:
    name, said = heading
    inside = max(layout.width, wording.width(name, NAME_SIZE), wording.width(said, WORD_SIZE)) + _BEHIND
    width, height = inside + 2 * _MARGIN, layout.height + _BEHIND + _HEADING + 2 * _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} style="max-width:100%;height:auto">',
        f"<title>Transport graph of {escaped(name)}: {escaped(said)}</title>",
        f'<g font-family="{_FONT}" font-size="{NAME_SIZE}" transform="translate({_MARGIN:g},{_MARGIN:g})">',
        f'<text y="10" fill="{_GREY}" font-weight="bold">{escaped(name)}</text>',
        f'<text y="26" fill="{_GREY}" font-size="{WORD_SIZE}">{escaped(said)}</text>',
        f'<g transform="translate(0,{_HEADING:g})">',
    ]


# -- boxes


def _box(box: Box, caption: tuple[str, str], place: Place) -> str:
    kinds = {node.kind for node in box.members}
    kind = kinds.pop() if len(kinds) == 1 else Kind.TASK
    paint = f'fill="{_GROUNDS.get(kind, _GROUND)}"'
    shapes = _shape(kind, place, paint)
    if len(box.members) > 1:
        paint += ' stroke="#fff"'
        shapes = _shape(kind, place, paint, by=_BEHIND) + _shape(kind, place, paint)
    name, word = map(escaped, caption)
    x, y = f"{place.x + place.width / 2:.1f}", f"{place.y + 17:.1f}"
    return (
        f"<g><title>{escaped(wording.title(box))}</title>{shapes}"
        f'<text text-anchor="middle" fill="#fff" x="{x}" y="{y}">{name}'
        f'<tspan x="{x}" dy="15" font-size="{WORD_SIZE}">{word}</tspan></text></g>'
    )


def _shape(kind: Kind, place: Place, paint: str, *, by: float = 0.0) -> str:
    """The outline of a box, ``by`` so much to the right of its place and below."""
    x, y, width, height = place.x + by, place.y + by, place.width, BOX_HEIGHT
    if kind is Kind.COLLECT:
        points = ((0, height / 2), (10, 0), (width - 10, 0), (width, height / 2), (width - 10, height), (10, height))
        corners = " ".join(f"{x + right:.1f},{y + down:.1f}" for right, down in points)
        return f'<polygon points="{corners}" {paint}/>'
    corner = height / 2 if kind is Kind.REPLAY else 6
    outline = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:g}" rx="{corner:g}" {paint}/>'
    if kind is Kind.SUBLATTICE:  # a box within a box
        outline += (
            f'<rect x="{x + 3:.1f}" y="{y + 3:.1f}" width="{width - 6:.1f}" height="{height - 6:g}" rx="4" '
            'fill="none" stroke="#fff"/>'
        )
    return outline


# -- arrows


def _arrow(arrow: Arrow, way: Sequence[Point], label: str) -> str:
    x, y = way[-1]
    dashes = ' stroke-dasharray="5 4"' if arrow.waits else ""
    said = "waits" if arrow.waits else ", ".join(arrow.parameters)
    beside = f'<text x="{x + 6:.1f}" y="{y - 3:.1f}" font-size="{LABEL_SIZE}">{escaped(label)}</text>' if label else ""
    return (
        f'<g fill="{_GREY}"><title>{escaped(said)}</title>'
        f'<path fill="none" stroke="{_GREY}"{dashes} d="{_line(way)}"/>'
        f'<path d="M{x:.1f} {y:.1f}l{-_HEAD:g} {-2 * _HEAD:g}h{2 * _HEAD:g}z"/>{beside}</g>'
    )


def _line(way: Sequence[Point]) -> str:
    """A curve from each row to the next and a straight line through it, up to the middle of the arrow's head."""
    *before, (x, y) = way
    points = [*before, (x, y - _HEAD)]
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (left, upper), (right, lower) in zip(points[::2], points[1::2], strict=True):
        path.append(f"V{upper:.1f}" * (len(path) > 1))
        path.append(
            f"C{left:.1f} {upper + ROW_GAP / 2:.1f} {right:.1f} {lower - ROW_GAP / 2:.1f} {right:.1f} {lower:.1f}"
        )
    return "".join(path)
