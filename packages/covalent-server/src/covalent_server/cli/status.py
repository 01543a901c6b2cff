"""``covalent status``."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import click

from covalent_server.cli import ask, exits, options, output, record
from covalent_server.cli.directory import DataDirectory
from covalent_server.errors import NotAnsweringError, NotRunningError

_ANSWER: Final = 2.0


@click.command()
@options.places
@options.as_json
def status(*, as_json: bool, **flags: Any) -> None:
    """Tell whether a server is running, where, and how well it is guarded."""
    settings = options.load(flags)
    found = record.look(DataDirectory(path=settings.data_dir))
    facts: dict[str, Any] = {"state": str(found.state), "data_dir": str(settings.data_dir)}
    if found.record is None:
        text = _without_server(found, settings.data_dir)
        output.show(text, facts | {"pid": found.process.pid if found.process else None}, as_json=as_json)
        sys.exit(exits.code_of(NotRunningError()))
    known = found.record
    answering = _answers(known)
    for name in ("pid", "url", "public_url", "guard", "version", "instance", "started_at"):
        facts[name] = getattr(known, name)
    output.show(_text(known, answering=answering), facts | {"answering": answering}, as_json=as_json)
    if not answering:
        sys.exit(exits.code_of(NotAnsweringError()))


def _answers(known: record.ServerRecord) -> bool:
    try:
        return ask.ask("GET", f"{known.url}/healthz", token=None, seconds=_ANSWER, certificate=known.certificate).ok
    except NotAnsweringError:
        return False


def _text(known: record.ServerRecord, *, answering: bool) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(known.started_at))
    state = "running" if answering else "running, but it does not answer; see: covalent logs"
    rows = [
        ("state", state),
        ("url", known.url),
        *([("elsewhere", known.public_url)] if known.public_url else []),
        ("pid", str(known.pid)),
        ("guard", known.guard),
        ("version", known.version),
        ("since", since),
    ]
    return output.table([*rows])


def _without_server(found: record.Found, data_dir: object) -> str:
    if found.process:
        return f"Covalent is starting (pid {found.process.pid}) on {data_dir}"
    if found.stale:
        return (
            f"Covalent is not running on {data_dir}: the last server (pid {found.stale.pid}) ended without stopping; "
            "start it again with: covalent start"
        )
    return f"Covalent is not running on {data_dir}; start it with: covalent start"
