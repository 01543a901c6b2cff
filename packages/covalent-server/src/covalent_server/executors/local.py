"""Local workers: a process in the interpreter that the executor names, in a session of its own.

Such a worker outlives the server: after a restart it is found again by its process id.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from covalent.wire import places
from covalent_server.settings import WORKER_UMASK

#: What a worker must not inherit from the server: its secrets, and what would bend the worker's imports.
_WITHHELD: Final = ("COVALENT_", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")
#: Where caches are is no secret, and is to be the same for all that the account runs.
_LET_THROUGH: Final = frozenset({"COVALENT_CACHE_DIR"})
_TAIL_BYTES: Final = 4000
_KEPT_LOGS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a local worker is started with."""

    python: str
    url: str
    pool: str
    slots: int
    token: str
    #: The pool's directory: cache, spool and logs stay in it from one worker to the next.
    directory: Path
    max_idle: float
    #: What the server's certificate is known by; None when it speaks without encryption.
    ca_file: Path | None = None
    #: The Dask scheduler that it is to be a bridge to.
    dask: str | None = None


class LocalWorker:
    """A worker's process."""

    def __init__(
        self, pid: int, *, process: subprocess.Popen[bytes] | None, log: Path | None, token_file: Path | None
    ) -> None:
        self.pid = pid
        self._process = process
        self._log = log
        self._token_file = token_file
        self._exit = os.pidfd_open(pid)

    def fileno(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._exit

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that has gone already is no error."""
        try:
            signal.pidfd_send_signal(self._exit, number)
        except ProcessLookupError:
            return

    def reap(self) -> None:
        """Release what is left of a process that has ended."""
        if self._process is not None:
            self._process.wait()
        if self._token_file is not None:
            self._token_file.unlink(missing_ok=True)
        os.close(self._exit)

    def token(self) -> str:
        """The token that it was given; empty when nobody knows any more."""
        try:
            return self._token_file.read_text(encoding="ascii").strip() if self._token_file is not None else ""
        except (OSError, UnicodeDecodeError):
            return ""

    def last_words(self) -> str:
        """The end of the worker's log."""
        if self._log is None:
            return ""
        with self._log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _TAIL_BYTES))
            return log.read().decode(errors="replace").strip()


def start(order: Start, environ: Mapping[str, str]) -> LocalWorker:
    """Start a worker; raises OSError when the interpreter cannot be run."""
    order.directory.parent.mkdir(mode=0o700, exist_ok=True)
    order.directory.mkdir(mode=0o700, exist_ok=True)
    _drop_old_logs(order.directory)
    name = secrets.token_hex(4)
    token_file = order.directory / f"token-{name}"
    descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(order.token)
    log = order.directory / f"worker-{name}.log"
    command = [order.python, "-P", "-m", "covalent.worker", "--server", order.url, "--pool", order.pool]
    command += ["--slots", str(order.slots), "--token-file", str(token_file)]
    command += ["--directory", str(order.directory), "--max-idle", str(order.max_idle)]
    command += ["--ca-file", str(order.ca_file)] if order.ca_file is not None else []
    command += [] if order.dask is None else ["--dask", order.dask]
    try:
        with log.open("xb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=order.directory,
                env=environment(environ),
                start_new_session=True,
                umask=int(environ.get(WORKER_UMASK, "-1"), 8),
            )
    except OSError:
        token_file.unlink()
        log.unlink(missing_ok=True)
        raise
    return LocalWorker(process.pid, process=process, log=log, token_file=token_file)


def _drop_old_logs(directory: Path) -> None:
    """Keep the logs of the latest workers."""
    logs = sorted(directory.glob("worker-*.log"), key=lambda path: path.stat().st_mtime)
    for old in logs[:-_KEPT_LOGS]:
        old.unlink()


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The server's environment without what is the server's own; tasks' secrets are where they are for the account."""
    kept = {name: value for name, value in environ.items() if name in _LET_THROUGH or not name.startswith(_WITHHELD)}
    return {**kept, "COVALENT_SECRETS_DIR": str(places.secrets_dir(environ))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """A worker's process that an earlier server started, and the pool that it was started for."""

    pid: int
    pool: str


def survivors(directory: Path) -> list[Survivor]:
    """The living workers whose directories lie in a directory: those too that never came to introduce themselves."""
    found: dict[int, Survivor] = {}
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended meanwhile
        if b"covalent.worker" in command and Path(_after(command, "--directory")).parent == directory:
            pid = int(entry.name)
            found[pid] = Survivor(pid=pid, pool=_after(command, "--pool"))
            parents[pid] = parent
    # A worker's janitor is its child and bears its command line.
    return [worker for pid, worker in found.items() if parents[pid] not in found]


def _after(command: list[bytes], flag: str) -> str:
    """What follows a flag on a command line; nothing if the flag is not there."""
    name = flag.encode()
    return os.fsdecode(command[command.index(name) + 1]) if name in command[:-1] else ""


def find(pid: int) -> LocalWorker | None:
    """A worker that an earlier server started, or None when no such process is there any more."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"covalent.worker" not in command:
            return None
        token_file = _after(command, "--token-file")
        return LocalWorker(pid, process=None, log=None, token_file=Path(token_file) if token_file else None)
    except OSError:
        return None
