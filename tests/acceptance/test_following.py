"""Following what tasks print, from a script and from the command line, while the server is killed and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.programs import Project
from tests.installation import PATIENCE

_SPEAKS = """
import os
import sys
import time


@ct.electron
def speak(gate):
    print("first: grüße", flush=True)
    print("trouble", file=sys.stderr, flush=True)
    while not os.path.exists(gate):
        time.sleep(0.01)
    print("second", flush=True)
    return 1


@ct.electron
def last(value):
    print("last", end="")
    return value


@ct.lattice
def workflow(gate):
    return last(speak(gate))
"""

_FOLLOWS = """
import sys

import covalent as ct

for text in ct.get_result(sys.argv[1]).follow(0):
    print(text, end="", flush=True)
print("ended")
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """What the task waits for, once it has begun to speak."""
    return tmp_path / "gate"


class Follower:
    """A program that follows, and shows what it is told line by line."""

    def __init__(self, project: Project, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=project.directory,
            env=project.installation.environ | {"PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self._process.stdout is not None
        self.lines: Iterator[str] = self._process.stdout

    def rest(self) -> str:
        """What comes until it ends, which it does by itself."""
        rest, complaints = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, complaints
        return rest


@pytest.mark.parametrize("how", ["script", "command"])
def test_a_running_task_is_followed_through_the_servers_death(own_project: Project, gate: Path, how: str) -> None:
    own_project.workflow(_SPEAKS)
    own_project.write("follows.py", _FOLLOWS)
    with own_project.start(str(gate)) as program:
        dispatch_id = program.dispatch_id()
        commands = {
            "script": ["follows.py", dispatch_id],
            "command": ["-m", "covalent_server", "logs", dispatch_id, "0", "--follow"],
        }
        follower = Follower(own_project, *commands[how])
        assert next(follower.lines) == "first: grüße\n"
        own_project.installation.kill()
        own_project.installation.start()
        gate.touch()
        assert follower.rest() == ("second\nended\n" if how == "script" else "second\n")
        assert program.told().value == 1


def test_another_attempt_is_followed_after_the_one_that_failed(project: Project, gate: Path) -> None:
    project.workflow(
        """
        import os
        import time


        @ct.electron(retries=1)
        def stumble(gate):
            again = os.path.exists(gate)
            print("again" if again else "at first", flush=True)
            while not os.path.exists(gate):
                time.sleep(0.01)
            if not again:
                raise ValueError("no")
            return 1


        @ct.lattice
        def workflow(gate):
            return stumble(gate)
        """
    )
    project.write("follows.py", _FOLLOWS)
    with project.start(str(gate)) as program:
        follower = Follower(project, "follows.py", program.dispatch_id())
        assert next(follower.lines) == "at first\n"
        gate.touch()
        assert follower.rest() == "again\nended\n"
        assert program.told().value == 1


def test_all_tasks_of_a_dispatch_are_followed_to_its_end(project: Project, gate: Path) -> None:
    project.workflow(_SPEAKS)
    with project.start(str(gate)) as program:
        follower = Follower(project, "-m", "covalent_server", "logs", program.dispatch_id(), "--follow")
        assert next(follower.lines) == "speak(0): first: grüße\n"
        gate.touch()
        assert follower.rest() == "speak(0): second\nlast(1): last\n"


def test_what_was_printed_is_shown_for_one_task_and_for_all(project: Project, gate: Path) -> None:
    project.workflow(_SPEAKS)
    gate.touch()
    told = project.run(str(gate))
    installation = project.installation
    logs = "logs", told.dispatch_id
    assert installation.command(*logs, "0").stdout == "first: grüße\nsecond\n"
    assert installation.command(*logs, "1").stdout == "last"
    assert installation.command(*logs, "0", "-n", "1").stdout == "second\n"
    assert installation.command(*logs, "0", "--stream", "stderr").stdout == "trouble\n"
    assert installation.command(*logs).stdout == "speak(0): first: grüße\nspeak(0): second\nlast(1): last\n"
    assert installation.command(*logs, "-n", "1").stdout == "last(1): last\n"
    one = json.loads(installation.command(*logs, "0", "--json").stdout)
    assert (one["text"], one["node_id"], one["stream"]) == ("first: grüße\nsecond\n", 0, "stdout")
    all_of_them = json.loads(installation.command(*logs, "--json").stdout)
    assert all_of_them["lines"] == ["speak(0): first: grüße", "speak(0): second", "last(1): last"]
    pieces = installation.command(*logs, "1", "--json", "--follow").stdout.splitlines()
    assert [json.loads(piece)["text"] for piece in pieces] == ["last"]


def test_what_there_is_not_is_told(project: Project) -> None:
    unknown = project.installation.command("logs", "nowhere", check=False)
    assert (unknown.returncode, unknown.stdout) == (18, "")
    assert "nowhere" in unknown.stderr
    both = project.installation.command("logs", "nowhere", "--follow", "-n", "3", check=False)
    assert both.returncode == 2
    assert "leave it out with --follow" in both.stderr
    wrong = project.installation.command("logs", "nowhere", "first", check=False)
    assert wrong.returncode == 2


def test_without_a_server_nothing_can_be_followed(tmp_path: Path, project: Project) -> None:
    said = project.installation.command("logs", "it", "--data-dir", str(tmp_path / "empty"), check=False)
    assert said.returncode == 3
    assert "start it with: covalent start" in said.stderr
