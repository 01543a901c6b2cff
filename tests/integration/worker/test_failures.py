"""Tasks that fail, crash or hang: each alone, and each with a reason."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from covalent.wire.work import Completion, Outcome
from tests.integration.worker.conftest import Workers, eventually, is_alive, kill
from tests.integration.worker.fake_server import FakeServer, by_value

pytestmark = pytest.mark.usefixtures("worker")


def failure(fake: FakeServer, function: object) -> Completion:
    """How the task ended; asserts that the next one is well."""
    completion = fake.outcome(fake.submit(function))
    assert fake.value(fake.submit(lambda: "well")) == "well"
    return completion


def test_an_error_shows_the_users_traceback_and_none_of_our_frames(fake: FakeServer) -> None:
    def inner() -> None:
        raise ValueError("that went wrong")

    task = fake.submit(inner)
    completion = fake.outcome(task)
    assert completion.outcome is Outcome.FAILED
    assert completion.error is not None
    assert completion.error.startswith("Traceback (most recent call last):")
    assert "in inner" in completion.error
    assert completion.error.endswith("ValueError: that went wrong")
    assert "covalent/worker" not in completion.error
    assert task.text("stderr") == completion.error + "\n"


def test_sys_exit_fails_the_task_and_says_so(fake: FakeServer) -> None:
    def leave() -> None:
        import sys

        sys.exit(3)

    completion = failure(fake, leave)
    assert completion.outcome is Outcome.FAILED
    assert "the task called sys.exit(3)" in (completion.error or "")


def test_a_keyboard_interrupt_in_a_task_fails_the_task(fake: FakeServer) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    assert "the task raised KeyboardInterrupt" in (failure(fake, interrupt).error or "")


def test_an_output_that_cannot_be_pickled_is_named(fake: FakeServer) -> None:
    def make_lock() -> object:
        import threading

        return threading.Lock()

    completion = failure(fake, make_lock)
    assert completion.outcome is Outcome.FAILED
    assert "of type _thread.lock, cannot be pickled" in (completion.error or "")


def test_os_exit_is_told_with_its_code(fake: FakeServer) -> None:
    def leave() -> None:
        import os

        print("last words", flush=True)
        os._exit(7)

    task = fake.submit(leave)
    completion = fake.outcome(task)
    assert completion.outcome is Outcome.DIED
    assert "exit code 7" in (completion.error or "")
    assert task.text() == "last words\n"


def test_a_segmentation_fault_is_told_with_its_signal_and_place(fake: FakeServer) -> None:
    def crash() -> None:
        import ctypes

        ctypes.string_at(0)

    task = fake.submit(crash)
    completion = fake.outcome(task)
    assert completion.outcome is Outcome.DIED
    assert "signal 11 (SIGSEGV)" in (completion.error or "")
    assert "in crash" in task.text("stderr")


def test_a_killed_runner_is_told_as_probably_out_of_memory(fake: FakeServer) -> None:
    def die() -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    completion = failure(fake, die)
    assert completion.outcome is Outcome.DIED
    assert "signal 9 (SIGKILL): probably the machine or its memory limit ran out of memory" in (completion.error or "")


def test_a_memory_limit_fails_that_task_alone(fake: FakeServer) -> None:
    def allocate() -> int:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2**30, resource.getrlimit(resource.RLIMIT_AS)[1]))
        try:
            return len(bytes(2**34))
        finally:
            resource.setrlimit(resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS)[::-1])

    assert "MemoryError" in (failure(fake, allocate).error or "")


def test_a_fork_that_returns_does_not_become_a_second_runner(fake: FakeServer) -> None:
    def fork() -> bool:
        import os

        return os.fork() > 0

    assert fake.value(fake.submit(fork)) is True
    assert fake.value(fake.submit(lambda: "well")) == "well"


def test_when_a_runner_is_killed_tasks_sent_ahead_are_run_elsewhere(fake: FakeServer, workers: Workers) -> None:
    release = workers.directory / "release"

    def quick_or_deadly(path: str) -> int:
        import os
        import signal

        if path and os.path.exists(path):  # noqa: PTH110 - it takes no globals along
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    function = fake.put(by_value(quick_or_deadly))
    for _ in range(3):  # they show that the function is quick, so that tasks are sent ahead
        for task in [fake.submit(function, "") for _ in range(20)]:
            fake.value(task)
    release.write_text("")
    with fake.changed:
        deadly = fake.submit(function, str(release))
        others = [fake.submit(function, "") for _ in range(100)]
    assert fake.outcome(deadly).outcome is Outcome.DIED
    assert {fake.outcome(task).outcome for task in others} == {Outcome.COMPLETED}


def test_a_dropped_task_is_killed_with_its_grandchildren(fake: FakeServer) -> None:
    def family() -> None:
        import subprocess
        import sys
        import time

        nap = "import time; time.sleep(600)"
        orphan = (
            "import os, subprocess, sys; os.setsid(); "
            f"print(subprocess.Popen([sys.executable, '-c', {nap!r}], start_new_session=True).pid, flush=True)"
        )
        subprocess.run([sys.executable, "-c", orphan], check=True)
        print(subprocess.Popen([sys.executable, "-c", nap]).pid, flush=True)
        time.sleep(600)

    task = fake.submit(family)
    fake.wait(lambda: task.text().count("\n") == 2, "both process ids")
    pids = [int(line) for line in task.text().split()]
    assert all(map(is_alive, pids))
    fake.drop.add(task.tokens[-1])
    eventually(lambda: not any(map(is_alive, pids)))
    assert fake.value(fake.submit(lambda: "well")) == "well"
    assert task.completion is None


def test_a_task_that_is_dropped_before_it_began_never_runs(fake: FakeServer, workers: Workers) -> None:
    path = workers.directory / "ran"

    def nap() -> None:
        import time

        time.sleep(600)

    blocking = [fake.submit(nap) for _ in range(2)]
    fake.wait(lambda: all(task.started for task in blocking))
    waiting = fake.submit(lambda path: open(path, "w").close(), str(path))  # noqa: PTH123
    fake.drop.update(task.tokens[-1] for task in blocking)
    assert fake.outcome(waiting).outcome is Outcome.COMPLETED
    assert [task.completion for task in blocking] == [None, None]


def test_an_interpreter_that_does_not_exist_fails_the_task_and_says_what_to_do(fake: FakeServer) -> None:
    completion = fake.outcome(fake.submit(lambda: 1, executor={"python": "/nowhere/python"}))
    assert completion.outcome is Outcome.FAILED
    assert "/nowhere/python cannot run tasks" in (completion.error or "")
    assert fake.value(fake.submit(lambda: "well")) == "well"


def test_an_interpreter_without_covalent_says_how_to_install_it(fake: FakeServer, workers: Workers) -> None:
    bare = workers.directory.parent / "bare"
    subprocess.run(
        [getattr(sys, "_base_executable", sys.executable), "-m", "venv", "--without-pip", str(bare)], check=True
    )
    completion = fake.outcome(fake.submit(lambda: 1, executor={"python": str(bare / "bin" / "python")}))
    assert completion.outcome is Outcome.FAILED
    assert "No module named 'covalent'" in (completion.error or "")
    assert "-m pip install covalent-sdk" in (completion.error or "")


def test_a_runner_killed_from_outside_takes_only_its_task_along(fake: FakeServer) -> None:
    def say_and_wait() -> None:
        import os
        import time

        print(os.getpid(), flush=True)
        time.sleep(600)

    task = fake.submit(say_and_wait)
    fake.wait(lambda: task.text().endswith("\n"))
    kill(int(task.text()))
    completion = fake.outcome(task)
    assert completion.outcome is Outcome.DIED
    assert signal.SIGKILL.name in (completion.error or "")
    assert fake.value(fake.submit(lambda: "well")) == "well"
