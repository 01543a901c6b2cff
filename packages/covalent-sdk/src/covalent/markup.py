"""Texts of strangers in drawings, notebooks and terminals: escaped, cut, and free of what misleads or XML refuses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

#: Control characters, halves of surrogate pairs and non-characters, which no XML may hold, and the marks that turn the
#: direction of writing, with which a name can look like another one.
_REFUSED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
#: Longer texts than this are cut, and those that are longer than a few lines are folded away.
_LONGEST: Final = 10_000
_UNFOLDED_CHARACTERS: Final = 200
_UNFOLDED_LINES: Final = 3
#: Some pages give tables a colour of their own, which need not suit the page's ground.
_TABLE: Final = "color:inherit;font:inherit"
_CELL: Final = "text-align:left;vertical-align:top;padding:2px 8px;white-space:pre-wrap"


def readable(text: str) -> str:
    """The text with a replacement character for everything that cannot or must not be shown."""
    return _REFUSED.sub("\ufffd", text)


def escaped(text: str) -> str:
    """The text as HTML and XML take it, between tags and inside quoted attributes."""
    return readable(text).translate(_ENTITIES)


def cut(text: str, room: int) -> str:
    """The text in one line of at most so many columns."""
    text = " ".join(readable(text[: 4 * room]).split())
    if columns(text) <= room:
        return text
    text = text[:room]
    while text and columns(text) >= room:
        text = text[:-1]
    return f"{text}…"


def columns(text: str) -> int:
    """How many letters' width a text takes: a letter of East Asian scripts counts for two."""
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def card(title: str, rows: Mapping[str, object]) -> str:
    """A small table in HTML below a title; what is None or empty is left out, and what is long is folded."""
    lines = [
        f'<tr><th style="{_CELL}">{escaped(label)}</th><td style="{_CELL}">{_cell(str(value))}</td></tr>'
        for label, value in rows.items()
        if value is not None and value != ""
    ]
    return f'<div><strong>{escaped(title)}</strong><table style="{_TABLE}">{"".join(lines)}</table></div>'


def _cell(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    first, *more = text.split("\n", _UNFOLDED_LINES)
    if len(more) < _UNFOLDED_LINES and len(text) <= _UNFOLDED_CHARACTERS:
        return escaped(text)
    summary = escaped(f"{first[:_UNFOLDED_CHARACTERS]}…")
    return f"<details><summary>{summary}</summary><pre>{escaped(text)}</pre></details>"
