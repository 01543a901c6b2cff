"""Seeing a transport graph: as SVG, in a notebook or a file, with nothing but the standard library."""

from __future__ import annotations

import functools
from pathlib import Path

from covalent.drawing.svg import written
from covalent.wire.manifest import Graph

__all__ = ["Drawing"]


class Drawing:
    """The picture of a transport graph; a notebook shows it where it is the value of a cell.

    >>> drawing = sum_of_squares.draw(10)
    >>> drawing.save("sum_of_squares.svg")
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @functools.cached_property
    def svg(self) -> str:
        """The picture as SVG text, which may stand in a page of HTML or in a file of its own."""
        return written(self._graph)

    def save(self, path: str | Path) -> None:
        """Write the picture to a file, whose name must end in ``.svg``."""
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise ValueError(f"the picture is SVG, which {path.name!r} does not say; save it as {path.stem}.svg")
        path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{self.svg}\n', encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        name, count = self._graph.graph.name, len(self._graph.nodes)
        return f"<Drawing of {name!r}: {count} nodes; its save('graph.svg') writes it to a file>"
