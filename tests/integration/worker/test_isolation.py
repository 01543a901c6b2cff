"""What one task does to its process reaches no other task."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from covalent import project
from covalent.wire import container
from tests.integration.worker.conftest import Workers, eventually, is_alive, kill
from tests.integration.worker.fake_server import TOKEN, FakeServer

SECRET = "canary-7f3a"  # noqa: S105 - made up


def by_name(fake: FakeServer, name: str) -> str:
    """A function that lives in a module, as an asset."""
    header = container.Header(codec="reference", sizes=(len(name),))
    return fake.put_bytes(b"".join(container.pack(header, [name.encode()])))


def packed(fake: FakeServer, directory: Path, files: dict[str, str]) -> str:
    """A project of these files, as an asset."""
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    made = project.pack({PurePosixPath(name): directory / name for name in files})
    assert made is not None
    return fake.put_bytes(made.serialize())


def assert_replaced(fake: FakeServer, leave: Callable[[str], int], trace: str) -> None:
    """A runner, of which ``leave`` tells the process id, serves one task after the other until one leaves a trace."""
    first, second = fake.value(fake.submit(leave, "")), fake.value(fake.submit(leave, ""))
    assert first == second
    spoiled = fake.value(fake.submit(leave, trace))
    assert spoiled == first
    assert fake.value(fake.submit(leave, "")) != first
    eventually(lambda: not is_alive(first))


@pytest.mark.usefixtures("worker")
def test_directory_and_variables_are_put_back(fake: FakeServer) -> None:
    def change() -> None:
        import os

        os.environ["LEFT_BEHIND"] = "1"
        os.environ["HOME"] = "/elsewhere"
        os.chdir("/")

    def look() -> tuple[str | None, str | None, str]:
        import os

        return os.environ.get("LEFT_BEHIND"), os.environ.get("HOME"), os.getcwd()  # noqa: PTH109

    before = fake.value(fake.submit(look))
    for _ in range(4):
        fake.value(fake.submit(change))
        assert fake.value(fake.submit(look)) == before
    assert before[:2] == (None, os.environ.get("HOME"))


def test_a_tasks_own_variables_are_its_commands_too_and_are_gone_after_it(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1, environ={"COMMON": "worker's"})

    def look() -> list[str | None]:
        import os

        return [os.environ.get("COMMON"), os.environ.get("OWN")]

    plain = fake.value(fake.submit(look))
    task = fake.submit(look, env={"COMMON": "task's", "OWN": "väl"}, bash=["echo $COMMON $OWN"])
    assert fake.value(task) == ["task's", "väl"]
    assert task.text() == "task's väl\n"
    assert fake.value(fake.submit(look)) == plain == ["worker's", None]


@pytest.mark.parametrize("trace", ["thread", "daemon", "child", "path", "limit", "signal"])
def test_a_task_that_leaves_traces_gets_its_runner_replaced(fake: FakeServer, workers: Workers, trace: str) -> None:
    workers.start(slots=1)

    def leave(trace: str) -> int:
        import os
        import resource
        import signal
        import subprocess
        import sys
        import threading
        import time

        if trace == "thread":
            threading.Thread(target=time.sleep, args=(600,)).start()
        elif trace == "daemon":
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        elif trace == "child":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        elif trace == "path":
            sys.path.append("/somewhere")
        elif trace == "limit":
            resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        elif trace == "signal":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return os.getpid()

    assert_replaced(fake, leave, trace)


def test_what_ran_beside_the_worker_before_it_started_is_no_tasks_and_stays(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    note = tmp_path / "beside"
    script = f'sleep 600 & echo $! > {note}; exec "$@"'
    workers.run(["/bin/sh", "-c", script, "sh", *workers.command(slots=1)])
    started = fake.value(fake.submit(lambda: __import__("subprocess").Popen(["sleep", "600"]).pid))
    eventually(lambda: not is_alive(started))
    beside = int(note.read_text())
    assert is_alive(beside)
    kill(beside)


@pytest.mark.parametrize("trace", ["replaced", "closed stdout", "closed stderr", "closed object"])
def test_a_task_that_takes_its_streams_away_gets_its_runner_replaced(
    fake: FakeServer, workers: Workers, trace: str
) -> None:
    workers.start(slots=1)

    def leave(trace: str) -> int:
        import os
        import sys

        if trace == "replaced":
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        elif trace == "closed stdout":
            os.close(1)
        elif trace == "closed stderr":
            os.close(2)
        elif trace == "closed object":
            sys.stdout.close()
        return os.getpid()

    assert_replaced(fake, leave, trace)


def test_what_is_printed_after_descriptors_were_replaced_is_the_next_tasks_own(
    fake: FakeServer, workers: Workers
) -> None:
    workers.start(slots=1)

    def redirect() -> None:
        import os

        print("before", flush=True)
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        print("astray", flush=True)
        raise ValueError("told all the same")

    def say() -> None:
        print("after")

    first, second = fake.submit(redirect), fake.submit(say)
    assert "told all the same" in (fake.outcome(first).error or "")
    fake.value(second)
    assert (first.text(), second.text()) == ("before\n", "after\n")
    assert first.text("stderr").endswith("ValueError: told all the same\n")


def test_the_file_mode_mask_is_put_back(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1)

    def mask(new: int) -> tuple[int, int]:
        import os

        return os.getpid(), os.umask(new)

    first = fake.value(fake.submit(mask, 0o007))
    assert fake.value(fake.submit(mask, 0o007)) == first


def test_no_secret_of_the_worker_is_in_a_tasks_environment(fake: FakeServer, workers: Workers) -> None:
    workers.start(environ={"COVALENT_API_TOKEN": SECRET, "COVALENT_TOKEN": SECRET, "KEPT": "yes"})

    def look() -> tuple[dict[str, str], str, list[str]]:
        import os
        import sys

        with open("/proc/self/environ") as file:  # noqa: PTH123 - it takes no globals along
            return dict(os.environ), file.read(), sys.argv

    variables, block, arguments = fake.value(fake.submit(look))
    assert variables["KEPT"] == "yes"
    for text in (str(variables), block, str(arguments)):
        assert SECRET not in text
        assert TOKEN not in text


@pytest.mark.usefixtures("worker")
def test_two_projects_with_a_module_of_the_same_name_each_get_their_own(fake: FakeServer, tmp_path: Path) -> None:
    projects = [packed(fake, tmp_path / name, {"helper.py": f"def who(): return {name!r}"}) for name in ("one", "two")]
    function = by_name(fake, "helper:who")
    tasks = [fake.submit(function, project=projects[number % 2]) for number in range(40)]
    assert [fake.value(task) for task in tasks] == ["one", "two"] * 20


@pytest.mark.usefixtures("worker")
def test_an_edited_project_runs_its_new_code(fake: FakeServer, tmp_path: Path) -> None:
    function = by_name(fake, "helper:answer")
    for answer in (1, 2):
        made = packed(fake, tmp_path / str(answer), {"helper.py": f"def answer(): return {answer}"})
        assert fake.value(fake.submit(function, project=made)) == answer


@pytest.mark.usefixtures("worker")
def test_a_project_comes_before_everything_else_on_the_import_path(fake: FakeServer, tmp_path: Path) -> None:
    made = packed(fake, tmp_path / "shadow", {"colorsys.py": "def here(): return __file__"})
    path = fake.value(fake.submit(by_name(fake, "colorsys:here"), project=made))
    assert made in path


@pytest.mark.usefixtures("worker")
def test_owners_share_neither_processes_nor_caches(fake: FakeServer, workers: Workers) -> None:
    def process() -> int:
        import os

        return os.getpid()

    large = fake.put(bytes(200_000))
    pids = {}
    for owner in ("ada", "bob"):
        pids[owner] = fake.value(fake.submit(process, owner=owner))
        assert fake.value(fake.submit(len, {"asset": large}, owner=owner)) == 200_000
    assert pids["ada"] != pids["bob"]
    assert fake.requests.count(f"GET /api/v1/assets/{large}") == 2
    assert len(list((workers.directory / "owners").iterdir())) == 2


@pytest.mark.usefixtures("worker")
def test_the_chosen_interpreter_runs_the_task(fake: FakeServer, tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nOTHER_PYTHON=1 exec {sys.executable} "$@"\n')
    other.chmod(0o755)

    def look() -> str | None:
        import os

        return os.environ.get("OTHER_PYTHON")

    assert fake.value(fake.submit(look, executor={"python": str(other)})) == "1"
    assert fake.value(fake.submit(look)) is None


@pytest.mark.usefixtures("worker")
def test_a_task_runs_in_its_workdir(fake: FakeServer, tmp_path: Path) -> None:
    def write() -> str:
        import os

        with open("made", "w"):  # noqa: PTH123 - it takes no globals along
            return os.getcwd()  # noqa: PTH109

    assert fake.value(fake.submit(write, executor={"workdir": str(tmp_path / "w")})) == str(tmp_path / "w")
    assert (tmp_path / "w" / "made").exists()


@pytest.mark.usefixtures("worker")
def test_a_directory_of_its_own_is_kept_when_something_is_in_it(fake: FakeServer, tmp_path: Path) -> None:
    executor = {"workdir": str(tmp_path / "w"), "create_unique_workdir": True}

    def write(name: str) -> str:
        import os

        if name:
            with open(name, "w"):  # noqa: PTH123
                pass
        return os.getcwd()  # noqa: PTH109

    full, empty, failed = (
        fake.submit(write, "made", executor=executor),
        fake.submit(write, "", executor=executor),
        fake.submit(lambda: 1 / 0, executor=executor),
    )
    assert fake.value(full) == str(tmp_path / "w" / "d-1" / "node_0")
    assert fake.value(empty) == str(tmp_path / "w" / "d-1" / "node_1")
    fake.outcome(failed)
    assert sorted(path.name for path in (tmp_path / "w" / "d-1").iterdir()) == ["node_0", "node_2"]
    assert failed.completion is not None
    assert failed.completion.workdir == str(tmp_path / "w" / "d-1" / "node_2")
    assert full.completion is not None
    assert full.completion.workdir is None


@pytest.mark.parametrize(
    ("named", "keep", "stays"), [(True, None, True), (True, False, False), (False, None, False), (False, True, True)]
)
@pytest.mark.usefixtures("worker")
def test_a_directory_stays_where_the_user_named_the_place_or_says_so(
    fake: FakeServer, tmp_path: Path, named: bool, keep: bool | None, stays: bool
) -> None:
    executor = {"workdir": str(tmp_path / "w") if named else None, "create_unique_workdir": True, "keep_workdir": keep}

    def write() -> str:
        import os

        os.makedirs("inner")  # noqa: PTH103
        os.symlink("/", "all")  # noqa: PTH211
        return os.getcwd()  # noqa: PTH109

    directory = Path(fake.value(fake.submit(write, executor=executor)))
    assert directory.exists() is stays
    assert Path("/").exists()
    failed = fake.submit(lambda: 1 / 0, executor=executor)
    fake.outcome(failed)
    assert failed.completion is not None
    assert Path(str(failed.completion.workdir)).is_dir()
