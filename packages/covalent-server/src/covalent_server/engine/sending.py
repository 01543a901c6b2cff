"""A request to an address that somebody configured, which must not become a way into the network.

The name is resolved once, every address that it has must be one of the open internet, and the one that was looked at is
the one that is connected to. Redirects are not followed. Hosts that are allowed by name may be anywhere.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class UnvettedAddressError(OSError):
    """An address is not one to send to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go."""

    url: str
    #: Hosts that may be anywhere, also in this network, and reached without TLS.
    allowed: Collection[str] = ()
    #: Seconds that connecting, sending and answering may each take.
    seconds: float = 10.0


def post(target: Target, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a body; raises OSError unless it is answered with success."""
    parts = urlsplit(target.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    if not secure and host not in target.allowed:
        raise UnvettedAddressError(f"{host} is spoken to with TLS only, unless it is allowed by name")
    port = parts.port or (443 if secure else 80)
    address = vetted(host, port, target.allowed)
    stream = socket.create_connection((address, port), timeout=target.seconds)
    # Who sends a byte now and then is never late by the socket's own measure.
    end = threading.Timer(3 * target.seconds, _shut, [stream])
    end.start()
    try:
        if secure:
            stream = ssl.create_default_context().wrap_socket(stream, server_hostname=host)
        connection = http.client.HTTPConnection(host, port, timeout=target.seconds)
        connection.sock = stream
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request("POST", path, body, dict(headers))
        answer = connection.getresponse()  # of which the head alone is read
    except http.client.HTTPException as error:
        raise OSError(f"{host} does not speak HTTP: {error}") from None
    finally:
        end.cancel()
        stream.close()
    if not 200 <= answer.status < 300:
        raise OSError(f"{host} answered {answer.status}")


def _shut(stream: socket.socket) -> None:
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


def vetted(host: str, port: int, allowed: Collection[str]) -> str:
    """An address of a host that may be sent to; raises OSError when any that it has may not."""
    found = [str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    refused = [address for address in found if not is_open(address)]
    if refused and host not in allowed:
        raise UnvettedAddressError(f"{host} is at {refused[0]}, which is no address of the open internet")
    return found[0]


def is_open(address: str) -> bool:
    """Whether an address is one of the open internet: not private, not this machine, not another in disguise."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            hidden = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if hidden is not None:
            found = hidden
        elif found.teredo is not None:
            return False
    return found.is_global and not found.is_multicast
