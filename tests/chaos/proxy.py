"""A proxy between workers or users and the server, which loses, delays, doubles and reorders what passes.

It speaks as much HTTP as it takes to know where a message ends. What becomes of a request is decided by chance, which
is seeded; requests come over many connections, so that the same seed gives the same shares and not the same order.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Final, Self

#: What may become of a request, and of how many.
FATES: Final = {
    "lost": 0.04,
    "answer lost": 0.04,
    "doubled": 0.06,
    "delayed": 0.06,
}
#: The longest delay, in seconds; meanwhile others pass, so that what is delayed is reordered, too.
_DELAY: Final = 0.8
#: Longer than the server holds an answer back.
_PATIENCE: Final = 90.0


class Proxy:
    """Listens on a port of its own, and passes on to where the server is."""

    def __init__(self, server: Callable[[], int], seed: str) -> None:
        """``server`` tells the port at which the server is just now."""
        self._server = server
        self._chance = random.Random(f"proxy {seed}")  # noqa: S311  (no secret)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.fates: Counter[str] = Counter()
        #: Whether anything becomes of requests but that they pass.
        self.unruly = True

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="proxied", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """One connection of a worker or a user, request by request, until something is lost or it is closed."""
        with self._lock:
            self._open.add(connection)
        try:
            with connection, connection.makefile("rb") as incoming:
                while (request := _message(incoming)) is not None:
                    answer = self._answer(request)
                    if answer is None:
                        return
                    connection.sendall(answer)
        except (OSError, ValueError):
            return  # who asked, or who was asked, has gone
        finally:
            with self._lock:
                self._open.discard(connection)

    def _answer(self, request: bytes) -> bytes | None:
        """The server's answer; None when the one who asks is to see its connection closed instead."""
        fate = self._fate()
        if fate == "lost":
            return None
        if fate == "delayed":
            time.sleep(self._chance.uniform(0.0, _DELAY))
        if fate == "doubled":
            self._ask(request)
        answer = self._ask(request)
        return None if fate == "answer lost" else answer

    def _fate(self) -> str:
        with self._lock:
            drawn = self._chance.random()
            for fate, share in FATES.items():
                if drawn < share and self.unruly:
                    self.fates[fate] += 1
                    return fate
                drawn -= share
        return "passed"

    def _ask(self, request: bytes) -> bytes | None:
        with socket.create_connection(("127.0.0.1", self._server()), _PATIENCE) as server:
            server.sendall(request)
            with server.makefile("rb") as incoming:
                return _message(incoming, answers=request.partition(b" ")[0])


def _message(incoming: BinaryIO, *, answers: bytes = b"") -> bytes | None:
    """A whole request, or the whole answer to one; None at the end."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = incoming.readline()
        if not line:
            return None
        head += line
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        return head + _chunks(incoming)
    length = int(fields.get(b"content-length", b"0"))
    if answers == b"HEAD":
        return head
    body = incoming.read(length)
    return head + body if len(body) == length else None


def _chunks(incoming: BinaryIO) -> bytes:
    text = b""
    while True:
        line = incoming.readline()
        size = int(line.partition(b";")[0], 16)
        text += line + incoming.read(size + 2)
        if size == 0:
            return text
