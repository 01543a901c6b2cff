"""Which task a runner is at, readable also when the runner has died or hangs in C code.

A few numbers in a file that both sides map into memory. The runner says which task it begins; the supervisor may
revoke tasks that were sent ahead. A file lock makes the two exclude each other, so a task is either begun or taken
back, never both; the lock of a dead runner is free.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LAYOUT: Final = struct.Struct("=QQQdQ")
_REVOKED: Final = struct.Struct("=Q")
_REVOKED_AT: Final = _LAYOUT.size - _REVOKED.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The task that was begun last (0: none), where in the stream files its output begins, and since when it runs."""

    begun: int
    stdout: int
    stderr: int
    #: By the monotonic clock, which is the same in all processes of a machine.
    since: float


class Mark:
    """The shared numbers of one runner."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < _LAYOUT.size:
            os.ftruncate(self._file, _LAYOUT.size)
        self._map = mmap.mmap(self._file, _LAYOUT.size)

    def begin(self, position: Position) -> bool:
        """Begin a task unless it was revoked; called by the runner."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            (revoked,) = _REVOKED.unpack_from(self._map, _REVOKED_AT)
            if position.begun <= revoked:
                return False
            _LAYOUT.pack_into(self._map, 0, position.begun, position.stdout, position.stderr, position.since, revoked)
            return True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def revoke(self, last: int) -> Position:
        """Take back every task up to ``last`` that was not begun; tells which one was begun last."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            _REVOKED.pack_into(self._map, _REVOKED_AT, last)
            return self._position()
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def read(self) -> Position:
        """Where the runner is."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            return self._position()
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _position(self) -> Position:
        begun, stdout, stderr, since, _ = _LAYOUT.unpack_from(self._map, 0)
        return Position(begun=begun, stdout=stdout, stderr=stderr, since=since)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        os.close(self._file)
