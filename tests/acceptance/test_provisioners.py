"""Executors of other packages: their workers are started by provisioners, which can harm neither server nor guard."""

from __future__ import annotations

import json
import re
import sysconfig
from pathlib import Path

import pytest

from covalent_server.web.app import ROUTES
from covalent_server.web.routing import Scope
from tests.acceptance.interpreters import ROOT, environment, uv, with_the_sdk_alone
from tests.acceptance.programs import Project
from tests.acceptance.provisioners import executors, provisioner
from tests.certificates import Authority
from tests.installation import Installation, alive, wait_until

EXAMPLE = ROOT / "examples" / "executor_plugin"


@pytest.fixture(scope="session")
def plugin_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment with the SDK and, built and installed as a package, the example."""
    python = with_the_sdk_alone(tmp_path_factory.mktemp("plugin") / "environment")
    uv("pip", "install", "--quiet", "--no-deps", "--python", python, str(EXAMPLE))
    return python


def workers_of(directory: Path) -> list[int]:
    """The processes of workers whose directory lies below another."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command, cwd = (entry / "cmdline").read_bytes(), (entry / "cwd").readlink()
        except OSError:
            continue
        if b"covalent.worker" in command and directory in cwd.parents:
            found.append(int(entry.name))
    return found


def test_the_example_runs_a_workflow_on_workers_that_its_users_provisioner_starts(
    tmp_path: Path, installation: Installation, plugin_python: str
) -> None:
    user = Project(tmp_path / "project", installation, plugin_python)
    with provisioner(installation, "process", python=plugin_python):
        wait_until(lambda: "process" in executors(installation), "the provisioner to report")
        done = user.attempt(str(EXAMPLE / "workflow.py"))
        assert done.returncode == 0, done.stdout + done.stderr
        first, second = json.loads(done.stdout)
        (worker,) = {first, second}
        assert worker in workers_of(installation.root / "cache")
        listed = installation.command("worker", "list").stdout
        assert listed.split()[:7] == ["POOL", "EXECUTOR", "WAITING", "WORKER", "STATE", "WHERE", "SINCE"]
        assert 'executor process with {"niceness":3}' in listed
        assert Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[16] == "3"
    wait_until(lambda: not alive(worker), "the worker to go with its provisioner")
    assert not list((installation.root / "cache").glob("provisioners/*/jobs/*"))


def test_a_provisioner_that_was_killed_is_followed_by_one_that_takes_its_workers_over(
    tmp_path: Path, installation: Installation, plugin_python: str
) -> None:
    user = Project(tmp_path / "project", installation, plugin_python)
    with provisioner(installation, "process", python=plugin_python) as first:
        wait_until(lambda: "process" in executors(installation), "the provisioner to report")
        before = json.loads(user.attempt(str(EXAMPLE / "workflow.py")).stdout)
        first.kill()
        first.wait()
    with provisioner(installation, "process", python=plugin_python):
        assert json.loads(user.attempt(str(EXAMPLE / "workflow.py")).stdout) == before
    wait_until(lambda: not alive(before[0]), "the worker to go with the second provisioner")


def test_a_server_starts_the_provisioners_that_it_is_told_to_and_ends_them_with_itself(
    tmp_path: Path, unstarted: Installation, plugin_python: str
) -> None:
    unstarted.environ |= {"COVALENT_PROVISIONERS": "process", "COVALENT_PROVISIONER_PYTHON": plugin_python}
    with unstarted as installation:
        user = Project(tmp_path / "project", installation, plugin_python)
        done = user.attempt(str(EXAMPLE / "workflow.py"))
        assert done.returncode == 0, done.stdout + done.stderr
        worker = json.loads(done.stdout)[0]
        assert worker in workers_of(installation.data)
        token = (installation.data / "provisioners" / "process" / "token").read_text()
        closed = [route for route in ROUTES if route.scope in (Scope.USER, Scope.WORKER, Scope.BOTH)]
        for route in closed:
            path = re.sub(r"\{\w+\}", "0", route.path)
            assert installation.request(route.method, path, token=token, plain={}).status == 403, route
        installation.stop()
        wait_until(lambda: not alive(worker), "the worker to go")
        assert not list((installation.data / "provisioners").glob("*/jobs/*"))


def test_beyond_this_machine_provisioners_speak_with_encryption_and_the_server_starts_none_that_it_may_not(
    tmp_path: Path, unstarted: Installation, plugin_python: str
) -> None:
    unstarted.beyond(Authority(tmp_path / "authority"), "covalent.example.org")
    unstarted.environ |= {"COVALENT_PROVISIONERS": "process", "COVALENT_PROVISIONER_PYTHON": plugin_python}
    with unstarted as installation:
        assert "provisioners are not started" in installation.log()
        assert not provisioners_of(installation)
        user = Project(tmp_path / "project", installation, plugin_python)
        with provisioner(installation, "process", python=plugin_python):
            done = user.attempt(str(EXAMPLE / "workflow.py"))
            assert done.returncode == 0, done.stdout + done.stderr
            assert json.loads(done.stdout)[0] in workers_of(installation.root / "cache")
        installation.stop()
        installation.environ["COVALENT_LOCAL_INTERPRETERS"] = plugin_python
        installation.start()
        assert json.loads(user.attempt(str(EXAMPLE / "workflow.py")).stdout)[0] in workers_of(installation.data)


#: Plugins that do what they must not, by the short names of their executors, and what is said of each.
BAD = {
    "crashes": ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by signal 11"),
    "exits": ("print('i am off'); os._exit(3)", "ended with exit code 3; its last words were:"),
    "raises": ("raise RuntimeError('no node is free')", "RuntimeError: no node is free"),
    "quits": ("sys.exit('it is enough')", "SystemExit: it is enough"),
    "hangs": ("time.sleep(3600)", "has not come back for"),
    "prints": (
        "os.set_blocking(1, True)\n        while True: os.write(1, bytes(range(256)) * 256)",
        "has not come back for",
    ),
}
_PLUGIN = """
import os, signal, sys, time
from covalent.provisioning import Provisioner

class Bad(Provisioner):
    executor = {name!r}
    patience_seconds = 1.0

    def start(self, order):
        {body}

    def ended(self, handle):
        return None

    def end(self, handle):
        pass
"""
_BAD_WORKFLOW = """
import covalent as ct
from covalent.executors import NamedExecutor

@ct.electron(executor=NamedExecutor(short_name={name!r}))
def task():
    return 1

@ct.electron
def local():
    return "well"

@ct.lattice
def workflow():
    return [task(), local()]

result = ct.get_result(ct.dispatch(workflow)(), wait=True)
print(result.status)
print(result.get_node_result(1)["output"].get_deserialized())
print(result.get_node_result(0)["error"])
"""


def bad_python(directory: Path, name: str, body: str) -> str:
    """The interpreter of an environment with a plugin that does something when it is to start a worker."""
    python = environment(sysconfig.get_config_var("BINDIR") + "/python3", directory, sdk=True)
    (packages,) = directory.glob("lib/python*/site-packages")
    (packages / "bad.py").write_text(_PLUGIN.format(name=name, body=body))
    info = packages / "bad-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[covalent.provisioners]\n{name} = bad:Bad\n")
    return python


@pytest.mark.parametrize("name", BAD)
def test_a_plugin_that_misbehaves_harms_neither_server_nor_guard_and_its_words_are_the_tasks_error(
    tmp_path: Path, unstarted: Installation, name: str
) -> None:
    body, words = BAD[name]
    unstarted.environ |= {
        "COVALENT_PROVISIONERS": name,
        "COVALENT_PROVISIONER_PYTHON": bad_python(tmp_path / "environment", name, body),
        "COVALENT_PROVISION_TIMEOUT": "2",
    }
    with unstarted as installation:
        before = installation.pid
        user = Project(tmp_path / "project", installation)
        user.write("workflow.py", _BAD_WORKFLOW.format(name=name))
        done = user.attempt("workflow.py")
        assert done.returncode == 0, done.stdout + done.stderr
        status, local, error = done.stdout.split("\n", 2)
        assert (status, local) == ("FAILED", "well")
        assert f"no worker of the executor {name!r} came within 2 seconds; the latest start failed:" in error
        assert words in error
        info = installation.request("GET", "/api/v1/server").plain
        assert (info["pid"], info["guard"], info["refusals"]) == (before, "armed", 0)
        assert alive(before)
        installation.stop()
        assert not provisioners_of(installation)


def provisioners_of(installation: Installation) -> list[int]:
    """The processes of provisioners that a server has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"covalent.provisioning" in command and str(installation.data / "provisioners").encode() in b" ".join(
            command
        ):
            found.append(int(entry.name))
    return found


def test_a_killed_server_finds_the_workers_of_its_provisioners_again(
    tmp_path: Path, unstarted: Installation, plugin_python: str
) -> None:
    unstarted.environ |= {"COVALENT_PROVISIONERS": "process", "COVALENT_PROVISIONER_PYTHON": plugin_python}
    with unstarted as installation:
        user = Project(tmp_path / "project", installation, plugin_python)
        before = json.loads(user.attempt(str(EXAMPLE / "workflow.py")).stdout)
        installation.kill()
        wait_until(lambda: not provisioners_of(installation), "the provisioner to go with its server")
        installation.start()
        assert json.loads(user.attempt(str(EXAMPLE / "workflow.py")).stdout) == before
