"""What tasks print: files that runners append to, cut into tasks by the offsets at which each began and ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from covalent.worker.settings import STREAM_LIMIT

STREAMS: Final = ("stdout", "stderr")
_LARGE: Final = 1 << 20


class StreamFile:
    """One stream of one runner; the runner writes (always at its end), the supervisor reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def size(self) -> int:
        """How much is in the file now."""
        return os.fstat(self.descriptor).st_size

    def read(self, start: int, end: int) -> bytes:
        """The bytes between two places, as far as they are there."""
        return os.pread(self.descriptor, max(0, end - start), start)

    def bound(self, start: int) -> None:
        """Throw away what a running task that began at ``start`` printed beyond the limit.

        The runner appends, so it goes on writing behind what is left and the disk does not fill.
        """
        if self.size() > start + 2 * STREAM_LIMIT:
            os.ftruncate(self.descriptor, start + STREAM_LIMIT + 1)

    def empty_if_large(self) -> None:
        """Start anew between two tasks."""
        if self.size() > _LARGE:
            os.ftruncate(self.descriptor, 0)

    def close(self) -> None:
        """Remove the file."""
        os.close(self.descriptor)
        with suppress(FileNotFoundError):
            self._path.unlink()


def pieces(
    file: StreamFile, start: int, end: int, sent: int, *, most: int, limit: int = STREAM_LIMIT
) -> Iterator[tuple[int, bytes]]:
    """What a task printed from its byte ``sent`` on, as (offset, bytes) of at most ``most`` bytes each.

    The task's output lies between ``start`` and ``end``. Beyond ``limit`` bytes stands a note instead.
    """
    length = min(end - start, limit)
    offset = sent
    while offset < length:
        data = file.read(start + offset, start + min(length, offset + most))
        if not data:
            return
        yield offset, data
        offset += len(data)
    if end - start > limit and offset == limit:
        yield offset, cut_note()


def cut_note() -> bytes:
    """What stands where a stream was cut."""
    return f"\n[covalent: cut after {STREAM_LIMIT >> 20} MiB; write large output to a file]\n".encode()
