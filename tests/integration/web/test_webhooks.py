"""A receiver on this machine is told when dispatches end, and can tell who says so."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.installation import PATIENCE, Installation

SECRET = b"a secret that both of them know"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    headers: dict[str, str]
    body: bytes

    @property
    def plain(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """What a user runs: it keeps what it is sent, and answers with the next of its statuses."""

    def __init__(self, port: int = 0, statuses: tuple[int, ...] = ()) -> None:
        self.deliveries: queue.Queue[Delivery] = queue.Queue()
        left = list(statuses)
        deliveries = self.deliveries

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(left.pop(0) if left else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()
                deliveries.put(Delivery(headers=dict(self.headers), body=body))

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = HTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver(statuses=(500,))
    yield found
    found.close()


def dispatched(server: Installation) -> str:
    value = builders.asset(1)
    octets = {"Content-Type": "application/octet-stream"}
    server.request("PUT", f"/api/v1/assets/{builders.digest(value)}", value, headers=octets)
    sent = builders.text(builders.manifest([], output={"asset": builders.digest(value)}))
    return str(server.request("POST", "/api/v1/dispatches", sent).plain["dispatch_id"])


def start(server: Installation, port: int) -> None:
    secret = server.root / "secret"
    secret.write_bytes(SECRET + b"\n")
    where = f"http://localhost:{port}/covalent?from=here"
    server.start("--webhook-url", where, "--webhook-allow", "localhost", "--webhook-secret-file", str(secret))


def test_a_receiver_is_told_again_until_it_takes_it_and_knows_who_says_so(tmp_path: Path, receiver: Receiver) -> None:
    with_server = Installation(tmp_path)
    start(with_server, receiver.port)
    try:
        dispatch_id = dispatched(with_server)
        refused, taken = (receiver.deliveries.get(timeout=PATIENCE) for _ in range(2))
        assert refused.body == taken.body
        assert refused.headers["Covalent-Delivery"] == taken.headers["Covalent-Delivery"]
        moment, signature = (part.partition("=")[2] for part in taken.headers["Covalent-Signature"].split(","))
        expected = hmac.new(SECRET, moment.encode() + b"." + taken.body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signature, expected)
        assert abs(time.time() - int(moment)) < PATIENCE
        assert taken.plain["event"] == "dispatch.completed"
        told = with_server.request("GET", f"/api/v1/dispatches/{dispatch_id}").plain
        assert taken.plain["dispatch"] == told
        assert SECRET.decode() not in with_server.log() + with_server.command("config").stdout
    finally:
        with_server.command("stop", check=False)


def test_what_a_killed_server_had_to_tell_the_next_one_tells(tmp_path: Path) -> None:
    away = Receiver()
    away.close()  # its port is refused from now on
    server = Installation(tmp_path)
    start(server, away.port)
    try:
        dispatch_id = dispatched(server)
        server.kill()
        back = Receiver(away.port)
        try:
            start(server, away.port)
            assert back.deliveries.get(timeout=PATIENCE).plain["dispatch"]["dispatch_id"] == dispatch_id
        finally:
            back.close()
    finally:
        server.command("stop", check=False)


@pytest.mark.parametrize(
    "flags",
    [
        ("--webhook-url", "http://localhost:1/"),
        ("--webhook-url", "https://example.org/", "--webhook-secret-file", "/nowhere"),
        ("--webhook-url", "ftp://example.org/"),
        ("--webhook-url", "https://user@example.org/"),
    ],
    ids=str,
)
def test_a_webhook_that_cannot_be_used_keeps_the_server_from_starting(tmp_path: Path, flags: tuple[str, ...]) -> None:
    done = Installation(tmp_path).command("start", *flags, check=False)
    assert done.returncode == 10
    assert "webhook" in done.stderr
