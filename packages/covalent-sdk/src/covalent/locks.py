"""Files that are locked for as long as a process has them open."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def opened(path: Path) -> int:
    """The descriptor of a lock's file, which is made when it is not there, and which no child process inherits."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def locked(path: Path) -> int | None:
    """The descriptor of a file that nobody else has locked, locked now; None, at once, when somebody has."""
    descriptor = opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
