"""A socket in front of PostgreSQL's that breaks a connection at a commit, on one side of it or the other."""

from __future__ import annotations

import contextlib
import selectors
import socket
import tempfile
import threading
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path
from typing import Final

_NAME: Final = ".s.PGSQL.5432"
_COMMIT: Final = b"COMMIT"


class Breaks(Enum):
    """Where the next commit gets lost."""

    NOWHERE = auto()
    #: PostgreSQL never hears of it.
    ON_ITS_WAY = auto()
    #: PostgreSQL commits, and nobody hears of that.
    ON_ITS_WAY_BACK = auto()


class Breaker:
    """Passes bytes on until it is told to break."""

    def __init__(self, cluster: Path, directory: Path) -> None:
        self.directory = directory
        self.breaks = Breaks.NOWHERE
        self._cluster = cluster
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / _NAME))
        self._listener.listen()

    def serve(self) -> None:
        """Take connections until the listener is shut."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as ready:
            server.connect(str(self._cluster / _NAME))
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(1 << 16)
                    if not data or (key.fileobj is client and self._broke(data, server)):
                        return
                    key.data.sendall(data)

    def _broke(self, sent: bytes, server: socket.socket) -> bool:
        if self.breaks is Breaks.NOWHERE or _COMMIT not in sent:
            return False
        if self.breaks is Breaks.ON_ITS_WAY_BACK:
            server.sendall(sent)
            assert server.recv(1 << 16)  # the commit's answer
        self.breaks = Breaks.NOWHERE
        return True


@contextlib.contextmanager
def breaker(cluster: Path) -> Iterator[Breaker]:
    """One in front of a cluster, which is reached through ``directory``."""
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="covalent-breaker-", dir="/tmp") as directory:
        made = Breaker(cluster, Path(directory))
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        yield made
        made.close()
        thread.join()
