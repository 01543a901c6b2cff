"""Frames over the socket between a supervisor and a runner: a length, then a frame.

The supervisor's end never blocks: what the runner is slow to read waits in memory, and half a frame that a dying
runner left behind holds nobody up.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from covalent.wire import frames
from covalent.wire.codec import dumps, from_json, loads

Buffer = bytes | bytearray | memoryview
T = TypeVar("T")

_LENGTH: Final = struct.Struct(">Q")
_READ: Final = 1 << 18
_JOINED: Final = 1 << 16


def encode(record: Any, blobs: Sequence[Buffer] = ()) -> bytes:
    """One message, ready to be written."""
    frame = frames.pack(dumps(record), blobs)
    return _LENGTH.pack(len(frame)) + frame


def decode(cls: type[T], frame: bytes) -> tuple[T, list[memoryview]]:
    """A record and its blobs from one frame."""
    text, blobs = frames.unpack(frame)
    return from_json(cls, loads(text)), blobs


def read_blocking(stream: Any) -> bytes | None:
    """The next frame of a buffered binary stream, None at its end."""
    prefix = stream.read(_LENGTH.size)
    if len(prefix) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(prefix)
    frame = stream.read(length)
    return frame if len(frame) == length else None


class Channel:
    """The supervisor's end of a runner's socket."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0.0)
        self._socket = connection
        self._incoming = bytearray()
        self._outgoing: deque[memoryview] = deque()
        #: Whether the runner's end is closed.
        self.ended = False

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be written."""
        return bool(self._outgoing)

    def send(self, message: bytes) -> None:
        """Have a message written by the next :meth:`flush`."""
        self._outgoing.append(memoryview(message))

    def flush(self) -> None:
        """Write what the socket takes; several small messages at once."""
        try:
            while self._outgoing:
                self._join_small()
                head = self._outgoing[0]
                written = self._socket.send(head)
                if written < len(head):
                    self._outgoing[0] = head[written:]
                else:
                    self._outgoing.popleft()
        except BlockingIOError:
            pass
        except OSError:
            # The runner is gone; its end of the socket or its exit will say so.
            self._outgoing.clear()

    def _join_small(self) -> None:
        if len(self._outgoing) > 1 and sum(map(len, self._outgoing)) <= _JOINED:
            joined = memoryview(b"".join(self._outgoing))
            self._outgoing.clear()
            self._outgoing.append(joined)

    def receive(self) -> Iterator[bytes]:
        """The frames that have arrived whole."""
        try:
            while data := self._socket.recv(_READ):
                self._incoming += data
                if len(data) < _READ:
                    break
            else:
                self.ended = True
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True
        while len(self._incoming) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._incoming)
            end = _LENGTH.size + length
            if len(self._incoming) < end:
                return
            frame = bytes(self._incoming[_LENGTH.size : end])
            del self._incoming[:end]
            yield frame

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
