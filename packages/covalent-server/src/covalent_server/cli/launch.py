"""Starting a server in the background, and waiting until it is ready."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from covalent_server.cli import directory, options, readiness, record
from covalent_server.errors import AlreadyRunningError, StartError
from covalent_server.settings import Settings

#: A log of more bytes than this is set aside when a server starts.
_LOG_BYTES: Final = 16 * 1024**2
#: Seconds that a server may take to become ready; long, for a large database may have to be migrated.
_PATIENCE: Final = 300.0
_TAIL: Final = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a server is to be started with."""

    flags: options.Flags
    settings: Settings
    environ: Mapping[str, str]
    allow_late_guard: bool = False


def launch(order: Order) -> record.ServerRecord:
    """Start a server in a session of its own; returns when it answers requests.

    Raises what the server itself would have raised, and :class:`StartError` when it died without a word.
    """
    settings = order.settings
    place = directory.prepare(settings.data_dir, allow_network=settings.allow_network_filesystem)
    found = record.look(place)
    if found.state is not record.State.STOPPED:
        raise already_running(found, settings)
    log_start = _fresh_log(place.log)
    reading, writing = os.pipe()
    try:
        process = _spawn(order, place, writing)
    finally:
        os.close(writing)
    try:
        waited = readiness.wait(reading, _PATIENCE)
    finally:
        os.close(reading)
    if waited.error is not None:
        process.wait()
        raise waited.error
    if waited.ready:
        process.returncode = 0  # it lives on, and is no longer ours to wait for
        found = record.look(place)
        if found.record is not None:
            return found.record
    process.kill()
    process.wait()
    raise StartError(_last_words(place.log, log_start, in_time=waited.ended or waited.ready))


def already_running(found: record.Found, settings: Settings) -> AlreadyRunningError:
    """The error that tells which server is running."""
    where = f"at {found.record.url}" if found.record else "but is not ready yet"
    pid = found.process.pid if found.process else 0
    return AlreadyRunningError(
        f"Covalent is already running {where} (pid {pid}) on {settings.data_dir}; "
        "stop it with: covalent stop, or choose another data directory with --data-dir"
    )


def _spawn(order: Order, place: directory.DataDirectory, pipe: int) -> subprocess.Popen[bytes]:
    # A database's URL may hold a password, which a command line would show to everybody on this machine.
    shown = {name: value for name, value in order.flags.items() if name != "database_url"}
    environment = dict(order.environ)
    if order.flags.get("database_url"):
        environment["COVALENT_DATABASE_URL"] = order.settings.database_url
    # -P: a directory that the server happens to be started in must not lend it modules
    command = [sys.executable, "-P", "-m", "covalent_server", "start", "--foreground", "--ready-fd", str(pipe)]
    command += options.as_arguments(_whole_paths(shown, order.settings))
    command += ["--allow-late-guard"] if order.allow_late_guard else []
    place.log.touch(mode=0o600)
    with place.log.open("ab") as log:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=place.path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(pipe,),
            start_new_session=True,
        )


def _whole_paths(flags: options.Flags, settings: Settings) -> options.Flags:
    """The flags with paths that mean the same in another working directory."""
    known = {name: getattr(settings, name, None) for name, value in flags.items() if value is not None}
    return {name: whole if isinstance(whole := known.get(name), Path) else value for name, value in flags.items()}


def _fresh_log(log: Path) -> int:
    """Set a large log aside; returns where in the log the next server's lines begin."""
    size = log.stat().st_size if log.exists() else 0
    if size <= _LOG_BYTES:
        return size
    log.replace(log.with_suffix(".log.1"))
    return 0


def _last_words(log: Path, start: int, *, in_time: bool) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()[-_TAIL:]
    reason = "ended before it was ready" if in_time else f"was not ready within {_PATIENCE:.0f} seconds"
    said = "\n  ".join(["its last words:", *lines]) if lines else "it said nothing"
    return f"the server {reason}; {said}\nThe whole log: {log}"
