"""The asset container: a JSON header that anyone may read, then parts that only their environment opens.

Layout, integers big-endian::

    b"CVA1" | u32 header length | header (JSON) | padding to 64 | part 0 | padding to 64 | part 1 | …

Part 0 is the payload in the header's codec; with codec ``pickle`` the others are its out-of-band buffers, aligned
so that they can be used where they lie (mmap). Nothing in this module opens a part.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from covalent.errors import WireError
from covalent.wire.codec import from_json

MAGIC: Final = b"CVA1"
ALIGNMENT: Final = 64
#: A header is a description, not a payload: more than this many bytes is refused.
MAX_HEADER_BYTES: Final = 256 * 1024
_PREFIX: Final = struct.Struct(">4sI")
#: How many bytes come before the header.
PREFIX_BYTES: Final = _PREFIX.size
#: Made once, because making the encoder takes longer than writing a header.
_write_json: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of an object without opening it; a claim of its writer, to be labelled so."""

    #: The version of this header.
    version: int = 1
    #: How part 0 is written: ``pickle``, ``json``, ``reference`` or ``project``.
    codec: str
    #: The full version of the Python that wrote it, ``3.11.7``.
    py_version: str = ""
    #: The implementation that wrote it, ``CPython``.
    implementation: str = ""
    #: The cloudpickle that wrote it, empty for other codecs.
    cloudpickle_version: str = ""
    #: The object's type, ``numpy.ndarray``.
    type_name: str = ""
    #: ``name`` and ``doc`` of functions and classes.
    attrs: dict[str, str] = field(default_factory=dict)
    #: A bounded ``str()`` of the object.
    object_string: str = ""
    #: The object as JSON text when it is small and JSON says all of it, else None.
    json: str | None = None
    #: Whether the payload holds code objects, which only the same Python minor version can read.
    code: bool = False
    #: The parts that no reader may change, by number, if there are any: they are opened where they lie.
    readonly: tuple[int, ...] | None = None
    #: The sizes of the parts, in bytes, padding not counted.
    sizes: tuple[int, ...] = ()
    #: The compression of the parts; empty means none.
    compression: str = ""


_FIELDS: Final = tuple(item.name for item in fields(Header))


def _padding(offset: int) -> int:
    return -offset % ALIGNMENT


def pack(header: Header, parts: Sequence[Buffer]) -> list[Buffer]:
    """The container as a list of buffers to be written one after the other; the parts are not copied."""
    plain = {name: value for name in _FIELDS if (value := getattr(header, name)) is not None}
    text = _write_json(plain).encode("utf-8", "backslashreplace")
    return assemble(text, parts)


def assemble(text: bytes, parts: Sequence[Buffer]) -> list[Buffer]:
    """As :func:`pack`, from the JSON text of a header."""
    if len(text) > MAX_HEADER_BYTES:
        raise WireError(f"a header of {len(text)} bytes exceeds {MAX_HEADER_BYTES}")
    chunks: list[Buffer] = [_PREFIX.pack(MAGIC, len(text)) + text]
    offset = _PREFIX.size + len(text)
    for part in parts:
        gap = _padding(offset)
        if gap:
            chunks.append(bytes(gap))
        chunks.append(part)
        offset += gap + memoryview(part).nbytes
    return chunks


def header_length(prefix: Buffer) -> int:
    """How many bytes prefix and header take together, read off a container's first eight bytes."""
    if len(prefix) < _PREFIX.size:
        raise WireError("shorter than a container's prefix")
    magic, length = _PREFIX.unpack(bytes(prefix[: _PREFIX.size]))
    if magic != MAGIC:
        raise WireError(f"starts with {magic!r}, not with {MAGIC!r}: not an asset of ours")
    if length > MAX_HEADER_BYTES:
        raise WireError(f"a header of {length} bytes exceeds {MAX_HEADER_BYTES}")
    return _PREFIX.size + int(length)


def read_header(data: Buffer) -> Header:
    """The header of a container, of which at least the header's bytes must be there."""
    end = header_length(data)
    if len(data) < end:
        raise WireError("ends inside its header")
    try:
        plain: Any = json.loads(bytes(data[_PREFIX.size : end]))
    except (ValueError, RecursionError) as error:
        raise WireError(f"the header is not JSON: {error}") from None
    header = from_json(Header, plain, path="header")
    if any(size < 0 for size in header.sizes):
        raise WireError("a part of negative size", path="header.sizes")
    return header


def part_spans(data: Buffer, header: Header) -> Iterator[tuple[int, int]]:
    """Offset and end of every part of a whole container; raises WireError when the bytes do not add up."""
    offset = header_length(data)
    for size in header.sizes:
        offset += _padding(offset)
        yield offset, offset + size
        offset += size
    if offset != len(data):
        raise WireError(f"{len(data)} bytes, but its header describes {offset}")


def value_id(data: Buffer) -> str:
    """What equal values share: the SHA-256 of codec and parts, without the rest of the header."""
    header = read_header(data)
    view = memoryview(data)
    return value_digest(header.codec, [view[start:end] for start, end in part_spans(view, header)])


def value_digest(codec: str, parts: Iterable[Buffer]) -> str:
    """As :func:`value_id`, of parts that lie apart."""
    sha = hashlib.sha256(codec.encode())
    for part in parts:
        sha.update(memoryview(part).nbytes.to_bytes(8, "big"))
        sha.update(part)
    return sha.hexdigest()


def whole_size(prefix: Buffer, header: Header) -> int:
    """How many bytes the container has altogether, told from its beginning."""
    offset = header_length(prefix)
    for size in header.sizes:
        offset += _padding(offset) + size
    return offset


def digest(chunks: Sequence[Buffer]) -> str:
    """The asset id: the SHA-256 of the whole container, as 64 hexadecimal digits."""
    sha = hashlib.sha256()
    for chunk in chunks:
        sha.update(chunk)
    return sha.hexdigest()
