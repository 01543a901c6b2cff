"""What a bridge, the stations in Dask's workers and their outposts say to each other."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from covalent.wire import frames
from covalent.wire.codec import dumps, from_json, loads
from covalent.wire.work import Lease

Buffer = bytes | bytearray | memoryview

#: Stands before every frame between a station and its outpost: which order it belongs to.
_NUMBER: Final = struct.Struct(">Q")
#: What is in the keys that our tasks have with Dask, and in nobody else's.
MARK: Final = "-covalent-"
#: The number of frames that belong to no order: the tokens of leases whose tasks have begun.
BEGUN: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What an outpost speaks for; the same for all orders of a bridge."""

    server: str
    #: The bridge's token and its id: to the server, an outpost is a part of the bridge.
    token: str
    worker: str
    #: Where the stations tell of tasks that have begun.
    topic: str
    #: What vouches for the server's certificate, PEM; empty where the machine knows that.
    authority: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One lease. The frame's blobs are the ``assets`` in order: those of its small assets that the bridge has."""

    lease: Lease
    assets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a station tells its outpost first."""

    post: Post
    slots: int


def packed(record: Any, blobs: Sequence[Buffer] = ()) -> bytes:
    """A record as a frame."""
    return frames.pack(dumps(record), blobs)


def order(frame: bytes) -> tuple[Order, Mapping[str, memoryview]]:
    """An order and its assets; raises WireError."""
    text, blobs = frames.unpack(frame)
    record = from_json(Order, loads(text))
    return record, dict(zip(record.assets, blobs, strict=True))


def record_of(cls: type[Any], frame: bytes) -> Any:
    """A record that came without blobs; raises WireError."""
    return from_json(cls, loads(frames.unpack(frame)[0]))


def numbered(number: int, frame: bytes) -> bytes:
    """A frame of an order, with its length before it, ready for a socket."""
    return _NUMBER.pack(len(frame) + _NUMBER.size) + _NUMBER.pack(number) + frame


def number_of(data: bytes) -> tuple[int, bytes]:
    """What :func:`numbered` has put together, without the length."""
    return _NUMBER.unpack_from(data)[0], data[_NUMBER.size :]
