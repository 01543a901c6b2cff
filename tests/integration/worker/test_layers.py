"""Tasks with packages of their own, in a real worker: layers are built beside everything else, and ended with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from covalent.wire.work import Outcome
from tests.integration.worker.conftest import Workers, eventually, is_alive
from tests.integration.worker.fake_server import FakeServer, FakeTask
from tests.integration.worker.test_environment import Environment
from tests.wheels import slow, wheel


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A directory of distributions."""
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "shelf", "fruit", version)
    return tmp_path / "shelf"


class Bakery:
    """A distribution that takes as long to build as the test wants."""

    def __init__(self, shelf: Path, tmp_path: Path) -> None:
        self._began, self._wait = tmp_path / "began", tmp_path / "wait"
        slow(shelf, "bread", "1.0", began=self._began, wait=self._wait)

    def builder(self) -> int:
        """The process that builds it, once it does."""
        eventually(lambda: self._began.exists() and self._began.read_text())
        return int(self._began.read_text())

    def finish(self) -> None:
        self._wait.touch()


@pytest.fixture
def bakery(shelf: Path, tmp_path: Path) -> Bakery:
    return Bakery(shelf, tmp_path)


def fruit() -> str:
    import fruit  # type: ignore[import-not-found] # in its layer

    return str(fruit.__version__)


def bread() -> str:
    import bread  # type: ignore[import-not-found] # in its layer

    return str(bread.__version__)


def asked(shelf: Path, *requirements: str) -> tuple[str, ...]:
    return ("--no-index", f"--find-links {shelf}", *requirements)


def submit(fake: FakeServer, shelf: Path, function: Any, *requirements: str, **options: Any) -> FakeTask:
    return fake.submit(function, pip=asked(shelf, *requirements), executor={"python": sys.executable}, **options)


def preparing(fake: FakeServer, task: FakeTask) -> bool:
    return any(key.node == task.lease.key.node for poll in fake.polls for key in poll.preparing)


def test_tasks_that_need_conflicting_packages_run_in_one_worker(
    fake: FakeServer, workers: Workers, shelf: Path
) -> None:
    workers.start()
    tasks = [submit(fake, shelf, fruit, f"fruit=={version}") for version in ("1.0", "2.0", "1.0")]
    assert [fake.value(task) for task in tasks] == ["1.0", "2.0", "1.0"]
    told = [task.completion.environment for task in tasks if task.completion]
    assert told[0] == told[2]
    assert [item.resolved for item in told if item] == [("fruit==1.0",), ("fruit==2.0",), ("fruit==1.0",)]


def test_what_is_being_built_holds_up_no_other_task_and_no_timeout_runs_meanwhile(
    fake: FakeServer, workers: Workers, shelf: Path, bakery: Bakery
) -> None:
    workers.start(slots=1)
    waits = submit(fake, shelf, bread, "bread", timeout=0.2)
    bakery.builder()
    fake.wait(lambda: preparing(fake, waits), "word that it is being prepared")
    # Each in a runner of its own, and the others end with what they have started.
    for number in range(3):
        assert fake.value(fake.submit(int, number, owner=f"owner-{number}")) == number
    assert fake.value(submit(fake, shelf, fruit, "fruit==2.0")) == "2.0"
    assert not waits.started
    bakery.finish()
    assert fake.value(waits) == "1.0"
    assert waits.leased == 1


def test_what_a_layer_has_in_another_version_is_told_in_the_tasks_stderr(
    fake: FakeServer, workers: Workers, shelf: Path, tmp_path: Path
) -> None:
    wheel(shelf, "cake", "1.0", requires=["fruit>=2"])
    below = Environment(tmp_path / "below")
    below.unpack(shelf / "fruit-1.0-py3-none-any.whl")
    workers.start()
    task = fake.submit(fruit, pip=asked(shelf, "cake"), executor={"python": below.python})
    assert fake.value(task) == "2.0"
    assert task.text("stderr") == f"covalent: deps_pip brings fruit 2.0 instead of 1.0 of {below.python}\n"


def test_its_programs_are_found_by_commands_and_what_it_lacks_is_to_be_named(
    fake: FakeServer, workers: Workers, shelf: Path
) -> None:
    source = "def main():\n    print('juice')\n"
    entry = "[console_scripts]\npress = squeezer:main\n"
    wheel(shelf, "squeezer", "1.0", files={"squeezer.py": source, "squeezer-1.0.dist-info/entry_points.txt": entry})
    workers.start()
    task = submit(fake, shelf, bread, "squeezer", bash=["press"])
    fake.wait(lambda: task.completion)
    assert task.text("stdout") == "juice\n"
    assert task.completion is not None
    assert str(task.completion.error).endswith(
        "that is a layer of packages: name bread in deps_pip, too; or, a module of your own: deps_module='bread'"
    )


def test_packages_that_there_are_not_fail_the_task_with_the_installers_words(
    fake: FakeServer, workers: Workers, shelf: Path
) -> None:
    workers.start()
    task = submit(fake, shelf, fruit, "no-such-package-anywhere==9")
    fake.wait(lambda: task.completion)
    assert task.completion is not None
    assert task.completion.outcome is Outcome.FAILED
    error = str(task.completion.error)
    assert error.startswith("the packages of deps_pip cannot be installed: ")
    assert "no-such-package-anywhere" in error
    assert "no-such-package-anywhere" in task.text("stderr")


def test_a_dropped_task_is_not_run_when_its_layer_is_built_and_the_next_one_finds_it(
    fake: FakeServer, workers: Workers, shelf: Path, bakery: Bakery
) -> None:
    workers.start()
    task = submit(fake, shelf, bread, "bread")
    bakery.builder()
    fake.cancel(task)
    bakery.finish()
    assert fake.value(submit(fake, shelf, bread, "bread")) == "1.0"
    assert task.completion is None


def test_whoever_builds_does_not_have_the_workers_secrets(
    fake: FakeServer, workers: Workers, shelf: Path, bakery: Bakery
) -> None:
    workers.start(environ={"COVALENT_API_TOKEN": "hush", "NAME": "told"})
    submit(fake, shelf, bread, "bread")
    variables = Path(f"/proc/{bakery.builder()}/environ").read_bytes()
    assert b"NAME=told" in variables
    assert b"hush" not in variables
    bakery.finish()


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_what_is_being_built_ends_with_its_worker_and_the_next_one_builds_it_anew(
    fake: FakeServer, workers: Workers, shelf: Path, bakery: Bakery, how: str
) -> None:
    worker = workers.start()
    task = submit(fake, shelf, bread, "bread")
    builder = bakery.builder()
    getattr(worker, how)()
    worker.wait()
    eventually(lambda: not is_alive(builder))
    assert task.completion is None
    bakery.finish()
    fake.byes.append(fake.hellos[-1].worker)  # a killed one leaves a poll that waits
    workers.start()
    assert fake.value(submit(fake, shelf, bread, "bread")) == "1.0"
