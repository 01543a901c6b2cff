"""Tasks that fail, crash or hang: each alone, and each with a reason."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from covalent.wire.work import Completion, Outcome
from covalent.worker.messages import ERROR_BYTES
from tests.integration.worker.conftest import Workers, eventually, is_alive, kill, parent
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


@pytest.mark.parametrize(
    ("text", "shown"), [("bad \ud800 name", r"bad \ud800 name"), ("a\0b", "a\ufffdb"), ("€" * 100_000, "bytes cut]")]
)
def test_an_error_with_a_text_that_no_database_takes_is_told_at_once(
    fake: FakeServer, tmp_path: Path, text: str, shown: str
) -> None:
    def fail() -> None:
        with open("text", encoding="utf-8", errors="surrogatepass", newline="") as file:  # noqa: PTH123
            raise ValueError(file.read())

    (tmp_path / "text").write_bytes(text.encode("utf-8", "surrogatepass"))
    task = fake.submit(fail, executor={"workdir": str(tmp_path)})
    error = fake.outcome(task).error or ""
    assert shown in error
    assert "the server did not take its result" not in error
    assert error.startswith("Traceback")
    assert len(error.encode()) <= ERROR_BYTES
    assert task.leased == 1


@pytest.mark.parametrize("workdir", ["/proc/nope", "/tmp/with\0nul", "/etc/hostname/below"])  # noqa: S108 - never made
@pytest.mark.parametrize("unique", [False, True])
def test_a_workdir_that_cannot_be_used_fails_its_tasks_and_says_why(
    fake: FakeServer, workdir: str, unique: bool
) -> None:
    executor = {"workdir": workdir, "create_unique_workdir": unique}
    tasks = [fake.submit(lambda: 1, executor=executor) for _ in range(3)]
    for task in tasks:
        completion = fake.outcome(task)
        assert completion.outcome is Outcome.FAILED
        assert completion.error is not None
        assert completion.error.startswith("the task cannot run in the directory ")
        assert "give its executor a `workdir`" in completion.error
    assert fake.value(fake.submit(lambda: "well")) == "well"


def test_a_task_may_remove_its_working_directory(fake: FakeServer, workers: Workers) -> None:
    def remove() -> str:
        import os
        import shutil

        shutil.rmtree(os.getcwd())  # noqa: PTH109
        return "done"

    for executor in ({}, {"workdir": str(workers.directory / "w")}):
        for _ in range(2):
            task = fake.submit(remove, executor=executor)
            assert fake.value(task) == "done"
            assert task.text("stderr") == ""


def test_closing_stderr_is_no_death(fake: FakeServer) -> None:
    def close() -> str:
        import os

        os.close(2)
        return "done"

    assert fake.value(fake.submit(close)) == "done"


@pytest.mark.parametrize("seconds", [0, 600])
def test_a_task_that_closes_its_runners_descriptors_is_told_so_and_not_that_memory_ran_out(
    fake: FakeServer, seconds: int
) -> None:
    def close(seconds: int) -> None:
        import os
        import time

        os.closerange(3, 1000)
        time.sleep(seconds)

    completion = fake.outcome(fake.submit(close, seconds))
    assert completion.outcome is Outcome.DIED
    assert "closed file descriptors that it had not opened" in (completion.error or "")
    assert fake.value(fake.submit(lambda: "well")) == "well"


def test_a_task_whose_runners_always_end_before_it_begins_is_given_up(fake: FakeServer, workers: Workers) -> None:
    python = workers.directory.parent / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import socket, sys\n"
        "from covalent.worker import channel\n"
        "from covalent.worker.messages import Ready\n"
        "connection = socket.socket(fileno=int(sys.argv[-3]))\n"
        "connection.sendall(channel.encode(Ready()))\n"
        "connection.recv(1)\n"
        "sys.exit('no, thank you')\n"
    )
    python.chmod(0o755)
    completion = fake.outcome(fake.submit(lambda: 1, executor={"python": str(python)}))
    assert completion.outcome is Outcome.FAILED
    assert "3 times, before the task began" in (completion.error or "")
    assert "no, thank you" in (completion.error or "")
    assert fake.value(fake.submit(lambda: "well")) == "well"


def test_a_runner_that_talks_nonsense_takes_only_its_task_along(fake: FakeServer) -> None:
    def babble() -> None:
        import os
        import stat
        import time

        for number in range(3, 100):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    os.write(number, bytes(7) + b"\x05hello")
            except OSError:
                continue
        time.sleep(600)

    assert fake.outcome(fake.submit(babble)).outcome is Outcome.DIED
    assert fake.value(fake.submit(lambda: "well")) == "well"


@pytest.mark.parametrize(
    "executor",
    [
        {"workdir": 5},
        {"workdir": ["a"]},
        {"workdir": "~nobody-of-this-name/x"},
        {"python": 5},
        {"python": "/nul\0/python"},
        {"python": "/\ud800/python"},
    ],
)
def test_a_lease_that_makes_no_sense_fails_its_task_alone(fake: FakeServer, executor: dict[str, object]) -> None:
    completion = fake.outcome(fake.submit(lambda: 1, executor=executor))
    assert completion.outcome is Outcome.FAILED
    assert "run" in (completion.error or "")
    assert fake.value(fake.submit(lambda: "well")) == "well"
    assert len(fake.hellos) == 1


@pytest.mark.parametrize(
    "argument",
    [{"list": 5}, {"asset": "../../token"}, {"node": 1, "path": 7}, {}],
    ids=["list", "asset", "path", "empty"],
)
def test_a_template_that_makes_no_sense_fails_its_task_alone(fake: FakeServer, argument: dict[str, object]) -> None:
    fake.inline = False
    completion = fake.outcome(fake.submit(lambda x: x, argument, outputs={"1": fake.put(1)}))
    assert completion.outcome is Outcome.FAILED
    assert fake.value(fake.submit(lambda: "well")) == "well"
    assert len(fake.hellos) == 1


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


def spread() -> None:
    """Start a child, a session of its own, and a daemon that nothing but its descent leads to."""
    import os
    import subprocess
    import sys
    import time

    nap = "import time; time.sleep(600)"
    session = (
        "import os, subprocess, sys; os.setsid(); "
        f"print(subprocess.Popen([sys.executable, '-c', {nap!r}], start_new_session=True).pid, flush=True)"
    )
    subprocess.run([sys.executable, "-c", session], check=True)
    print(subprocess.Popen([sys.executable, "-c", nap]).pid, flush=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            nested = f"import os, time; os.fork(); print(os.getpid(), flush=True); {nap}"
            os.execve(sys.executable, [sys.executable, "-S", "-c", nested], {})  # noqa: S606 - no shell is the point
        os._exit(0)
    os.wait()
    time.sleep(600)


def test_a_dropped_task_is_gone_within_two_seconds_with_all_that_it_started(fake: FakeServer) -> None:
    task = fake.submit(spread)
    fake.wait(lambda: task.text().count("\n") == 4 and task.started, "all process ids")
    pids = [int(line) for line in task.text().split()]
    assert all(map(is_alive, pids))
    dropped = time.monotonic()
    fake.cancel(task)
    eventually(lambda: not any(map(is_alive, pids)))
    assert time.monotonic() - dropped < 2.0
    assert fake.value(fake.submit(lambda: "well")) == "well"
    assert task.completion is None


def test_what_a_killed_runners_task_started_ends_with_it(fake: FakeServer) -> None:
    task = fake.submit(spread)
    fake.wait(lambda: task.text().count("\n") == 4, "all process ids")
    pids = [int(line) for line in task.text().split()]
    kill(parent(pids[1]))
    assert fake.outcome(task).outcome is Outcome.DIED
    eventually(lambda: not any(map(is_alive, pids)))


def test_what_a_finished_task_started_ends_with_it_and_other_tasks_go_on(fake: FakeServer, workers: Workers) -> None:
    go = workers.directory / "go"

    def wait_for(path: str) -> str:
        import os
        import time

        while not os.path.exists(path):  # noqa: PTH110 - it takes no globals along
            time.sleep(0.01)
        return "waited"

    def start() -> int:
        import os
        import sys

        reading, writing = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(writing, str(os.getpid()).encode())
                os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(600)"], {})  # noqa: S606
            os._exit(0)
        os.wait()
        return int(os.read(reading, 100))

    other = fake.submit(wait_for, str(go))
    fake.wait(lambda: other.started)
    pid = fake.value(fake.submit(start))
    eventually(lambda: not is_alive(pid))
    go.write_text("")
    assert fake.value(other) == "waited"
    assert other.leased == 1


def test_a_task_that_is_dropped_before_it_began_never_runs(fake: FakeServer, workers: Workers) -> None:
    path = workers.directory / "ran"

    def nap() -> None:
        import time

        time.sleep(600)

    blocking = [fake.submit(nap) for _ in range(2)]
    fake.wait(lambda: all(task.started for task in blocking))
    waiting = fake.submit(lambda path: open(path, "w").close(), str(path))  # noqa: PTH123
    fake.cancel(*blocking)
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
