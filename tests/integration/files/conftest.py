"""Servers of files, each on a free port of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Site(ThreadingHTTPServer):
    """A web server that keeps what is put."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.files: dict[str, bytes] = {}
        #: The headers of the last request.
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Visit(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        """A file; a name that is a number is an answer with that status; ``cut`` ends too early."""
        self.server.headers = dict(self.headers)
        name = self.path.partition("?")[0].strip("/")
        if name.isdecimal():
            self.send_error(int(name))
        elif name == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
        elif name in self.server.files:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.server.files[name])))
            self.end_headers()
            self.wfile.write(self.server.files[name])
        else:
            self.send_error(404)

    def do_PUT(self) -> None:
        """Keep a file."""
        self.server.files[self.path.strip("/")] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server that runs as long as the test."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
