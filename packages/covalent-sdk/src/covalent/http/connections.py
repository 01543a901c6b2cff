"""Connections to one server: straight, or through the proxy that the environment names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from socket import socket

    from urllib3 import HTTPConnectionPool

#: Names of this very machine.
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
#: Connections kept open; more are made when more threads ask at once.
_KEPT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Connections that are kept open from one request to the next."""

    pool: HTTPConnectionPool
    #: What stands before ``/api/v1`` in a request: a path, or the whole address for a plain proxy.
    prefix: str

    def close(self) -> None:
        """Close those that no request is using."""
        self.pool.close()


def connections(url: str, opened: Callable[[socket], None] | None = None) -> Connections:
    """Connections to the server at ``url``; ``opened`` is shown the socket of each when it is made."""
    import urllib3  # noqa: PLC0415  an import must not cost who never asks a server

    parts = urlsplit(url)
    proxy = _proxy(parts.scheme, parts.hostname or "")
    manager = urllib3.ProxyManager(proxy, maxsize=_KEPT) if proxy else urllib3.PoolManager(maxsize=_KEPT)
    # On many systems ``localhost`` is ::1 first; the server listens on 127.0.0.1.
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    pool = manager.connection_from_host(host, parts.port, parts.scheme)
    if opened is not None:
        pool.ConnectionCls = _showing(pool.ConnectionCls, opened)
    return Connections(pool=pool, prefix=url if proxy and parts.scheme == "http" else parts.path)


def _showing(base: Any, opened: Callable[[socket], None]) -> Any:
    """The same kind of connection, which shows its socket."""

    class Showing(base):  # type: ignore[misc]  # which of urllib3's classes it is depends on the address
        def connect(self) -> None:
            super().connect()
            opened(self.sock)

    return Showing


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host, never for this machine itself."""
    if host in LOOPBACK:
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  costs more than all of this module

    return None if proxy_bypass(host) else getproxies().get(scheme)
