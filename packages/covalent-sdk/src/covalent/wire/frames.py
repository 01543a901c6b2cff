"""One message of JSON and raw bytes: what would otherwise be base64 in JSON or a request per asset.

Layout, integers big-endian::

    b"CVF1" | u32 JSON length | u32 number of blobs | u64 size of each blob | JSON | blob 0 | blob 1 | …

The same frames travel over HTTP and over the pipes between a worker's supervisor and its runners.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO, Final

from covalent.errors import WireError

MAGIC: Final = b"CVF1"
_PREFIX: Final = struct.Struct(">4sII")
MAX_BLOBS: Final = 1_000_000

Buffer = bytes | bytearray | memoryview


def pack(text: bytes, blobs: Sequence[Buffer] = ()) -> bytes:
    """One frame of a JSON text and blobs."""
    sizes = struct.pack(f">{len(blobs)}Q", *(len(blob) for blob in blobs))
    return b"".join((_PREFIX.pack(MAGIC, len(text), len(blobs)), sizes, text, *blobs))


def unpack(data: bytes) -> tuple[memoryview, list[memoryview]]:
    """The JSON text and the blobs of one whole frame, without copying."""
    view = memoryview(data)
    text_length, sizes, offset = _read_lengths(view)
    end = offset + text_length + sum(sizes)
    if end != len(view):
        raise WireError(f"a frame of {len(view)} bytes describes {end}")
    text = view[offset : offset + text_length]
    offset += text_length
    blobs = []
    for size in sizes:
        blobs.append(view[offset : offset + size])
        offset += size
    return text, blobs


def _read_lengths(view: memoryview) -> tuple[int, tuple[int, ...], int]:
    if len(view) < _PREFIX.size:
        raise WireError("shorter than a frame's prefix")
    magic, text_length, count = _PREFIX.unpack(view[: _PREFIX.size])
    if magic != MAGIC:
        raise WireError(f"starts with {magic!r}, not with {MAGIC!r}: not a frame of ours")
    offset = _PREFIX.size + 8 * count
    if count > MAX_BLOBS or len(view) < offset:
        raise WireError(f"a frame that claims {count} blobs")
    sizes = struct.unpack(f">{count}Q", view[_PREFIX.size : offset])
    return text_length, sizes, offset


def read(stream: BinaryIO) -> tuple[bytes, list[bytes]] | None:
    """The next frame of a pipe, or None when it is closed between two frames."""
    prefix = stream.read(_PREFIX.size)
    if not prefix:
        return None
    if len(prefix) < _PREFIX.size:
        raise WireError("the pipe ends inside a frame")
    magic, text_length, count = _PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise WireError(f"starts with {magic!r}, not with {MAGIC!r}: not a frame of ours")
    sizes = struct.unpack(f">{count}Q", _exactly(stream, 8 * count))
    text = _exactly(stream, text_length)
    return text, [_exactly(stream, size) for size in sizes]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise WireError("the pipe ends inside a frame")
    return data
