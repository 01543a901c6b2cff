"""Files from and to a real web server."""

from __future__ import annotations

import socket
import tracemalloc
from pathlib import Path

import pytest

import covalent as ct
from covalent.errors import FileTransferError
from tests.file_servers import Site

HTTP = ct.fs_strategies.HTTP


def test_a_file_is_fetched(site: Site, tmp_path: Path) -> None:
    site.files["a.csv"] = b"1,2"
    HTTP(headers={"X-Key": "let me in"}).download(ct.fs.File(f"{site.url}/a.csv?part=1"), ct.fs.File(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == b"1,2"
    assert site.headers["X-Key"] == "let me in"


def test_a_file_is_stored(site: Site, tmp_path: Path) -> None:
    for content in (b"1,2", b""):
        (tmp_path / "a").write_bytes(content)
        HTTP().upload(ct.fs.File(tmp_path / "a"), ct.fs.File(f"{site.url}/b"))
        assert site.files["b"] == content


def test_what_is_said_to_one_server_is_not_said_to_another(site: Site, tmp_path: Path) -> None:
    site.files["a.csv"] = b"1,2"
    strategy = HTTP(headers={"Authorization": "Bearer me"})
    for place, told in (("", "Bearer me"), (site.url.replace("127.0.0.1", "localhost"), None)):
        strategy.download(ct.fs.File(f"{site.url}/moved?{place}/a.csv"), ct.fs.File(tmp_path / "a"))
        assert (tmp_path / "a").read_bytes() == b"1,2"
        assert site.headers.get("Authorization") == told


def test_a_large_file_is_never_in_memory(site: Site, tmp_path: Path) -> None:
    size = 64 << 20
    site.files["large"] = bytes(size)
    tracemalloc.start()
    HTTP().download(ct.fs.File(f"{site.url}/large"), ct.fs.File(tmp_path / "large"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "large").stat().st_size == size
    assert peak < size / 8


def test_an_address_may_hold_what_is_written_in_bytes_there(site: Site, tmp_path: Path) -> None:
    site.files["two%20words%20%C3%BC.csv"] = b"1,2"
    for name in ("two words ü.csv", "two%20words%20%C3%BC.csv"):
        HTTP().download(ct.fs.File(f"{site.url}/{name}"), ct.fs.File(tmp_path / "a"))
        assert (tmp_path / "a").read_bytes() == b"1,2"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("404", "/404 answered 404 Not Found; nothing is there: check the address"),
        ("401", "/401 answered 401 Unauthorized; it wants to know who asks: strategy=ct.fs_strategies.HTTP"),
        ("503", "/503 answered 503 Service Unavailable; the trouble is the server's"),
        ("418", "/418 answered 418 .*; check the address"),
        ("404?signature=1", r"/404\?… answered 404"),
        ("torn", "/torn ended before it was whole: .*; let the electron try again with retries="),
        ("cut", "/cut ended after 4 of 1000 bytes: the connection was lost"),
    ],
)
def test_an_answer_that_is_no_file_is_told(site: Site, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(FileTransferError, match=message):
        HTTP().download(ct.fs.File(f"{site.url}/{path}"), ct.fs.File(tmp_path / "a"))


def test_a_server_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
        with pytest.raises(FileTransferError, match="/a cannot be reached from the machine that the task runs on"):
            HTTP().download(ct.fs.File(address), ct.fs.File(tmp_path / "a"))


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(FileTransferError, match=r"cannot be reached .*: timed out"):
            HTTP(timeout=0.1).download(ct.fs.File(address), ct.fs.File(tmp_path / "a"))


def test_a_task_reads_what_was_fetched_and_what_it_writes_is_stored(site: Site) -> None:
    site.files["in"] = b"abc"

    @ct.electron(files=[ct.fs.TransferFromRemote(f"{site.url}/in"), ct.fs.TransferToRemote(f"{site.url}/out")])
    def work(files: list[tuple[str, str]]) -> None:
        (_, read), (write, _) = files
        Path(write).write_bytes(Path(read).read_bytes().upper())

    @ct.lattice
    def workflow() -> None:
        work()  # type: ignore[call-arg] # files come by themselves

    ct.testing.run(workflow)()
    assert site.files["out"] == b"ABC"


def test_a_header_may_be_a_secret(site: Site, tmp_path: Path, secrets_directory: Path) -> None:
    site.files["a.csv"] = b"1,2"
    (secrets_directory / "key").touch(mode=0o600)
    (secrets_directory / "key").write_text("let me in")
    HTTP(headers={"X-Key": ct.Secret("key")}).download(ct.fs.File(f"{site.url}/a.csv"), ct.fs.File(tmp_path / "a"))
    assert site.headers["X-Key"] == "let me in"
