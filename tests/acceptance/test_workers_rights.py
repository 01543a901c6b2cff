"""What local workers may do and know, who may read the server's files, and how long workers live."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from covalent_server.web.app import ROUTES
from covalent_server.web.routing import Route, Scope
from tests.acceptance.books import Books
from tests.acceptance.programs import Project
from tests.installation import Installation, wait_until

_ABOUT_ITS_PROCESS = """
import os


@ct.electron
def about():
    return {"environment": dict(os.environ), "worker": os.getppid()}


@ct.lattice
def workflow():
    return about()
"""


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory, shared_installation: Installation) -> Path:
    """The file by which the server gave a real local worker its token."""
    project = Project(tmp_path_factory.mktemp("worker"), shared_installation)
    project.workflow(_ABOUT_ITS_PROCESS)
    project.run()
    return next(shared_installation.data.glob("workers/*/token-*"))


@pytest.mark.parametrize(
    "route",
    # Strangers' routes are for who has no token yet, and do not look at one.
    [route for route in ROUTES if route.scope is not Scope.STRANGER],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_a_workers_token_is_good_for_leases_and_assets_alone(
    shared_installation: Installation, token_file: Path, route: Route
) -> None:
    path = route.path.format(id="some", node="0", stream="stdout", digest="0" * 64)
    answer = shared_installation.request(route.method, path, token=token_file.read_text(), plain={})
    if route.scope in (Scope.USER, Scope.PROVISIONER):
        assert answer.status == 403, answer
    else:
        assert answer.status not in {401, 403}, answer
        assert route.scope is Scope.ANYONE or path.startswith(("/api/v1/worker/", "/api/v1/assets/"))


def test_nobody_else_on_the_machine_can_read_what_the_server_keeps(
    shared_installation: Installation, token_file: Path
) -> None:
    tokens = shared_installation.root / "config" / "tokens"
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (shared_installation.data, tokens)}
    assert modes == dict.fromkeys(modes, 0o700)
    files = [token_file, *(path for path in tokens.iterdir() if path.is_file())]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600] * len(files)


def test_a_task_finds_no_secret_of_the_server_in_its_environment(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "installation")
    canaries = {
        name: f"canary-{name.lower()}"
        for name in ("COVALENT_TOKEN", "COVALENT_SOME_TOKEN", "COVALENT_EXTRA_HEADERS", "COVALENT_SECRET")
    }
    told_the_server_alone = {**canaries, "COVALENT_DATABASE_URL": f"sqlite:///{tmp_path}/canary-of-the-url.db"}
    ordinary = {"LANG_OF_THE_USER": "kept"}
    project = Project(tmp_path / "project", installation)
    project.workflow(_ABOUT_ITS_PROCESS)
    users = dict(installation.environ)
    installation.environ |= told_the_server_alone | ordinary
    with installation:
        token = installation.token
        installation.environ = users | {"COVALENT_SERVER_URL": installation.url}
        environment = project.run().value["environment"]
        secrets = [token, *(path.read_text() for path in installation.data.glob("workers/*/token-*"))]
        assert len(secrets) == 2
    assert environment.items() >= ordinary.items()
    assert [name for name in environment if name.startswith("COVALENT_") and name.endswith("_TOKEN")] == []
    text = repr(environment)
    assert [secret for secret in (*secrets, *told_the_server_alone.values()) if secret in text] == []


def test_a_local_worker_outlives_a_restart_of_its_server_and_is_gone_after_a_stop_and_its_token_with_it(
    installation: Installation, own_project: Project
) -> None:
    own_project.workflow(_ABOUT_ITS_PROCESS)
    first = own_project.run().value["worker"]
    server = installation.pid
    installation.restart()
    assert installation.pid != server
    assert Books(installation.data).workers() == [first]
    assert own_project.run().value["worker"] == first
    (token_file,) = installation.data.glob("workers/*/token-*")
    installation.command("stop")
    wait_until(lambda: not installation.worker_pids(), "the worker and its janitor to be gone")
    assert not token_file.exists()
    tokens = Books(installation.data).rows("select revoked_at is null as good from token where scope = 'worker'")
    assert [row["good"] for row in tokens] == [0]


@pytest.fixture
def gate(own_project: Project) -> Path:
    """A project whose tasks run with a Python that begins when this file appears."""
    slow = own_project.write(
        "slow-python",
        f"""\
        #!/bin/sh
        touch "$0.started"
        until [ -e "$0.gate" ]; do sleep 0.02; done
        exec {sys.executable} "$@"
        """,
    )
    slow.chmod(0o755)
    own_project.workflow(
        f"""
        import os

        os.environ["COVALENT_PREFLIGHT"] = "0"  # which would wait for the interpreter


        @ct.electron(executor=ct.executor.LocalExecutor(python={str(slow)!r}))
        def one():
            return 1


        @ct.lattice
        def workflow():
            return one()
        """
    )
    return slow.with_name("slow-python.gate")


def test_a_worker_that_was_being_started_when_its_server_was_killed_works_for_the_next(
    installation: Installation, own_project: Project, gate: Path
) -> None:
    with own_project.start() as program:
        program.dispatch_id()
        wait_until(gate.with_name("slow-python.started").exists, "the worker's start")
        installation.kill()
        installation.start()
        gate.touch()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", 1)
    assert len(Books(installation.data).rows("select id from worker")) == 1
    installation.command("stop")
    wait_until(lambda: not installation.worker_pids(), "all workers to be gone", patience=20)


def test_a_worker_that_never_came_to_introduce_itself_is_gone_after_the_next_servers_stop(
    installation: Installation, own_project: Project, gate: Path
) -> None:
    with own_project.start() as program:
        program.dispatch_id()
        wait_until(gate.with_name("slow-python.started").exists, "the worker's start")
        installation.kill()
        installation.start()
        assert len(installation.worker_pids()) == 1
        installation.command("stop")
        wait_until(lambda: not installation.worker_pids(), "the worker to be gone", patience=20)
