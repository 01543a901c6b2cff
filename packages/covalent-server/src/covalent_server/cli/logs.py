"""``covalent logs``: what the server has written, and what tasks have printed."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from covalent.wire.streams import STREAMS, follow, follow_all
from covalent_server.cli import options, output, tasks
from covalent_server.cli.directory import DataDirectory

#: Seconds between looks at a log that is followed.
_PAUSE: Final = 0.2
#: Of the server's log as many lines are shown as fit on a few pages.
_LINES: Final = 100


@click.command()
@click.argument("dispatch", required=False)
@click.argument("node", type=click.IntRange(min=0), required=False)
@options.places
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    help=f"How many of the last; {_LINES} of the server's, all of a task's.",
)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with what is written, until Ctrl-C or the end.")
@click.option("--stream", type=click.Choice(STREAMS), default="stdout", show_default=True, help="Which of a task's.")
@options.as_json
def logs(
    *,
    dispatch: str | None,
    node: int | None,
    lines: int | None,
    following: bool,
    stream: str,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show what the server in the background has written, or what tasks have printed.

    With DISPATCH it is what all tasks of a dispatch have printed, each line behind its task's name and number; with
    NODE what that task has. With --json: one object for each line or piece when followed, else one object with all.
    """
    settings = options.load(flags)
    if dispatch is None:
        _server(DataDirectory(path=settings.data_dir).log, lines, following=following, as_json=as_json)
        return
    if following and lines is not None:
        raise click.UsageError("--lines is for what has been printed already; leave it out with --follow")
    asked = tasks.streams(settings, dispatch, stream)
    if node is None:
        _all_tasks(asked, lines, following=following, as_json=as_json)
    else:
        _task(asked, node, lines, following=following, as_json=as_json)


def _all_tasks(asked: tasks.Streams, lines: int | None, *, following: bool, as_json: bool) -> None:
    if following:
        for line in follow_all(asked):
            output.show(line.removesuffix("\n"), {"line": line.removesuffix("\n")}, as_json=as_json)
        return
    found = [line.removesuffix("\n") for line in follow_all(asked, only_once=True)]
    found = found if lines is None else found[-lines:] if lines else []
    facts = {"dispatch_id": asked.dispatch_id, "stream": asked.stream, "lines": found}
    output.show("".join(f"{line}\n" for line in found), facts, as_json=as_json, newline=False)


def _task(asked: tasks.Streams, node: int, lines: int | None, *, following: bool, as_json: bool) -> None:
    if following:
        for piece in follow(asked, node, tasks.pause):
            output.show(piece, {"text": piece}, as_json=as_json, newline=False)
        return
    text = asked.printed(asked.node(node), 0, 0).decode("utf-8", "replace")
    if lines is not None:
        text = "".join(text.splitlines(keepends=True)[-lines:] if lines else [])
    facts = {"dispatch_id": asked.dispatch_id, "node_id": node, "stream": asked.stream, "text": text}
    output.show(text, facts, as_json=as_json, newline=False)


def _server(log: Path, lines: int | None, *, following: bool, as_json: bool) -> None:
    size = log.stat().st_size if log.exists() else 0
    last = _last_lines(log, size, _LINES if lines is None else lines)
    if not following:
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
