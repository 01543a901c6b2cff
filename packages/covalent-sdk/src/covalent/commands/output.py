"""How the commands speak: plain text, or one JSON object with a schema version.

Names, values and errors are other people's text. A terminal obeys escape sequences, so every character that is not
simply shown is written as its escape.
"""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

#: Raised when a field of the JSON output changes its meaning or goes away.
SCHEMA_VERSION: Final = 1
#: The longest text in a cell of a table.
_CELL: Final = 60


def show(text: str, record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print ``record`` as JSON or else ``text``."""
    said = json.dumps({"schema_version": SCHEMA_VERSION, **record}) if as_json else plain(text)
    sys.stdout.write(f"{said}\n")


def show_error(message: str, code: int, *, as_json: bool) -> None:
    """Print an error on standard error, and as JSON on standard output too when that was asked for."""
    if as_json:
        show("", {"error": {"message": message, "exit_code": code}}, as_json=True)
    sys.stderr.write(f"covalent: {plain(message)}\n")


def plain(text: str) -> str:
    """The text with only lines and tabs to move a terminal's cursor: other control characters as their escapes."""
    return "".join(letter if _is_shown(letter) else _escaped(letter) for letter in text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in aligned columns, each cell on one line."""
    cells = [[_cell(text) for text in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def moment(seconds: float | None) -> str:
    """A time in this machine's time zone."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _is_shown(letter: str) -> bool:
    return letter in "\n\t" or letter.isprintable() or unicodedata.category(letter) == "Zs"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")


def _cell(text: str) -> str:
    line = plain(text.strip()).replace("\t", " ")
    first = line.partition("\n")[0]
    return line if line == first and len(line) <= _CELL else f"{first[: _CELL - 1]}…"
