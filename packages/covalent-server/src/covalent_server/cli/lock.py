"""The lock that a server holds on its data directory for its life; the kernel takes it away when the server dies.

The file's text names the holder, so that it can be found even before it is ready. The text alone means nothing: only
while the file is locked is somebody there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from covalent_server.cli import processes
from covalent_server.errors import AlreadyRunningError, UnwritableDirectoryError

#: Seconds that a start outlasts a look at the lock by another command.
_PATIENCE: Final = 0.5


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock; :class:`AlreadyRunningError` when somebody does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(descriptor, _PATIENCE):
            raise AlreadyRunningError(
                f"Covalent is already running on {path.parent}; see: covalent status, or stop it with: covalent stop"
            )
        me = processes.this()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{me.pid} {me.started}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> processes.Process | None:
    """The process that holds the lock; None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise UnwritableDirectoryError(
            f"the data directory {path.parent} belongs to another account; use that account, or choose another "
            "directory with --data-dir or COVALENT_DATA_DIR"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, started = os.pread(descriptor, 100, 0).decode(errors="replace").strip().partition(" ")
        return processes.Process(pid=int(pid) if pid.isdecimal() else 0, started=started)
    finally:
        os.close(descriptor)
    return None


class Release:
    """Waits for the lock to be let go, without holding it itself."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._released = threading.Event()
        # A daemon: it may still wait in the kernel when this process has waited long enough.
        threading.Thread(target=self._wait, name="lock-release", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Whether the lock was let go before the time was over."""
        return self._released.wait(seconds)

    def _wait(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        os.close(self._descriptor)
        self._released.set()


def _locked(descriptor: int, seconds: float) -> bool:
    """Lock; wait at most that long."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    waiter = threading.Thread(target=fcntl.flock, args=(descriptor, fcntl.LOCK_EX), name="lock", daemon=True)
    waiter.start()
    waiter.join(seconds)
    return not waiter.is_alive()
