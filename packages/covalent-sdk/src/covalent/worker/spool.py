"""Results on disk until the server has acknowledged them.

A segment is a file of length-prefixed frames, each a whole result with its small blobs. It is written before its
results are sent and emptied when all of them are acknowledged; emptied segments are used again. It protects against
the death of the worker, not of the machine, so nothing is fsynced: a machine that dies takes its leases with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from covalent.errors import WireError
from covalent.wire import frames
from covalent.wire.codec import dumps, from_json, loads
from covalent.wire.work import Completion, StreamChunk

Buffer = bytes | bytearray | memoryview

_LENGTH: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A completion with all that has to reach the server before it or with it."""

    completion: Completion
    #: The digests of the blobs that come first; the pieces of streams follow.
    assets: tuple[str, ...] = ()
    streams: tuple[StreamChunk, ...] = ()
    #: Assets that are sent ahead: where each lies, by digest.
    files: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Segment:
    """A file of results and how many of them are not acknowledged."""

    file: BinaryIO
    outstanding: int = 0


@dataclass(slots=True, kw_only=True)
class Entry:
    """A result on its way to the server."""

    result: Result
    blobs: Sequence[Buffer]
    segment: Segment | None = field(default=None, repr=False)
    #: How often the server refused it; after the first time it is told something else instead.
    refusals: int = 0


def packed(entry: Entry) -> bytes:
    """A result with its blobs, as a frame."""
    return frames.pack(dumps(entry.result), entry.blobs)


def unpacked(frame: bytes) -> Entry:
    """What :func:`packed` has packed; raises WireError."""
    text, blobs = frames.unpack(frame)
    return Entry(result=from_json(Result, loads(text)), blobs=blobs)


class Spool:
    """The segments of one worker."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._free: list[Segment] = []
        self._segments: list[Segment] = []

    def write(self, entries: Sequence[Entry]) -> None:
        """Put results on disk, in a segment of their own."""
        segment = self._free.pop() if self._free else self._new()
        parts: list[bytes] = []
        for entry in entries:
            frame = packed(entry)
            parts += (_LENGTH.pack(len(frame)), frame)
            entry.segment = segment
        segment.outstanding = len(entries)
        segment.file.write(b"".join(parts))
        segment.file.flush()

    def done(self, entry: Entry) -> None:
        """A result was acknowledged."""
        segment, entry.segment = entry.segment, None
        if segment is None:
            return
        segment.outstanding -= 1
        if segment.outstanding == 0:
            segment.file.seek(0)
            segment.file.truncate()
            self._free.append(segment)

    def close(self) -> None:
        """Let go of the files; what is in them stays."""
        for segment in self._segments:
            segment.file.close()

    def _new(self) -> Segment:
        segment = Segment((self._directory / f"{len(self._segments) + 1:06}.spool").open("wb"))
        self._segments.append(segment)
        return segment


def read(directory: Path) -> Iterator[Entry]:
    """The results that a dead worker left; one that it died in the middle of writing ends a segment."""
    for path in sorted(directory.glob("*.spool")):
        data = path.read_bytes()
        offset = 0
        while offset + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, offset)
            offset += _LENGTH.size
            try:
                yield unpacked(data[offset : offset + length])
            except WireError:
                break
            offset += length
