"""``covalent doctor``."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import click

from covalent.wire import places
from covalent_server import guard
from covalent_server.cli import ask, directory, exits, options, output, record
from covalent_server.cli.directory import DataDirectory
from covalent_server.cli.listening import check_port
from covalent_server.errors import CovalentServerError, NotAnsweringError, UnwritableDirectoryError
from covalent_server.settings import Settings

#: RETURNING, which the server's statements use, came with it.
_SQLITE: Final = (3, 35)
_PYTHON: Final = (3, 11)
#: Free bytes below which a warning is due, and below which nothing works for long.
_LITTLE: Final = 1024**3
_NOTHING: Final = 64 * 1024**2
_ANSWER: Final = 2.0


class Verdict(StrEnum):
    """What a check says."""

    GOOD = "ok"
    #: It works, but not as it should.
    DOUBTFUL = "warning"
    #: A server cannot work so.
    BAD = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of a check; the text says what to do unless it is good."""

    check: str
    verdict: Verdict
    text: str


@click.command()
@options.every_setting
@options.as_json
def doctor(*, as_json: bool, **flags: Any) -> None:
    """Check what a server needs here: Python, the database, disk, port, token, guard, and a running server's answer."""
    settings = options.load(flags)
    found = record.look(DataDirectory(path=settings.data_dir))
    findings = [
        _python(),
        _sqlite() if settings.database_url.startswith("sqlite") else _postgresql(settings),
        _guard(),
        _data_directory(settings),
        _disk(settings),
        _server(found) if found.process else _port(settings),
        _token(settings, found),
    ]
    text = output.table([(finding.verdict, finding.check, finding.text) for finding in findings])
    healthy = all(finding.verdict != Verdict.BAD for finding in findings)
    facts = {"healthy": healthy, "checks": [asdict(finding) for finding in findings]}
    output.show(text, facts, as_json=as_json)
    if not healthy:
        sys.exit(exits.UNHEALTHY)


def _python() -> Finding:
    good = sys.version_info >= _PYTHON
    advice = "" if good else "; install Python 3.11 or later"
    return _finding("python", platform.python_version() + advice, good=good)


def _sqlite() -> Finding:
    good = sqlite3.sqlite_version_info >= _SQLITE
    advice = "" if good else "; 3.35 or later is needed: use a newer Python, or another database (database_url)"
    return _finding("sqlite", sqlite3.sqlite_version + advice, good=good)


def _postgresql(settings: Settings) -> Finding:
    from covalent_server.db import fitness  # noqa: PLC0415  (loads SQLAlchemy)

    try:
        found = fitness.check(settings.database_url)
    except CovalentServerError as error:
        return _finding("postgresql", str(error), good=False)
    return Finding(
        check="postgresql",
        verdict=Verdict.GOOD if found.durable else Verdict.DOUBTFUL,
        text=found.version
        if found.durable
        else f"{found.version}, which loses data when its machine fails: turn fsync on",
    )


def _guard() -> Finding:
    state = guard.status()
    advice = "" if state == "armed" else "; something loads pickle early: see `python -X importtime -m covalent_server`"
    return _finding("guard", state + advice, good=state == "armed")


def _data_directory(settings: Settings) -> Finding:
    def check() -> str:
        directory.check_filesystem(settings.data_dir, allow_network=settings.allow_network_filesystem)
        existing = _existing(settings.data_dir)
        if existing == settings.data_dir:
            directory.prepare(settings.data_dir, allow_network=settings.allow_network_filesystem)
            return str(settings.data_dir)
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise UnwritableDirectoryError(f"{settings.data_dir} cannot be made in {existing}; choose another place")
        return f"{settings.data_dir} will be made by: covalent start"

    return _tried("data directory", check)


def _existing(path: Path) -> Path:
    """The path itself, or what is there of it."""
    return next(place for place in (path, *path.parents) if os.access(place, os.F_OK))


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_existing(settings.data_dir)).free
    text = f"{free / 1024**3:.1f} GiB free"
    if free >= _LITTLE:
        return Finding(check="disk", verdict=Verdict.GOOD, text=text)
    verdict = Verdict.DOUBTFUL if free >= _NOTHING else Verdict.BAD
    return Finding(
        check="disk", verdict=verdict, text=f"{text}; make room, or choose another directory with --data-dir"
    )


def _server(found: record.Found) -> Finding:
    if found.record is None:
        return Finding(check="server", verdict=Verdict.DOUBTFUL, text="it is starting; try again in a moment")
    url, certificate = found.record.url, found.record.certificate

    def check() -> str:
        if not ask.ask("GET", f"{url}/readyz", token=None, seconds=_ANSWER, certificate=certificate).ok:
            raise NotAnsweringError(f"the server at {url} is not ready; see: covalent logs")
        return f"answers at {url}"

    return _tried("server", check)


def _port(settings: Settings) -> Finding:
    def check() -> str:
        check_port(settings)
        return f"{settings.port} is free" if settings.port else "a free one will be found"

    return _tried("port", check)


def _token(settings: Settings, found: record.Found) -> Finding:
    url = found.record.url if found.record else f"http://{settings.host}:{settings.port}"
    path = places.token_path(settings.config_dir, url)
    if not path.exists():
        if found.record is None:
            return Finding(check="token", verdict=Verdict.GOOD, text="will be made by: covalent start")
        text = f"{path} is missing; run: covalent restart"
        return Finding(check="token", verdict=Verdict.BAD, text=text)
    mode = stat.S_IMODE(path.stat().st_mode)
    good = not mode & (stat.S_IRWXG | stat.S_IRWXO)
    advice = "" if good else f" is open to other accounts ({mode:04o}); remove it and run: covalent restart"
    return _finding("token", f"{path}{advice}", good=good)


def _finding(check: str, text: str, *, good: bool) -> Finding:
    return Finding(check=check, verdict=Verdict.GOOD if good else Verdict.BAD, text=text)


def _tried(check: str, trial: Callable[[], str]) -> Finding:
    try:
        return _finding(check, trial(), good=True)
    except CovalentServerError as error:
        return _finding(check, str(error), good=False)
