"""The HTTP client that clients and workers share."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from covalent.errors import AuthenticationError, MissingLatticeRecordError, ServerError, ServerUnreachableError
from covalent.http import Server
from covalent.wire.work import Poll
from tests.integration.worker.fake_server import TOKEN, FakeServer


@pytest.fixture
def server(fake: FakeServer) -> Server:
    return Server(fake.url, TOKEN)


def test_importing_it_imports_no_urllib3() -> None:
    code = "import sys, covalent.http; sys.exit('urllib3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_json_and_frames_go_both_ways(fake: FakeServer, server: Server) -> None:
    answer = server.post("/worker/poll", Poll(worker="w"), blobs=[])
    assert answer.plain["instance"] == fake.instance
    assert server.post("/worker/bye", {"worker": "w"}).plain == {}


def test_assets_are_streamed_up_and_down(fake: FakeServer, server: Server, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    digest = hashlib.sha256(data).hexdigest()
    server.put_asset(digest, [data[:7], memoryview(bytearray(data[7:]))], len(data))
    assert fake.assets[digest] == data
    assert server.get_asset(digest) == data
    server.download_asset(digest, tmp_path / "asset")
    assert (tmp_path / "asset").read_bytes() == data


def test_other_bytes_than_the_digest_says_are_refused_and_leave_no_file(
    fake: FakeServer, server: Server, tmp_path: Path
) -> None:
    fake.assets["0" * 64] = b"something else"
    with pytest.raises(ServerError, match="damaged on their way"):
        server.download_asset("0" * 64, tmp_path / "asset")
    with pytest.raises(ServerError, match="damaged on their way"):
        server.get_asset("0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_token_says_where_it_was_looked_for(fake: FakeServer) -> None:
    with pytest.raises(AuthenticationError, match=r"did not accept the token.*looked for in the file /tokens/x"):
        Server(fake.url, "wrong", token_sources="the file /tokens/x").post("/worker/bye", {})  # noqa: S106 - a place
    with pytest.raises(AuthenticationError, match=r"there is none.*COVALENT_API_TOKEN"):
        Server(fake.url, None).post("/worker/bye", {})


def test_a_problem_keeps_its_status_and_code(server: Server) -> None:
    with pytest.raises(ServerError, match="no such route") as caught:
        server.post("/nowhere", {})
    assert (caught.value.status, caught.value.code) == (404, "fake")
    with pytest.raises(MissingLatticeRecordError):
        server.get("/dispatches/unknown")


def test_nobody_listening_says_how_to_start_a_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://localhost:{free.getsockname()[1]}"
    with pytest.raises(ServerUnreachableError, match=r"refused.*start one with: covalent start"):
        Server(url, None).get("/server")
    assert not Server(url, None).healthy()


def test_a_post_is_not_repeated_unless_it_may_be(fake: FakeServer, server: Server) -> None:
    fake.lose_answers = 1
    with pytest.raises(ServerUnreachableError):
        server.post("/worker/bye", {"worker": "w"})
    assert fake.byes == ["w"]
    fake.lose_answers = 1
    server.post("/worker/bye", {"worker": "v"}, headers={"Idempotency-Key": "k"})
    assert fake.byes == ["w", "v", "v"]


def test_a_proxy_is_never_used_for_this_machine(
    fake: FakeServer, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert server.post("/worker/bye", {"worker": fake.instance}).plain == {}
