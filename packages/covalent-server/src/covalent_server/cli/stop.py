"""``covalent stop`` and ``covalent restart``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import click

from covalent_server import settings
from covalent_server.cli import ask, lock, options, output, processes, record, tokens
from covalent_server.cli.directory import DataDirectory
from covalent_server.cli.launch import Order, launch
from covalent_server.cli.start import tell
from covalent_server.errors import NotAnsweringError, SettingsError, StopError

#: Seconds for the answer to the request to stop; the stopping itself takes its own time.
_ANSWER: Final = 3.0
#: Seconds after which the user is told what is being waited for.
_MOMENT: Final = 1.0
#: Seconds that the system may take to clear a killed process away.
_DYING: Final = 10.0

_timeout = click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait before killing it.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """How a server came to its end."""

    pid: int | None
    #: ``asked``, ``SIGTERM`` or ``SIGKILL``; empty when none was running.
    by: str = ""


@click.command()
@options.places
@click.option("--keep-workers", is_flag=True, help="Leave local workers at work; the next server finds them again.")
@_timeout
@options.as_json
def stop(*, keep_workers: bool, timeout: float, as_json: bool, **flags: Any) -> None:
    """Stop the server, and with it its local workers when they have finished what they hold."""
    given = options.load(flags)
    stopped = end(given, keep_workers=keep_workers, seconds=timeout, wait=None if as_json else _wait)
    text = f"Covalent has stopped (pid {stopped.pid})" if stopped.by else f"No server was running on {given.data_dir}"
    if stopped.by == "SIGKILL":
        text += "; it had to be killed, and its local workers may go on for a while"
    output.show(text, {"state": "stopped", "pid": stopped.pid, "by": stopped.by}, as_json=as_json)


@click.command()
@options.every_setting
@_timeout
@options.as_json
def restart(*, timeout: float, as_json: bool, **flags: Any) -> None:
    """Stop the server, leave its local workers at work, and start it again with the settings that it had.

    Flags given here stand above those; without a server one is started.
    """
    given = options.load(flags)
    before = _last(DataDirectory(path=given.data_dir))
    order = _again(before, flags) if before else Order(flags=flags, settings=given, environ=os.environ)
    end(given, keep_workers=True, seconds=timeout)
    tell(launch(order), order.settings, as_json=as_json)


def _last(place: DataDirectory) -> record.ServerRecord | None:
    """The server that is running, or the last one if it ended without stopping."""
    found = record.look(place)
    return found.record or found.stale


def _again(before: record.ServerRecord, given: options.Flags) -> Order:
    """The order to start such a server as that was, but for the flags given now, at the same address."""
    flags = before.flags | {name: value for name, value in given.items() if value is not None}
    environ = before.environment | os.environ
    if settings.HIDDEN in str(flags.get("database_url")) and "COVALENT_DATABASE_URL" in os.environ:
        del flags["database_url"]
    known = settings.load(flags, environ)
    if settings.HIDDEN in known.database_url:
        raise SettingsError(
            f"the server's database is {known.database_url}, and its password is written down nowhere; tell it again "
            "with COVALENT_DATABASE_URL, or keep it in ~/.pgpass and out of the URL"
        )
    if known.port == 0:  # it was chosen then; workers and clients know it by now
        flags["port"] = str(urlsplit(before.url).port)
        known = settings.load(flags, environ)
    return Order(flags=flags, settings=known, environ=environ, allow_late_guard=before.guard == "late")


def _wait() -> None:
    click.echo("Waiting for running tasks; what does not end within seconds runs again after the next start", err=True)


def end(
    given: settings.Settings, *, keep_workers: bool, seconds: float, wait: Callable[[], None] | None = None
) -> Stopped:
    """Bring the server of a data directory to its end: ask it, then signal it, then kill it.

    ``wait`` is called when that takes longer than a moment. Returns when the lock is free. Raises :class:`StopError`
    when even that did not help.
    """
    place = DataDirectory(path=given.data_dir)
    found = record.look(place)
    if found.process is None:
        if found.stale:
            place.record.unlink(missing_ok=True)
        return Stopped(pid=None)
    release = lock.Release(place.lock)
    asked = found.record is not None and _asked(found.record, given, keep_workers=keep_workers)
    if not asked:
        _signal(found.process, signal.SIGTERM)
    moment = min(_MOMENT, seconds)
    ended = release.wait(moment)
    if not ended and wait is not None:
        wait()
    if ended or release.wait(seconds - moment):
        return Stopped(pid=found.process.pid, by="asked" if asked else "SIGTERM")
    _signal(found.process, signal.SIGKILL)
    if release.wait(_DYING):
        place.record.unlink(missing_ok=True)
        return Stopped(pid=found.process.pid, by="SIGKILL")
    raise StopError(f"the server (pid {found.process.pid}) did not end and holds {place.lock}; look at that process")


def _asked(known: record.ServerRecord, given: settings.Settings, *, keep_workers: bool) -> bool:
    """Whether the server took the request to stop."""
    token = tokens.read_token(given.config_dir, known.url)
    try:
        answer = ask.ask(
            "POST",
            f"{known.url}/api/v1/server/stop",
            token=token,
            seconds=_ANSWER,
            body={"keep_workers": keep_workers},
            certificate=known.certificate,
        )
    except NotAnsweringError:
        return False
    return answer.ok


def _signal(process: processes.Process, number: signal.Signals) -> None:
    """Send a signal to that very process, and to none that came after it."""
    try:
        if process.alive:
            os.kill(process.pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise StopError(f"the server (pid {process.pid}) belongs to another account; stop it from there") from None
