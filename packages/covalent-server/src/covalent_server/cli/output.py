"""How commands speak: plain text on standard output, or one JSON object with a schema version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import click

#: Raised when a field of the JSON output changes its meaning or goes away.
SCHEMA_VERSION: Final = 1
#: What an error's line begins with.
ERROR_PREFIX: Final = "Error: "


def show(text: str, record: Mapping[str, Any], *, as_json: bool, newline: bool = True) -> None:
    """Print ``record`` as JSON or else ``text``, without the end of a line when that is in the text already."""
    click.echo(json.dumps({"schema_version": SCHEMA_VERSION, **record}) if as_json else text, nl=as_json or newline)


def show_error(message: str, code: int, *, as_json: bool) -> None:
    """Print an error on standard error, and as JSON on standard output too when that was asked for."""
    if as_json:
        show("", {"error": {"message": message, "exit_code": code}}, as_json=True)
    click.echo(f"{ERROR_PREFIX}{message}", err=True)


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows in aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
