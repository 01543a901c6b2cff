"""Shell commands that run before a task: ``deps_bash``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from covalent.wire.work import Completion, Outcome
from tests.integration.worker.conftest import Workers, eventually, is_alive
from tests.integration.worker.fake_server import FakeServer


def failure(fake: FakeServer, *commands: str) -> Completion:
    completion = fake.outcome(fake.submit(lambda: "ran", bash=commands))
    assert completion.outcome is Outcome.FAILED
    return completion


@pytest.mark.usefixtures("worker")
def test_commands_come_first_and_calls_after_the_function_last(fake: FakeServer, tmp_path: Path) -> None:
    log = str(tmp_path / "log")

    def note(word: str) -> None:
        with open(log, "a") as file:  # noqa: PTH123 - it takes no globals along
            file.write(f"{word}\n")

    task = fake.submit(
        note,
        "function",
        bash=[f"echo one >> {log}", f"echo two >> {log}"],
        before=[{"function": note, "args": ("before",)}],
        after=[{"function": note, "args": ("after",)}],
    )
    fake.value(task)
    assert Path(log).read_text().split() == ["one", "two", "before", "function", "after"]


@pytest.mark.usefixtures("worker")
def test_commands_run_in_the_tasks_directory_and_what_they_export_ends_with_each(
    fake: FakeServer, tmp_path: Path
) -> None:
    def look() -> tuple[str | None, str]:
        import os

        with open("made") as file:  # noqa: PTH123 - it takes no globals along
            return os.environ.get("EXPORTED"), file.read()

    task = fake.submit(
        look,
        bash=["export EXPORTED=1; cd /", "echo \"[$EXPORTED] $(pwd) 'q'\" > made"],
        executor={"workdir": str(tmp_path / "w"), "create_unique_workdir": True},
    )
    assert fake.value(task) == (None, f"[] {tmp_path}/w/d-1/node_0 'q'\n")


@pytest.mark.usefixtures("worker")
def test_what_commands_print_is_the_tasks_while_they_run_and_in_order(fake: FakeServer, tmp_path: Path) -> None:
    go = tmp_path / "go"
    task = fake.submit(
        lambda: print("function"),
        bash=[f"echo out; echo err >&2; until [ -e {go} ]; do sleep 0.02; done"],
        before=[{"function": lambda: print("call")}],
    )
    fake.wait(lambda: task.text() == "out\n" and task.text("stderr") == "err\n", "what the command prints")
    go.write_text("")
    fake.value(task)
    assert (task.text(), task.text("stderr")) == ("out\ncall\nfunction\n", "err\n")


@pytest.mark.usefixtures("worker")
def test_a_command_that_fails_is_named_with_its_status_and_nothing_else_runs(fake: FakeServer, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    error = failure(fake, "exit 7", f"touch {trace}").error or ""
    assert "the command 'exit 7' of deps_bash of <lambda> ended with exit status 7" in error
    assert "stdout and stderr" in error
    assert not trace.exists()
    assert "Traceback" not in error


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("kill -9 $$", "was ended by signal 9"),
        ("no-such-program-anywhere", "ended with exit status 127"),
        ("a\0b", "cannot be run by"),
        ("if then", "ended with exit status 2"),
    ],
)
def test_every_way_to_fail_is_told_in_words(fake: FakeServer, command: str, words: str) -> None:
    error = failure(fake, command).error or ""
    assert words in error
    assert "of deps_bash of <lambda>" in error
    assert fake.value(fake.submit(lambda: "well")) == "well"


def test_where_there_is_no_bash_sh_runs_the_commands(fake: FakeServer, workers: Workers, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").write_text('#!/bin/sh\necho plain shell\nexec /bin/sh "$@"\n')
    (programs / "sh").chmod(0o755)
    workers.start(environ={"PATH": str(programs)})
    task = fake.submit(lambda: "ran", bash=["echo done"])
    assert fake.value(task) == "ran"
    assert task.text() == "plain shell\ndone\n"


def test_what_a_command_leaves_running_serves_the_task_and_ends_with_it(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1)

    def look() -> tuple[int, bool]:
        import os

        with open("pid") as file:  # noqa: PTH123 - it takes no globals along
            pid = int(file.read())
        return pid, os.path.exists(f"/proc/{pid}")  # noqa: PTH110 - as above

    pid, alive = fake.value(fake.submit(look, bash=["sleep 600 & echo $! > pid"]))
    assert alive
    eventually(lambda: not is_alive(pid))
    assert fake.value(fake.submit(lambda: "well")) == "well"


def test_a_dropped_task_takes_its_running_command_along(fake: FakeServer, worker: subprocess.Popen[bytes]) -> None:
    task = fake.submit(lambda: "ran", bash=["echo $$; sleep 600; true"])
    fake.wait(lambda: task.text().endswith("\n"), "the shell's process id")
    pid = int(task.text())
    assert is_alive(pid)
    fake.cancel(task)
    eventually(lambda: not is_alive(pid))
    assert task.completion is None
    assert worker.poll() is None
