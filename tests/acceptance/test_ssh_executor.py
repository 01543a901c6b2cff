"""SSHExecutor against a real ssh server: which machines and keys are taken, and workers that come and go."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.programs import Project
from tests.acceptance.provisioners import provisioner
from tests.components import SSH, found
from tests.file_servers import Machine, ssh_machine
from tests.installation import Installation, alive, wait_until

_WORKFLOW = """
@ct.electron
def whereabouts():
    import os
    return [os.getppid(), os.environ["SSH_CONNECTION"].split()[2], os.getcwd()]

@ct.lattice(executor=ct.executor.SSHExecutor(**{attributes!r}))
def workflow():
    return whereabouts()
"""


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ssh_machine(tmp_path_factory.mktemp("machine")) as made:
        yield made


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """The interpreter of the machine, whose workers keep their caches in the test's directory."""
    path = tmp_path / "python of the machine"
    path.write_text(f'#!/bin/sh\nCOVALENT_CACHE_DIR="{tmp_path}/there" exec {sys.executable} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def attributes(machine: Machine, python: Path) -> dict[str, Any]:
    """What a user says of the machine."""
    return {
        "username": machine.user,
        "hostname": "127.0.0.1",
        "port": machine.port,
        "ssh_key_file": str(machine.key),
        "known_hosts": str(machine.known_hosts),
        "python_path": str(python),
    }


def project(tmp_path: Path, installation: Installation, attributes: dict[str, Any]) -> Project:
    made = Project(tmp_path / "project", installation)
    made.workflow(_WORKFLOW.format(attributes=attributes))
    return made


def new_key(path: Path) -> None:
    keygen = found(SSH[1]).with_name("ssh-keygen")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def gone(worker: int) -> None:
    """Wait for a worker to leave nothing behind but its cache."""
    wait_until(lambda: not alive(worker), "the worker to go")


def test_tasks_run_at_the_end_of_an_ssh_connection_whose_worker_goes_with_the_provisioner(
    tmp_path: Path, installation: Installation, attributes: dict[str, Any]
) -> None:
    work = tmp_path / "work"
    user = project(tmp_path, installation, attributes | {"remote_workdir": str(work)})
    with provisioner(installation, "ssh"):
        worker, address, directory = user.run().value
        assert (address, Path(directory)) == ("127.0.0.1", work)
        listed = installation.command("worker", "list").stdout
        assert "127.0.0.1" in listed
        arguments = Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")
        assert b"--token-file" not in arguments
        assert installation.token.encode() not in arguments
    gone(worker)
    assert list((tmp_path / "there" / "worker" / "workers").iterdir()) == []


def test_a_killed_provisioner_takes_its_workers_along_and_the_next_one_starts_others(
    tmp_path: Path, installation: Installation, attributes: dict[str, Any]
) -> None:
    user = project(tmp_path, installation, attributes)
    with provisioner(installation, "ssh") as first:
        worker = user.run().value[0]
        first.kill()
        first.wait()
    gone(worker)
    with provisioner(installation, "ssh"):
        other = user.run().value[0]
        assert other != worker
    gone(other)


def test_a_machine_is_reached_through_another_one(
    tmp_path: Path, installation: Installation, machine: Machine, attributes: dict[str, Any]
) -> None:
    jump = f"{machine.user}@127.0.0.1:{machine.port}"
    user = project(tmp_path, installation, attributes | {"proxy_jump": jump})
    with provisioner(installation, "ssh"):
        worker = user.run().value[0]
    gone(worker)


def test_a_machine_that_is_met_for_the_first_time_is_trusted_on_request_alone_and_then_has_to_stay_itself(
    tmp_path: Path, unstarted: Installation, machine: Machine, attributes: dict[str, Any]
) -> None:
    unstarted.environ["COVALENT_PROVISION_TIMEOUT"] = "1"
    known = tmp_path / "known" / "hosts"
    with unstarted as installation, provisioner(installation, "ssh"):
        refused = project(tmp_path, installation, attributes | {"known_hosts": str(known)}).run()
        assert refused.status == "FAILED"
        assert "Host key is not trusted" in (refused.error or "")
        assert not known.exists()

        trusting = attributes | {"known_hosts": str(known), "trust_on_first_use": True}
        worker = project(tmp_path, installation, trusting).run().value[0]
        name, kind, key = machine.known_hosts.read_text().split()
        assert known.read_text().split() == [name, kind, key]

        new_key(tmp_path / "other")
        kind, key, *_ = (tmp_path / "other.pub").read_text().split()
        known.write_text(f"{name} {kind} {key}\n")
        # Another attribute, so that another connection is made.
        changed = project(tmp_path, installation, trusting | {"conda_env": "x"}).run()
        assert changed.status == "FAILED"
        assert "Host key is not trusted" in (changed.error or "")
        assert known.read_text().split() == [name, kind, key]
    gone(worker)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ssh_key_file": "{stranger}"}, "Permission denied"),
        ({"python_path": "/nowhere/python3"}, "/nowhere/python3"),
        ({"python_path": None, "conda_env": "no-such"}, "there is no conda environment 'no-such'"),
        ({"hostname": None}, "does not say on which machine"),
        ({"port": 1}, "no connection to"),
    ],
    ids=["key", "python", "conda", "host", "port"],
)
def test_what_stands_in_the_way_is_the_tasks_error(
    tmp_path: Path, unstarted: Installation, attributes: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    stranger = tmp_path / "stranger"
    new_key(stranger)
    changes = json.loads(json.dumps(changes).replace("{stranger}", str(stranger)))
    unstarted.environ["COVALENT_PROVISION_TIMEOUT"] = "1"
    unstarted.environ.pop("SSH_AUTH_SOCK", None)
    with unstarted as installation, provisioner(installation, "ssh"):
        told = project(tmp_path, installation, attributes | changes).run()
        assert told.status == "FAILED"
        assert words in (told.error or "")


def test_a_conda_environment_is_given_by_its_directory(
    tmp_path: Path, installation: Installation, attributes: dict[str, Any], python: Path
) -> None:
    (tmp_path / "science" / "bin").mkdir(parents=True)
    (tmp_path / "science" / "bin" / "python").symlink_to(python)
    there = attributes | {"python_path": None, "conda_env": str(tmp_path / "science")}
    user = project(tmp_path, installation, there)
    with provisioner(installation, "ssh"):
        worker = user.run().value[0]
    gone(worker)
