"""A limit with a real server and workers in two environments: kept while they are killed, and reached again after."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.programs import Project
from tests.installation import Installation, alive, wait_until

SLOTS = 3
COUNT = 6
#: What keeps the limit is asked of the tasks themselves: each notes its beginning and its end, with its process.
WORKFLOW = """
import os
import time


def note(journal, *words):
    line = " ".join(map(str, (*words, os.getpid(), time.monotonic())))
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{{line}}\\n".encode())
    os.close(descriptor)


def work(index, journal, gate):
    note(journal, "begin", index)
    while not os.path.exists(gate):
        time.sleep(0.01)
    note(journal, "end", index)
    return index


here = ct.electron(work, tags=["licence", "other"])
there = ct.electron(work, tags=["licence"], executor=ct.executor.LocalExecutor(python={python!r}))


@ct.electron
def free(index):
    return index


@ct.lattice
def workflow(journal, gate):
    first = [here(index, journal, gate) for index in range({count})]
    return [free(7), *first, *[there({count} + index, journal, gate) for index in range({count})]]
"""


class Journal:
    """What the tasks noted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: When processes were killed, which cannot note their end.
        self.killed: dict[int, float] = {}

    def attempts(self) -> Iterator[tuple[int, float, float | None]]:
        """Of each attempt its process, its beginning and its end."""
        begun: dict[tuple[int, int], float] = {}
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        for what, index, pid, at in map(str.split, lines):
            if what == "begin":
                begun[int(index), int(pid)] = float(at)
            else:
                yield int(pid), begun.pop((int(index), int(pid))), float(at)
        yield from ((pid, at, self.killed.get(pid)) for (_, pid), at in begun.items())

    def running(self) -> list[int]:
        """The processes of those that have begun and not ended."""
        return [pid for pid, _, end in self.attempts() if end is None and alive(pid)]

    def most(self) -> int:
        """How many ran at once at most."""
        moments = [(at, 1) for _, at, _ in self.attempts()] + [(end, -1) for _, _, end in self.attempts() if end]
        running = most = 0
        for _, change in sorted(moments):
            running += change
            most = max(most, running)
        return most


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "installation")
    made.environ |= {"COVALENT_LOCAL_SLOTS": "4", "COVALENT_LEASE_TTL": "5"}
    with made:
        yield made


def test_a_limit_holds_across_environments_and_kills_and_is_reached_again(
    installation: Installation, own_project: Project, client_python: str, tmp_path: Path
) -> None:
    installation.command("limit", "set", "licence", str(SLOTS))
    own_project.workflow(WORKFLOW.format(python=client_python, count=COUNT))
    journal, gate = Journal(tmp_path / "journal"), tmp_path / "gate"
    with own_project.start(str(journal.path), str(gate)) as program:
        dispatch_id = program.dispatch_id()
        wait_until(lambda: len(journal.running()) == SLOTS, "the limit to be reached")
        waiting = wait_until(lambda: held_back(installation, dispatch_id), "a task to be held back")
        assert waiting.startswith(f"the limit of the tag 'licence' is full: {SLOTS} of {SLOTS}, held by nodes ")
        assert f"of the dispatch {dispatch_id}" in waiting

        runners = journal.running()
        journal.killed = dict.fromkeys(runners, time.monotonic())
        for pid in installation.worker_pids():
            os.kill(pid, signal.SIGKILL)
        installation.kill()
        wait_until(lambda: not any(map(alive, runners)), "the runners to follow their workers")
        installation.start()
        wait_until(lambda: len(journal.running()) == SLOTS, "the limit to be reached again")
        (limit,) = json.loads(installation.command("limit", "list", "--json").stdout)["limits"]
        assert (limit["name"], limit["slots"], limit["held"]) == ("licence", SLOTS, SLOTS)

        gate.touch()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", [7, *range(2 * COUNT)])
    assert journal.most() == SLOTS


def held_back(installation: Installation, dispatch_id: str) -> str:
    """What is said of a task that a limit holds back."""
    asked = installation.request("GET", f"/api/v1/dispatches/{dispatch_id}/why").plain["nodes"]
    return next((str(item["message"]) for item in asked if item["code"] == "limit"), "")
