"""Ending a request from outside: a thread that waits for an answer cannot be cancelled, but its socket can be shut.

A server holds some answers back for half a minute. Who has asked for one in a thread of its own, and is told to stop
waiting, would otherwise leave that thread behind until then.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

from covalent.errors import ServerError
from covalent.http.connections import Connections, Network, connections

if TYPE_CHECKING:
    from socket import socket

_current: ContextVar[Interruption | None] = ContextVar("covalent_interruption", default=None)


def current() -> Interruption | None:
    """What may interrupt the requests of this context, None when nothing does."""
    return _current.get()


class Interruption:
    """Ends the requests that are made while it covers them, and lets no more begin.

    Such requests have connections of their own: shutting one can meet no other request.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False
        self._sockets: list[socket] = []
        self._connections: dict[str, Connections] = {}

    @contextlib.contextmanager
    def covering(self) -> Iterator[None]:
        """While requests of this context can be interrupted."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            for made in self._connections.values():
                made.close()

    def interrupt(self) -> None:
        """End what is under way, from any thread; whoever asked for it gets a ServerError."""
        from socket import SHUT_RDWR, socket  # noqa: PLC0415 - importing the SDK is not to load it

        with self._lock:
            self._over = True
            sockets, self._sockets = self._sockets, []
        for opened in sockets:
            with contextlib.suppress(OSError):  # it is closed already
                socket.shutdown(opened, SHUT_RDWR)  # an encrypted one's own shutdown would wait for its peer

    def connections(self, url: str, network: Network) -> Connections:
        """Connections to a server that can be interrupted."""
        self._check()
        if url not in self._connections:
            self._connections[url] = connections(url, network, self._opened)
        return self._connections[url]

    def _opened(self, opened: socket) -> None:
        with self._lock:
            self._sockets.append(opened)
        self._check()  # it may have been interrupted while it connected

    def _check(self) -> None:
        if self._over:
            raise ServerError("whoever asked for this no longer waits for it", code="interrupted")
