"""Who is slow is not waited for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.installation import Installation


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("impatient"))
    installation.environ["COVALENT_REQUEST_TIMEOUT"] = "1"
    with installation:
        yield installation


@pytest.mark.parametrize("said", [b"", b"GET /api", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n"])
def test_a_connection_that_never_finishes_its_head_is_closed(impatient: Installation, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(impatient.url).port or 0), timeout=60) as connection:
        connection.sendall(said)
        assert connection.recv(1000) == b""


@pytest.mark.parametrize("path", ["POST /api/v1/dispatches", f"PUT /api/v1/assets/{'0' * 64}"])
def test_a_body_that_never_arrives_is_answered_with_408(impatient: Installation, path: str) -> None:
    content_type = "application/json" if path.startswith("POST") else "application/octet-stream"
    head = (
        f"{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {impatient.token}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: 100\r\n\r\n{{"
    )
    with socket.create_connection(("127.0.0.1", urlsplit(impatient.url).port or 0), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408")
    assert not list((impatient.data / "assets" / "incoming").iterdir())
