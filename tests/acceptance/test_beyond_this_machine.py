"""A server that other machines reach: encrypted, under its names alone, and without tasks of its own."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.programs import Project
from tests.certificates import Authority
from tests.installation import Installation

NAME = "covalent.example.org"
ONE_TASK = """
@ct.electron
def one():
    return 1


@ct.lattice
def workflow():
    return one()
"""


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("reached")
    with Installation(root / "installation").beyond(Authority(root / "authority"), NAME) as installation:
        yield installation


def test_it_answers_with_encryption_alone(reached: Installation) -> None:
    assert reached.url.startswith("https://localhost:")
    assert reached.request("GET", "/api/v1/server").plain["guard"] == "armed"
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(reached.url).port or 0, timeout=10)
    connection.request("GET", "/healthz")
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()


def test_what_is_older_than_tls_1_2_is_not_spoken(reached: Installation) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(reached.authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", urlsplit(reached.url).port or 0), timeout=10) as plain,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(plain, server_hostname="localhost").close()


@pytest.mark.parametrize("host", [NAME, NAME.upper(), "localhost", "127.0.0.1", f"{NAME}:48008"])
def test_its_names_are_answered_to(reached: Installation, host: str) -> None:
    assert reached.request("GET", "/api/v1/dispatches", headers={"Host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", f"{NAME}.evil.example", "10.9.8.7", "", f"a.{NAME}"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_other_names_are_not(reached: Installation, host: str, method: str) -> None:
    assert reached.request(method, "/api/v1/dispatches", b"{}", headers={"Host": host}).status in (400, 421)


def test_commands_of_its_machine_know_it_by_its_certificate(reached: Installation) -> None:
    told = json.loads(reached.command("status", "--json").stdout)
    assert told["answering"] is True
    assert urlsplit(told["public_url"]).hostname == NAME
    assert reached.command("limit", "list").returncode == 0
    assert "answers at https://localhost" in reached.command("doctor").stdout


def test_another_server_under_its_address_is_not_spoken_to(reached: Installation, tmp_path: Path) -> None:
    with Installation(tmp_path / "other").beyond(Authority(tmp_path / "authority"), NAME) as other:
        record = other.data / "server.json"
        told = json.loads(record.read_text())
        written = json.loads((reached.data / "server.json").read_text())
        record.write_text(json.dumps(told | {"url": written["url"]}))
        assert json.loads(other.command("status", "--json", check=False).stdout)["answering"] is False
        record.write_text(json.dumps(told))


def test_scripts_that_trust_who_vouches_for_it_dispatch_to_it(reached: Installation, tmp_path: Path) -> None:
    project = Project(tmp_path, reached)
    project.write("ask.py", "import covalent as ct\nprint(ct.dispatches())\n")
    assert project.attempt("ask.py").stdout == "[]\n"
    refused = project.attempt("ask.py", COVALENT_CA_FILE="")
    assert "certificate" in refused.stderr
    assert "COVALENT_CA_FILE" in refused.stderr
    assert "cannot be read" in project.attempt("ask.py", COVALENT_CA_FILE=str(tmp_path / "gone.pem")).stderr


def test_it_runs_no_tasks_itself(reached: Installation, tmp_path: Path) -> None:
    project = Project(tmp_path, reached)
    project.workflow(ONE_TASK)
    said = project.attempt().stderr
    assert "this server runs no local tasks, because other machines reach it" in said
    assert "WorkerPoolExecutor" in said
    assert reached.worker_pids() == []


def test_interpreters_that_are_allowed_run_tasks(tmp_path: Path, client_python: str) -> None:
    installation = Installation(tmp_path / "installation").beyond(Authority(tmp_path / "authority"), NAME)
    installation.environ["COVALENT_LOCAL_INTERPRETERS"] = client_python
    with installation:
        allowed = Project(tmp_path / "allowed", installation, client_python)
        allowed.workflow(ONE_TASK)
        assert allowed.run().value == 1
        other = Project(tmp_path / "other", installation)
        other.workflow(ONE_TASK)
        assert f"runs local tasks with {client_python} alone" in other.attempt().stderr


def test_tasks_that_waited_for_an_interpreter_end_when_it_is_no_longer_allowed(tmp_path: Path) -> None:
    """What was dispatched while only this machine reached the server is not run once others do."""
    installation = Installation(tmp_path / "installation")
    with installation:
        project = Project(tmp_path / "project", installation)
        project.workflow(ONE_TASK.replace("return 1", "import time; time.sleep(3600)"))
        with project.start() as program:
            dispatch_id = program.dispatch_id()
        installation.stop()
        installation.beyond(Authority(tmp_path / "authority"), NAME)
        installation.start()
        told = installation.request("GET", f"/api/v1/dispatches/{dispatch_id}?wait=30").plain
        assert told["status"] == "FAILED"
        assert installation.worker_pids() == []
