"""Finding out whether a server could listen at its address."""

from __future__ import annotations

import errno
import socket

from covalent_server.errors import PortInUseError
from covalent_server.settings import Settings


def check_port(settings: Settings) -> None:
    """Raise :class:`PortInUseError` when somebody listens at the address."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the server itself will: connections that have just been closed are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise port_error(error, settings) from None


def port_error(error: OSError, settings: Settings) -> OSError | PortInUseError:
    """An error of the operating system, told as ours when it is about the port."""
    address = f"port {settings.port} on {settings.host}"
    advice = (
        "choose another (COVALENT_SVC_PORT tells both server and clients), or let a free one be found with --port 0"
    )
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(f"another program uses {address}; {advice}")
    if error.errno == errno.EACCES:
        return PortInUseError(f"this account may not use {address}; {advice}")
    return error
