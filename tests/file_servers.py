"""Servers of files, each on a free port of this machine: on the web, by ssh, a store of objects."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.components import SSH, found
from tests.installation import wait_until


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
        """A file; a number is answered with that status, ``moved?address`` leads there.

        ``cut`` and ``torn`` end too early.
        """
        self.server.headers = dict(self.headers)
        name = self.path.partition("?")[0].strip("/")
        if name.isdecimal():
            self.send_error(int(name))
        elif name == "moved":
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif name == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
        elif name == "torn":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"100\r\nhalf")
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


@contextlib.contextmanager
def web_site() -> Iterator[Site]:
    """A web server."""
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


_STORE = """
import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", 0)
server.start()
port = server.get_host_and_port()[1]
keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys).create_bucket(Bucket="bucket")
print(port, flush=True)
input()
"""


@contextlib.contextmanager
def object_store() -> Iterator[str]:
    """The address of a store that speaks as Amazon's S3 does, in a process of its own; it has a ``bucket``."""
    command = [sys.executable, "-W", "ignore", "-c", _STORE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        port = int(next(line for line in server.stdout if line.strip().isdecimal()))  # it says more than that
        yield f"http://127.0.0.1:{port}"
        server.communicate("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What is reached by ssh: this very machine, through a server of its own."""

    user: str
    port: int
    #: The private key that opens it, and the file by which it is known.
    key: Path
    known_hosts: Path

    @property
    def url(self) -> str:
        return f"ssh://{self.user}@127.0.0.1:{self.port}"


@contextlib.contextmanager
def ssh_machine(directory: Path) -> Iterator[Machine]:
    """A real ssh server; whoever has the key is let in as who runs the tests."""
    _, ssh, sshd = (found(component) for component in SSH)
    for name in ("host", "key"):
        subprocess.run(
            [ssh.with_name("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True
        )
    shutil.copy(directory / "key.pub", directory / "authorized")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # the server wants it when it is root's, and only then
    (directory / "configuration").write_text(
        f"HostKey {directory}/host\nAuthorizedKeysFile {directory}/authorized\nPidFile none\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    user = pwd.getpwuid(os.geteuid()).pw_name
    for _ in range(10):  # another process may take the port before the server does
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ("-D", "-e", "-f", f"{directory}/configuration", "-o", f"ListenAddress=127.0.0.1:{port}")
        with (directory / "log").open("w") as log:
            server = subprocess.Popen([sshd, *options], stderr=log)
        wait_until(lambda server=server, port=port: server.poll() is not None or _greets(port), "the ssh server")
        if server.poll() is None:
            break
    else:
        pytest.fail(f"the ssh server does not start: {(directory / 'log').read_text()}")
    kind, key, *_ = (directory / "host.pub").read_text().split()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    yield Machine(user=user, port=port, key=directory / "key", known_hosts=directory / "known_hosts")
    server.terminate()
    server.wait()


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
