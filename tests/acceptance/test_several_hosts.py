"""A pool whose workers are on several hosts: cables are cut, links are slow, and the server moves."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.pool_workers import PoolWorker, environ_of, pool_worker, token_file
from tests.acceptance.programs import Project
from tests.certificates import Authority
from tests.components import NAMESPACES, found
from tests.hosts import Host, Network
from tests.installation import Installation, wait_until

NAME = "covalent.example.org"
TASKS = """
import os
import time
from pathlib import Path


@ct.electron
def visit(folder, number):
    Path(folder, f"began-{os.getppid()}-{number}").touch()
    while Path(folder, "hold").exists():
        time.sleep(0.01)
    return os.getppid(), b"." * SIZE


@ct.lattice(executor=ct.executor.WorkerPoolExecutor("gpu"))
def workflow(folder, count):
    return [pid for pid, _ in [visit(folder, number) for number in range(count)]]
"""


@dataclass(slots=True, kw_only=True)
class Site:
    """A network with a server on one of its hosts."""

    network: Network
    server: Host
    installation: Installation
    project: Project
    root: Path
    python: str
    workers: ExitStack = field(default_factory=ExitStack)

    @property
    def folder(self) -> Path:
        return self.root / "folder"

    def worker(self) -> tuple[Host, PoolWorker]:
        """A worker on a host of its own, which knows the server by its name."""
        host = self.network.host()
        host.knows(NAME, self.server)
        home = self.root / f"worker-{host.address}"
        port = urlsplit(self.installation.url).port
        arguments = ["--server", f"https://{NAME}:{port}", "--pool", "gpu", "--slots", "1"]
        arguments += ["--ca-file", str(self.installation.authority), "--token-file", str(self.root / "token")]
        started = pool_worker(
            host.interpreter(self.python), arguments, environ_of(self.installation, home), home / "log"
        )
        return host, self.workers.enter_context(started)

    def begun(self) -> set[str]:
        """The pids of workers in which tasks have begun."""
        return {path.name.split("-")[1] for path in self.folder.glob("began-*")}

    def expired(self) -> bool:
        """Whether the server has given a lease up."""
        return "leases expired" in self.installation.log()


@pytest.fixture
def site(tmp_path: Path, client_python: str) -> Iterator[Site]:
    found(NAMESPACES)
    with ExitStack() as stack:
        network = stack.enter_context(Network(tmp_path))
        server = network.host()
        installation = Installation(tmp_path / "installation", server.interpreter(sys.executable))
        installation.beyond(Authority(tmp_path / "authority"), NAME)
        installation.environ["COVALENT_LEASE_TTL"] = "2"
        stack.enter_context(installation)
        token_file(installation, "gpu", tmp_path / "token")
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "hold").touch()
        project = Project(tmp_path / "project", installation, server.interpreter(client_python))
        project.workflow(TASKS.replace("SIZE", "0"))
        workers = stack.enter_context(ExitStack())
        yield Site(
            network=network,
            server=server,
            installation=installation,
            project=project,
            root=tmp_path,
            python=client_python,
            workers=workers,
        )


def test_workers_on_three_hosts_share_the_tasks_of_a_pool(site: Site) -> None:
    pids = {str(worker.pid) for _, worker in (site.worker() for _ in range(3))}
    with site.project.start(str(site.folder), 6) as program:
        program.dispatch_id()
        wait_until(lambda: site.begun() == pids, "each host to have a task")
        (site.folder / "hold").unlink()
        assert {str(pid) for pid in program.told().value} == pids


def test_a_task_outlives_a_cut_cable_and_its_late_result_is_taken_once(site: Site) -> None:
    host, worker = site.worker()
    with site.project.start(str(site.folder), 1) as program:
        program.dispatch_id()
        wait_until(site.begun, "the task to begin")
        host.cut()
        wait_until(site.expired, "the server to give the lease up")
        (site.folder / "hold").unlink()
        host.mend()
        assert program.told().value == [worker.pid]
    assert worker.running
    assert len(list(site.folder.glob("began-*"))) == 1


def test_a_host_that_is_gone_is_replaced_by_another(site: Site) -> None:
    host, lost = site.worker()
    with site.project.start(str(site.folder), 1) as program:
        program.dispatch_id()
        wait_until(site.begun, "the task to begin")
        host.cut()
        _, other = site.worker()
        wait_until(lambda: str(other.pid) in site.begun(), "the other host to have it")
        (site.folder / "hold").unlink()
        assert program.told().value == [other.pid]
        host.mend()
    assert lost.running


def test_a_slow_link_takes_longer_and_nothing_else(site: Site) -> None:
    site.project.workflow(TASKS.replace("SIZE", "1_000_000"))
    host, worker = site.worker()
    with site.project.start(str(site.folder), 1) as program:
        program.dispatch_id()
        wait_until(site.begun, "the task to begin")
        host.slow("2mbit")
        (site.folder / "hold").unlink()
        assert program.told().value == [worker.pid]
    assert not site.expired()


def test_workers_follow_a_server_that_has_moved(site: Site) -> None:
    host, worker = site.worker()
    with site.project.start(str(site.folder), 1) as program:
        program.dispatch_id()
        wait_until(site.begun, "the task to begin")
        site.server.move(99)
        host.knows(NAME, site.server)
        (site.folder / "hold").unlink()
        assert program.told().value == [worker.pid]
    listed = json.loads(site.installation.command("token", "list", "--json").stdout)["tokens"]
    assert [item["workers"] for item in listed] == [1]
