"""What tasks print: files that runners append to, cut into tasks by the offsets at which each began and ended.

The files have no names, so that whatever was printed is gone with the processes that have them open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from covalent.masks import Masks
from covalent.worker.settings import STREAM_LIMIT

STREAMS: Final = ("stdout", "stderr")
_LARGE: Final = 1 << 20


class StreamFile:
    """One stream of one runner; the runner writes (always at its end), the supervisor reads."""

    def __init__(self, directory: Path, name: str) -> None:
        path = directory / name
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        path.unlink()

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
        """Let go of the file, which is gone with that."""
        os.close(self.descriptor)


def pieces(
    file: StreamFile,
    start: int,
    end: int,
    sent: int,
    *,
    most: int,
    masks: Masks,
    running: bool = False,
    limit: int = STREAM_LIMIT,
) -> Iterator[tuple[int, bytes]]:
    """What a task printed from its byte ``sent`` on, as (offset, bytes) of at most ``most`` bytes each.

    The task's output lies between ``start`` and ``end``. Beyond ``limit`` bytes stands a note instead. What ``masks``
    know, looked up after ``end`` was, is hidden; while the task is ``running``, what may become such a value by what is
    printed next is held back.
    """
    margin = max(0, masks.longest - 1)
    length = min(end - start, limit)
    if running and margin and length == end - start:
        length -= masks.begun(file.read(max(start, end - margin), end))
    offset = sent
    while offset < length:
        first, last = start + offset, start + min(length, offset + most)
        # A value that lies across the ends of the piece is found in what is around it.
        around = max(start, first - margin)
        data = masks.hidden(file.read(around, min(end, last + margin)))[: last - around]
        if last == start + (limit if running else length):
            data = masks.hidden_end(data)
        data = data[first - around :]
        if not data:
            return
        yield offset, data
        offset += len(data)
    if end - start > limit and offset == limit:
        yield offset, cut_note()


def cut_note() -> bytes:
    """What stands where a stream was cut."""
    return f"\n[covalent: cut after {STREAM_LIMIT >> 20} MiB; write large output to a file]\n".encode()
