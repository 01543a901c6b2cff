"""``covalent logs``."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from covalent_server.cli import options, output
from covalent_server.cli.directory import DataDirectory

#: Seconds between looks at a log that is followed.
_PAUSE: Final = 0.2


@click.command()
@options.places
@click.option("-n", "--lines", type=click.IntRange(min=0), default=100, show_default=True, help="How many of the last.")
@click.option("-f", "--follow", is_flag=True, help="Go on with lines as they are written, until Ctrl-C.")
@options.as_json
def logs(*, lines: int, follow: bool, as_json: bool, **flags: Any) -> None:
    """Show what the server in the background has written.

    With --json: one object a line when followed, else one object with all lines.
    """
    log = DataDirectory(path=options.load(flags).data_dir).log
    size = log.stat().st_size if log.exists() else 0
    last = _last_lines(log, size, lines)
    if not follow:
        text = "\n".join(last) or f"Nothing is written in {log}"
        output.show(text, {"file": str(log), "lines": last}, as_json=as_json)
        return
    for line in itertools.chain(last, _coming(log, size)):
        output.show(line, {"line": line}, as_json=as_json)


def _last_lines(log: Path, size: int, lines: int) -> list[str]:
    """The last of the lines within the first ``size`` bytes."""
    if not size or not lines:
        return []
    with log.open("rb") as file:
        return file.read(size).decode("utf-8", "replace").splitlines()[-lines:]


def _coming(log: Path, position: int) -> Iterator[str]:
    """Lines as they come, also when a new server sets the log aside."""
    inode = log.stat().st_ino if log.exists() else 0
    rest = b""
    while True:
        if log.exists():
            with log.open("rb") as file:
                now = os.fstat(file.fileno())
                if now.st_ino != inode or now.st_size < position:
                    inode, position, rest = now.st_ino, 0, b""
                file.seek(position)
                *whole, rest = (rest + file.read()).split(b"\n")
                position = file.tell()
            yield from (line.decode("utf-8", "replace") for line in whole)
        time.sleep(_PAUSE)
