"""Workers that a user starts: on an encrypted connection, with a token of one pool, from the SDK alone."""

from __future__ import annotations

import json
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from tests.acceptance.pool_workers import PoolWorker, environ_of, pool_worker, token_file
from tests.acceptance.programs import Project
from tests.certificates import Authority
from tests.installation import Installation, wait_until

ON_A_POOL = """
from pathlib import Path

pool = ct.executor.WorkerPoolExecutor({pool!r})


@ct.electron
def where(folder):
    import os
    import sys
    import time

    Path(folder, f"began-{{os.getppid()}}").touch()
    while Path(folder, "hold").exists():
        time.sleep(0.01)
    return [sys.executable, os.getppid(), sorted(name for name in os.environ if name.startswith("COVALENT_"))]


@ct.lattice(executor=pool)
def workflow(folder):
    return where(folder)
"""


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("reached")
    installation = Installation(root / "installation").beyond(Authority(root / "authority"), "covalent.example.org")
    installation.environ["COVALENT_LEASE_TTL"] = "2"
    with installation:
        yield installation


class Pool:
    """A pool of its own for each test, with a token for it and a project that sends tasks there."""

    def __init__(self, installation: Installation, name: str, root: Path, python: str) -> None:
        self.installation = installation
        self.name = name
        self.root = root
        self.python = python
        self.folder = root / "folder"
        self.folder.mkdir(parents=True)
        self.token_file = root / "token"
        self.token_id = token_file(installation, name, self.token_file)
        self.project = Project(root / "project", installation, python)
        self.project.workflow(ON_A_POOL.format(pool=name))

    @property
    def trusting(self) -> list[str]:
        return ["--server", self.installation.url, "--ca-file", str(self.installation.authority), "--pool", self.name]

    def worker(self, *arguments: str, name: str = "worker", **environ: str) -> AbstractContextManager[PoolWorker]:
        home = self.root / name
        given = [*self.trusting, "--token-file", str(self.token_file), "--slots", "1", *arguments]
        return pool_worker(self.python, given, environ_of(self.installation, home, **environ), home / "log")

    def hold(self) -> Path:
        """Let tasks go on until this is removed."""
        path = self.folder / "hold"
        path.touch()
        return path

    def begun(self) -> list[int]:
        """Where tasks have begun: their workers' pids."""
        return [int(path.name.partition("-")[2]) for path in self.folder.glob("began-*")]

    def why(self, dispatch_id: str) -> dict[str, Any]:
        (first, *_) = self.installation.request("GET", f"/api/v1/dispatches/{dispatch_id}/why").plain["nodes"]
        return dict(first)


@pytest.fixture
def pool(reached: Installation, tmp_path: Path, client_python: str, request: pytest.FixtureRequest) -> Pool:
    return Pool(reached, f"p{abs(hash(request.node.name))}", tmp_path, client_python)


def test_a_token_is_told_once_and_kept_in_a_file_for_one_account(reached: Installation, tmp_path: Path) -> None:
    file = tmp_path / "token"
    token_id = token_file(reached, "told", file)
    token = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = reached.command("token", "list", "--json").stdout
    assert token_id in listed
    assert token not in listed
    again = reached.command("token", "create", "--pool", "told", "--output", str(file), check=False)
    assert again.returncode != 0
    assert "no token was made" in again.stderr
    assert file.read_text().strip() == token
    assert len([item for item in json.loads(listed)["tokens"] if item["pool"] == "told"]) == 1
    assert (
        "covalent-worker --server https://covalent.example.org:"
        in reached.command("token", "create", "--pool", "told").stdout
    )


@pytest.mark.parametrize("name", ["", "a b", "../a", "a" * 101, ".a"])
def test_what_is_no_pools_name_is_refused(reached: Installation, name: str) -> None:
    refused = reached.command("token", "create", "--pool", name, check=False)
    assert refused.returncode != 0
    assert "is no pool's name" in refused.stderr


def test_a_task_waits_until_a_worker_of_its_pool_is_started(pool: Pool) -> None:
    with pool.project.start(str(pool.folder)) as program:
        found = pool.why(program.dispatch_id())
        assert found["code"] == "no-worker"
        port = urlsplit(pool.installation.url).port
        command = f"covalent-worker --server https://covalent.example.org:{port} --pool {pool.name}"
        assert found["message"] == f"no worker for pool {pool.name}; start one with: {command}"
        with pool.worker() as worker:
            python, worker_pid, variables = program.told().value
            assert (python, worker_pid) == (pool.python, worker.pid)
            assert "COVALENT_CA_FILE" in variables
            assert not any("TOKEN" in name for name in variables)


def test_a_token_is_good_for_its_own_pool_alone(pool: Pool) -> None:
    with pool.worker("--pool", "another") as worker:
        assert worker.ended() == 1
        assert f"the worker's token is for the pool '{pool.name}', not for 'another'" in worker.log()


def test_a_worker_with_another_token_cannot_report_for_one(pool: Pool, tmp_path: Path) -> None:
    with pool.worker():
        wait_until(lambda: _workers(pool), "the worker")
    other = tmp_path / "other"
    token_file(pool.installation, "other", other)
    hello = {"worker": "w" * 24, "pool": pool.name, "slots": 1}
    token = pool.token_file.read_text().strip()
    assert pool.installation.request("POST", "/api/v1/worker/hello", plain=hello, token=token).status == 200
    for path in ("bye", "poll", "heartbeat"):
        refused = pool.installation.request(
            "POST", f"/api/v1/worker/{path}", plain={"worker": "w" * 24}, token=other.read_text().strip()
        )
        assert (refused.status, refused.plain["code"]) == (404, "unknown-worker")


def test_a_revoked_token_ends_its_worker_and_another_runs_its_task(pool: Pool) -> None:
    hold = pool.hold()
    with pool.project.start(str(pool.folder)) as program:
        program.dispatch_id()
        with pool.worker("--max-idle", "600") as revoked:
            wait_until(pool.begun, "the task to begin")
            pool.installation.command("token", "revoke", pool.token_id)
            answer = pool.installation.request(
                "POST", "/api/v1/worker/hello", plain={}, token=pool.token_file.read_text().strip()
            )
            assert answer.status == 401
            assert revoked.ended() == 1
            pool.token_file.unlink()
            token_file(pool.installation, pool.name, pool.token_file)
            hold.unlink()
            with pool.worker(name="second") as second:
                assert program.told().value[1] == second.pid


def test_an_idle_worker_hears_of_its_tokens_end_at_once(pool: Pool) -> None:
    """It waits at the server for up to twenty seconds, and is not left there."""
    with pool.worker("--max-idle", "600") as worker:
        wait_until(lambda: _workers(pool), "the worker")
        pool.installation.command("token", "revoke", pool.token_id)
        assert worker.ended() == 1
        assert "did not accept the token" in worker.log()


def test_once_is_one_task(pool: Pool) -> None:
    pool.project.workflow(
        """
        @ct.electron
        def who(number):
            import os

            return os.getppid()


        @ct.lattice(executor=ct.executor.WorkerPoolExecutor(POOL))
        def workflow():
            return [who(number) for number in range(3)]
        """.replace("POOL", repr(pool.name))
    )
    with pool.project.start() as program:
        program.dispatch_id()
        pids = []
        for number in range(4):  # three tasks, and the one that puts the list together
            with pool.worker("--once", name=f"once-{number}") as worker:
                assert worker.ended() == 0
                pids.append(worker.pid)
        assert sorted(program.told().value) == sorted(pids[:3])


def test_a_worker_that_finds_nothing_to_do_leaves(pool: Pool) -> None:
    with pool.worker("--max-idle", "0.5") as worker:
        assert worker.ended() == 0
        assert "drained" in worker.log()


def test_a_worker_that_is_told_to_leave_finishes_what_runs(pool: Pool) -> None:
    hold = pool.hold()
    with pool.project.start(str(pool.folder)) as program, pool.worker() as worker:
        program.dispatch_id()
        wait_until(pool.begun, "the task to begin")
        worker.signal(signal.SIGTERM)
        wait_until(lambda: "draining" in worker.log(), "the worker to drain")
        assert worker.running
        hold.unlink()
        assert program.told().value[1] == worker.pid
        assert worker.ended() == 0


def test_a_worker_that_is_told_twice_leaves_at_once_and_another_runs_its_task(pool: Pool) -> None:
    hold = pool.hold()
    with pool.project.start(str(pool.folder)) as program:
        program.dispatch_id()
        with pool.worker() as worker:
            wait_until(pool.begun, "the task to begin")
            worker.signal(signal.SIGTERM)
            wait_until(lambda: "draining" in worker.log(), "the worker to drain")
            worker.signal(signal.SIGTERM)
            worker.ended()
        hold.unlink()
        with pool.worker(name="second") as second:
            assert program.told().value[1] == second.pid


def test_who_is_logged_in_needs_no_file(pool: Pool) -> None:
    environ = environ_of(
        pool.installation, pool.root / "mine", COVALENT_API_TOKEN=pool.installation.token, COVALENT_CA_FILE=""
    )
    before = _tokens(pool)
    with (
        pool.project.start(str(pool.folder)) as program,
        pool_worker(pool.python, [*pool.trusting, "--once"], environ, pool.root / "mine" / "log") as worker,
    ):
        assert program.told().value[1] == worker.pid
        assert worker.ended() == 0
    assert _tokens(pool) == before


def test_without_any_token_it_says_how_to_get_one(pool: Pool) -> None:
    environ = environ_of(pool.installation, pool.root / "none")
    with pool_worker(pool.python, pool.trusting, environ, pool.root / "none" / "log") as worker:
        assert worker.ended() == 1
        assert f"covalent token create --pool {pool.name}" in worker.log()


def test_the_token_may_stand_in_the_environment(pool: Pool) -> None:
    environ = environ_of(
        pool.installation,
        pool.root / "variables",
        COVALENT_TOKEN=pool.token_file.read_text(),
        COVALENT_CA_FILE=str(pool.installation.authority),
        COVALENT_SERVER_URL=pool.installation.url,
    )
    arguments = ["--pool", pool.name, "--once"]
    with (
        pool.project.start(str(pool.folder)) as program,
        pool_worker(pool.python, arguments, environ, pool.root / "variables" / "log") as worker,
    ):
        assert program.told().value[1] == worker.pid


def test_a_server_that_nobody_vouches_for_is_told_no_token(pool: Pool) -> None:
    environ = environ_of(pool.installation, pool.root / "doubting", COVALENT_TOKEN=pool.token_file.read_text())
    arguments = ["--server", pool.installation.url, "--pool", pool.name]
    with pool_worker(pool.python, arguments, environ, pool.root / "doubting" / "log") as worker:
        wait_until(lambda: "certificate" in worker.log(), "the worker's complaint")
        assert not _workers(pool)


def test_a_proxy_is_gone_through_except_where_it_is_not_to_be(pool: Pool) -> None:
    """The name leads nowhere but through the proxy, which tells it from the request to connect."""
    port = urlsplit(pool.installation.url).port
    server = f"https://covalent.example.org:{port}"
    with Tunnels(port or 0) as tunnels:
        arguments = ["--server", server, "--pool", pool.name, "--token-file", str(pool.token_file), "--once"]
        arguments += ["--ca-file", str(pool.installation.authority)]
        through = [
            ("environment", [], {"HTTPS_PROXY": tunnels.url}),
            ("option", ["--proxy", tunnels.url], {}),
        ]
        for name, more, environ in through:
            with (
                pool.project.start(str(pool.folder)) as program,
                pool_worker(
                    pool.python,
                    [*arguments, *more],
                    environ_of(pool.installation, pool.root / name, **environ),
                    pool.root / name / "log",
                ) as worker,
            ):
                assert program.told().value[1] == worker.pid
        assert set(tunnels.asked) == {f"covalent.example.org:{port}"}
        asked = len(tunnels.asked)
        home = pool.root / "past"
        variables = environ_of(pool.installation, home, HTTPS_PROXY=tunnels.url, NO_PROXY="example.org")
        with pool_worker(pool.python, arguments, variables, home / "log") as worker:
            wait_until(lambda: "no answer" in worker.log(), "the worker to find no way")
        assert len(tunnels.asked) == asked


def test_a_worker_waits_for_a_server_that_is_restarted(tmp_path: Path, client_python: str) -> None:
    installation = Installation(tmp_path / "installation").beyond(Authority(tmp_path / "authority"), "a.example.org")
    with installation:
        pool = Pool(installation, "gpu", tmp_path / "pool", client_python)
        hold = pool.hold()
        with pool.project.start(str(pool.folder)) as program, pool.worker() as worker:
            program.dispatch_id()
            wait_until(pool.begun, "the task to begin")
            installation.kill()
            installation.start()
            hold.unlink()
            assert program.told().value[1] == worker.pid
            assert pool.begun() == [worker.pid]
            installation.stop()
            assert worker.running  # it is its user's, and not the server's to end
            installation.start()


class Tunnels:
    """An HTTP proxy that makes tunnels to one port of this machine, whatever is asked for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._listener, suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                tunnel = threading.Thread(target=self._tunnel, args=(connection,), daemon=True)
                self._threads.append(tunnel)
                tunnel.start()

    def _tunnel(self, connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", self._port)) as server:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            self.asked.append(head.split()[1].decode())
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_carry, args=(server, connection), daemon=True)
            back.start()
            _carry(connection, server)
            back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _workers(pool: Pool) -> int:
    return sum(item["workers"] for item in _tokens(pool))


def _tokens(pool: Pool) -> list[dict[str, Any]]:
    told = pool.installation.request("GET", "/api/v1/tokens").plain["tokens"]
    return [item for item in told if item["pool"] == pool.name]
