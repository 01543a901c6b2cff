from __future__ import annotations

import socket

import pytest

from covalent_server import settings
from covalent_server.cli.listening import check_port
from covalent_server.errors import PortInUseError


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} on 127.0.0.1; choose another .*--port 0"):
            check_port(settings.load({"port": port}, {"HOME": "/nowhere"}))


def test_a_free_port_is_taken_for_free() -> None:
    check_port(settings.load({"port": 0}, {"HOME": "/nowhere"}))
