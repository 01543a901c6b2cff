"""What a running server leaves in its data directory for the commands that ask for it, and what they find.

``server.json`` is written when the server answers requests and removed when it stops. After ``kill -9`` it stays, so
it counts only while the lock is held by the very process that it names.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from covalent.errors import WireError
from covalent.wire import codec
from covalent_server.cli import lock
from covalent_server.cli.directory import DataDirectory
from covalent_server.cli.processes import Process

_SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """A server that was ready."""

    pid: int
    #: The process's start, so that a later process of the same pid is not taken for it.
    process_started: str
    #: For this machine's commands and workers.
    url: str
    instance: str
    guard: str
    version: str
    #: Seconds since the epoch.
    started_at: float
    #: The settings that its command line and its environment gave, to start it again alike.
    flags: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    #: Where other machines reach it; empty when they do not.
    public_url: str = ""
    #: The SHA-256 of the certificate that it shows; empty when it speaks without encryption.
    certificate: str = ""
    schema_version: int = _SCHEMA_VERSION


class State(StrEnum):
    """How it stands with the server of a data directory."""

    #: It was ready once and its process lives.
    RUNNING = "running"
    #: Its process lives, and was not ready yet.
    STARTING = "starting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look at a data directory found."""

    state: State
    process: Process | None = None
    record: ServerRecord | None = None
    #: The record of a server that ended without stopping.
    stale: ServerRecord | None = None


def look(directory: DataDirectory) -> Found:
    """Find the server of a data directory."""
    process = lock.holder(directory.lock)
    record = _read(directory.record)
    if process is None:
        return Found(state=State.STOPPED, stale=record)
    if record is not None and (record.pid, record.process_started) == (process.pid, process.started):
        return Found(state=State.RUNNING, process=process, record=record)
    return Found(state=State.STARTING, process=process, stale=record)


def write(path: Path, record: ServerRecord) -> None:
    """Write the record, whole or not at all, for this account alone."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:
        file.write(codec.dumps(record) + b"\n")
    Path(name).replace(path)


def _read(path: Path) -> ServerRecord | None:
    try:
        return codec.from_json(ServerRecord, codec.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError, WireError):
        return None
