"""Connections to one server: straight, or through a proxy; encrypted where its address says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from covalent.errors import ConfigError

if TYPE_CHECKING:
    from socket import socket
    from ssl import SSLContext

    from urllib3 import HTTPConnectionPool

#: Names of this very machine.
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
#: Connections kept open; more are made when more threads ask at once.
_KEPT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How a server is connected to, where that is not as usual."""

    #: The certificates that vouch for the server's, a PEM file; None for those that the system trusts.
    ca_file: Path | None = None
    #: The proxy to go through; None for what the environment names, if it does.
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Connections that are kept open from one request to the next."""

    pool: HTTPConnectionPool
    #: What stands before ``/api/v1`` in a request: a path, or the whole address for a plain proxy.
    prefix: str

    def close(self) -> None:
        """Close those that no request is using."""
        self.pool.close()


def connections(url: str, network: Network, opened: Callable[[socket], None] | None = None) -> Connections:
    """Connections to the server at ``url``; ``opened`` is shown the socket of each when it is made.

    Raises ConfigError when they cannot be made as the network asks.
    """
    import urllib3  # noqa: PLC0415  an import must not cost who never asks a server

    parts = urlsplit(url)
    proxy = _proxy(parts.scheme, parts.hostname or "", network.proxy)
    try:
        manager = urllib3.ProxyManager(proxy, maxsize=_KEPT) if proxy else urllib3.PoolManager(maxsize=_KEPT)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise ConfigError(f"{proxy!r} is no proxy's address ({error}); write http://proxy.example.org:3128") from None
    keywords: dict[str, Any] = {"ssl_context": _trusting(network.ca_file)} if parts.scheme == "https" else {}
    # On many systems ``localhost`` is ::1 first; the server listens on 127.0.0.1.
    if parts.hostname == "localhost":
        keywords |= {"server_hostname": parts.hostname} if keywords else {}
        pool = manager.connection_from_host("127.0.0.1", parts.port, parts.scheme, pool_kwargs=keywords)
    else:
        pool = manager.connection_from_host(parts.hostname, parts.port, parts.scheme, pool_kwargs=keywords)
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


def _trusting(ca_file: Path | None) -> SSLContext:
    """What vouches for a server: those whom the system trusts, or whom the file names, the server itself perhaps."""
    import ssl  # noqa: PLC0415  who speaks without encryption does not load it

    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # those of ssl are some, too
        raise ConfigError(
            f"the certificates in {ca_file} cannot be read ({error}); name a PEM file with --ca-file, COVALENT_CA_FILE "
            "or dispatcher.ca_file"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _proxy(scheme: str, host: str, given: str | None) -> str | None:
    """The proxy for a host, which was given or is named in the environment; never for this machine itself."""
    if host in LOOPBACK:
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  costs more than all of this module

    return None if proxy_bypass(host) else given or getproxies().get(scheme)
