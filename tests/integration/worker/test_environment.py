"""Runners and what is installed for their interpreter; what is told when something is not."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from covalent.wire import container
from covalent.wire.work import Lease, LeaseKey, Outcome
from covalent.worker import installed
from covalent.worker.building import Builders
from covalent.worker.home import Home
from covalent.worker.ledger import Held
from covalent.worker.machine import Gpus, Machine
from covalent.worker.messages import Bind, Task
from covalent.worker.pace import Pace
from covalent.worker.process import Job, RunnerKey
from covalent.worker.settings import Patience
from covalent.worker.slots import Slots
from tests.integration.worker.conftest import Workers, is_alive
from tests.integration.worker.fake_server import DEADLINE, FakeServer


class Environment:
    """A virtual environment of its own, in which packages come and go as pip has them."""

    def __init__(self, directory: Path) -> None:
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", "--without-pip", str(directory)], check=True)
        self.python = str(directory / "bin" / "python")
        (self._site,) = directory.glob("lib/python*/site-packages")
        ours = [path for path in sys.path if "site-packages" in path or "covalent-sdk" in path]
        (self._site / "ours.pth").write_text("\n".join(ours) + "\n")

    def unpack(self, wheel: Path) -> None:
        """Install a distribution."""
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self._site)

    def install(self, version: str) -> None:
        """Install a package, in place of the version that is there."""
        package = self._site / "covalent_test_thing"
        for old in self._site.glob("covalent_test_thing-*.dist-info"):
            old.rmdir()
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text(f"version = {version!r}\n")
        (self._site / f"covalent_test_thing-{version}.dist-info").mkdir()


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv")


def look() -> tuple[int, str]:
    """The process, and the version of the package that it has imported."""
    import os

    import covalent_test_thing  # type: ignore[import-not-found]

    return os.getpid(), covalent_test_thing.version


def test_a_task_after_an_upgrade_runs_in_a_new_process_and_has_the_new_version(
    fake: FakeServer, workers: Workers, environment: Environment
) -> None:
    workers.start(slots=1)
    executor = {"python": environment.python}
    pids = []
    for version in ("1.0", "1.0.1"):
        environment.install(version)
        looks = [fake.value(fake.submit(look, executor=executor)) for _ in range(3)]
        assert {found for _, found in looks} == {version}
        assert len({pid for pid, _ in looks}) == 1
        pids.append(looks[0][0])
    assert pids[0] != pids[1]


def test_a_task_that_runs_while_something_is_installed_comes_to_its_end(
    fake: FakeServer, workers: Workers, environment: Environment, tmp_path: Path
) -> None:
    workers.start(slots=2)
    executor = {"python": environment.python}

    def wait_for(path: str) -> int:
        import os
        import time

        while not os.path.exists(path):  # noqa: PTH110
            time.sleep(0.01)
        return os.getpid()

    task = fake.submit(wait_for, str(tmp_path / "go"), executor=executor)
    fake.wait(lambda: task.started)
    environment.install("1.0")
    pid, version = fake.value(fake.submit(look, executor=executor))
    (tmp_path / "go").touch()
    first = fake.value(task)
    assert (version, task.leased) == ("1.0", 1)
    assert first != pid
    assert fake.value(fake.submit(look, executor=executor))[0] == pid


def test_a_blank_runner_that_was_started_before_an_install_is_given_no_task(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", "w-1")
    slots = Slots(
        machine=Machine(1, 1, Gpus()),
        home=home,
        environ=os.environ,
        pace=Pace(),
        patience=Patience(),
        started=lambda _: None,
        stopped=lambda _: None,
        unstartable=lambda _, reason: pytest.fail(reason),
        builders=Builders(tmp_path / "layers", os.environ, home.registry),
    )
    slots.keep_reserve()
    (blank,) = slots.runners
    try:
        while not blank.ready:
            assert select.select([blank.channel], [], [], DEADLINE)[0]
            assert not list(blank.receive())
            assert not blank.channel.ended
        blank.site = installed.stamps([str(tmp_path / "site")])  # one that may be changed here
        slots.add([job(home)])
        (tmp_path / "site").mkdir()
        slots.schedule(0.0)
        (runner,) = slots.runners
        assert runner is not blank
        assert len(runner.jobs) == 1
        assert not is_alive(blank.pid)
    finally:
        for runner in slots.runners:
            runner.end()
            runner.remove()


def job(home: Home) -> Job:
    """A task for this interpreter; it is not going to be waited for."""
    attempt = LeaseKey(node=1, attempt=1, token="t")  # noqa: S106 - made up
    lease = Lease(key=attempt, dispatch_id="d", node_id=0, name="f", owner="ada", function="f")
    key = RunnerKey(owner="ada", python=sys.executable, project=None, directory=str(home.work))
    bind = Bind(directory=str(home.work), cache=str(home.assets("ada")), checkpoints="")
    return Job(held=Held(lease=lease), key=key, bind=bind, task=Task(function="f"), blobs=[])


def missing(fake: FakeServer) -> str:
    """An asset that cannot be opened for want of a package."""
    name = b"covalent_no_such_thing:call"
    return fake.put_bytes(b"".join(container.pack(container.Header(codec="reference", sizes=(len(name),)), [name])))


@pytest.mark.usefixtures("worker")
def test_what_cannot_be_opened_for_want_of_a_package_is_named_with_the_command_that_helps(fake: FakeServer) -> None:
    asset = missing(fake)
    told = {
        "the function": fake.submit(asset),
        "the argument 'y'": fake.submit(lambda x, y: (x, y), 1, {"asset": asset}),
        "the argument 1": fake.submit(len, {"asset": asset}),
        "the argument 'x'": fake.submit(dict, x={"list": [{"asset": asset}]}),
        "the output of node 3": fake.submit(len, {"node": 3}, outputs={"3": asset}),
    }
    for what, task in told.items():
        completion = fake.outcome(task)
        assert completion.outcome is Outcome.FAILED
        error = completion.error or ""
        assert "No module named 'covalent_no_such_thing'" in error
        assert error.endswith(
            f"while opening {what} in {sys.executable}; "
            f"install it there: {sys.executable} -m pip install covalent_no_such_thing    "
            "or, for this task alone: deps_pip=['covalent_no_such_thing']"
        )


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("hook", ["before", "after"])
def test_a_hook_that_fails_says_that_it_is_one_and_of_what(fake: FakeServer, hook: str) -> None:
    def prepare() -> None:
        raise ValueError("not ready")

    def work() -> int:
        return 1

    calls = [{"function": prepare}]
    task = fake.submit(work, before=calls if hook == "before" else (), after=calls if hook == "after" else ())
    error = fake.outcome(task).error or ""
    assert "in prepare" in error
    assert error.endswith(f"ValueError: not ready\nin call_{hook} of work")


@pytest.mark.usefixtures("worker")
def test_a_relative_path_that_is_not_found_is_told_with_the_tasks_directory(fake: FakeServer, tmp_path: Path) -> None:
    def read() -> None:
        open("data.csv")  # noqa: PTH123, SIM115

    error = fake.outcome(fake.submit(read, executor={"workdir": str(tmp_path)})).error or ""
    assert f"the task ran in {tmp_path}; use an absolute path, or give its executor a workdir" in error
