"""What a drawing says: the names of its boxes and what they are, and how much room the words take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from covalent.drawing.grouping import Box, Sketch
from covalent.markup import columns, cut
from covalent.wire.manifest import Graph

NAME_SIZE: Final = 13
WORD_SIZE: Final = 11
LABEL_SIZE: Final = 9
#: The width of a letter of the fonts that are asked for, in parts of its size.
_LETTER: Final = 0.61
#: Longer names are cut, and longer lists; the whole names are in the box's title.
_MAX_COLUMNS: Final = 30
_MAX_WORD_COLUMNS: Final = 44
_MAX_LABEL_COLUMNS: Final = 16
_MAX_TITLE_LINES: Final = 12
#: Where more arrows than this end, none is labelled.
_MAX_LABELS: Final = 4


def heading(graph: Graph, sketch: Sketch) -> tuple[str, str]:
    """The workflow's name, and how to read the drawing."""
    count = len(graph.nodes)
    said = [f"{count:,} task{'' if count == 1 else 's'}"]
    if len(sketch.boxes) < count:
        said.append("alike ones share a box")
    if any(arrow.waits for arrow in sketch.arrows):
        said.append("dashed: waits for, takes no value")
    return cut(graph.graph.name or "workflow", _MAX_COLUMNS), "; ".join(said)


def captions(graph: Graph, sketch: Sketch) -> list[tuple[str, str]]:
    """The two lines of each box: names, and what they are; executors only where there are several."""
    output = graph.graph.output
    result = output.get("node") if isinstance(output, dict) else None
    several = len({node.metadata.executor for node in graph.nodes}) > 1
    return [_caption(box, result=result, several=several) for box in sketch.boxes]


def _caption(box: Box, *, result: object, several: bool) -> tuple[str, str]:
    names = _distinct(node.name for node in box.members)
    first, count = box.members[0], len(box.members)
    name = ", ".join(names[:_MAX_COLUMNS])
    if len(names) > 1 and columns(name) > _MAX_COLUMNS:
        name = f"{len(names):,} functions"
    kinds = "/".join(f"{kind}s" for kind in _distinct(node.kind for node in box.members))
    word = f"{first.kind} {first.id}" if count == 1 else f"{count:,} {kinds}"
    if box.connected:
        word += ", connected"
    if several:
        word += f" · {'/'.join(_distinct(node.metadata.executor for node in box.members))}"
    if any(node.id == result for node in box.members):
        word += " → result"
    return cut(name, _MAX_COLUMNS), cut(word, _MAX_WORD_COLUMNS)


def title(box: Box) -> str:
    """The tasks of a box, uncut, with what does not fit into it."""
    lines = [f"{node.name}({node.id}): {node.kind} on {node.metadata.executor}" for node in box.members]
    if len(lines) > _MAX_TITLE_LINES:
        lines[_MAX_TITLE_LINES:] = [f"and {len(lines) - _MAX_TITLE_LINES:,} more"]
    return "\n".join(lines)


def labels(sketch: Sketch) -> list[str]:
    """The parameter at the end of each arrow, where there are few enough to be read."""
    arriving = Counter(arrow.target for arrow in sketch.arrows)
    return [
        cut(", ".join(arrow.parameters), _MAX_LABEL_COLUMNS) if arriving[arrow.target] <= _MAX_LABELS else ""
        for arrow in sketch.arrows
    ]


def width(text: str, size: float) -> float:
    """How wide a text is, in pixels."""
    return columns(text) * size * _LETTER


def _distinct(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
