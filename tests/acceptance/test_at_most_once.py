"""A task with ``at_most_once=True`` never begins twice, whoever is killed at whatever moment."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.fan_out import FanOut
from tests.acceptance.programs import Project, Told
from tests.chaos.books import Books
from tests.chaos.installation import Endangered, pythons
from tests.databases import on_every_database
from tests.installation import Installation, alive, wait_until

GIVEN_UP: Final = "it is not begun again, because it has at_most_once=True"


def at_the_gate(project: Project) -> FanOut:
    """Of six tasks one is to stand at the gate."""
    return FanOut(project, count=6, free=5, at_most_once=True)


def check_given_up(fan_out: FanOut, told: Told, how: str) -> None:
    """The task at the gate was given up, and no other, and none has begun twice."""
    assert (told.status, told.value) == ("FAILED", None)
    assert f"square(5): its worker {how} after the task had begun." in str(told.error)
    assert GIVEN_UP in str(told.error)
    assert fan_out.recorded(told.dispatch_id) == set(range(5))
    assert fan_out.journal.begun() == dict.fromkeys(range(6), 1)


@on_every_database
def test_a_task_whose_worker_is_killed_has_failed_and_does_not_run_again(
    installation: Installation, own_project: Project, tmp_path: Path
) -> None:
    fan_out = at_the_gate(own_project)
    with fan_out.start() as program:
        wait_until(lambda: fan_out.recorded(program.dispatch_id()) == set(range(5)), "the others to be recorded")
        wait_until(fan_out.waiting, "the task at the gate")
        (worker,) = fan_out.books.workers()
        os.kill(worker, signal.SIGKILL)
        told = program.told()
    with FanOut(Project(tmp_path / "next", installation), count=3, free=3).start() as following:
        assert following.told().value == 5
    check_given_up(fan_out, told, "died")


def test_a_task_whose_server_is_killed_runs_to_its_end(installation: Installation, own_project: Project) -> None:
    fan_out = at_the_gate(own_project)
    with fan_out.start() as program:
        wait_until(lambda: fan_out.recorded(program.dispatch_id()) == set(range(5)), "the others to be recorded")
        wait_until(fan_out.waiting, "the task at the gate")
        installation.kill()
        fan_out.open_gate()
        wait_until(lambda: fan_out.journal.ended()[5] == 1, "the task to end while the server is away")
        installation.start()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", fan_out.value)
    assert fan_out.journal.begun() == dict.fromkeys(range(6), 1)


def test_a_task_whose_server_and_worker_are_killed_has_failed_when_the_server_is_back(
    installation: Installation, own_project: Project
) -> None:
    fan_out = at_the_gate(own_project)
    with fan_out.start() as program:
        wait_until(lambda: fan_out.recorded(program.dispatch_id()) == set(range(5)), "the others to be recorded")
        wait_until(fan_out.waiting, "the task at the gate")
        (worker,) = fan_out.books.workers()
        installation.kill()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not alive(worker), "the worker to be gone")
        installation.start()
        told = program.told()
    check_given_up(fan_out, told, "died")


def test_a_task_whose_runner_is_killed_has_failed(installation: Installation, own_project: Project) -> None:
    fan_out = at_the_gate(own_project)
    with fan_out.start() as program:
        wait_until(lambda: fan_out.recorded(program.dispatch_id()) == set(range(5)), "the others to be recorded")
        wait_until(fan_out.waiting, "the task at the gate")
        os.kill(fan_out.journal.processes()[5], signal.SIGKILL)
        told = program.told()
    assert told.status == "FAILED"
    assert "killed by signal 9 (SIGKILL)" in str(told.error)
    assert fan_out.journal.begun() == dict.fromkeys(range(6), 1)
    assert installation.log().count("Traceback") == 0


def test_a_planned_stop_that_cuts_a_task_off_has_failed_it(installation: Installation, own_project: Project) -> None:
    fan_out = at_the_gate(own_project)
    with fan_out.start() as program:
        wait_until(lambda: fan_out.recorded(program.dispatch_id()) == set(range(5)), "the others to be recorded")
        wait_until(fan_out.waiting, "the task at the gate")
        installation.stop()
        installation.start()
        told = program.told()
    check_given_up(fan_out, told, "was stopped")


#: Where somebody dies between a worker's asking whether a task may begin and the task's end, and as which pass.
POINTS: Final = (
    ("covalent.http.server:Server._request.send:before", 3),
    ("covalent.http.server:Server._request.send:after", 4),
    ("covalent.worker.couriers:Mailbox.post.system:before", 3),
    ("covalent.worker.couriers:Mailbox.post.system:after", 4),
    ("covalent.worker.channel:Channel.flush.send:before", 2),
    ("covalent.worker.channel:Channel.flush.send:after", 3),
    ("covalent.worker.runner.loop:main.send.2:before", 2),
    ("covalent.worker.spool:Spool.write.flush:after", 3),
    ("covalent_server.db.transactions:_OnSqlite.run.commit:before", 3),
    ("covalent_server.db.transactions:_OnSqlite.run.commit:after", 4),
    ("covalent_server.engine.workplace:Workplace.poll.write:before", 3),
    ("covalent_server.engine.workplace:Workplace.poll.write:after", 4),
    ("covalent_server.web.workers:poll.answer:before", 3),
    ("covalent_server.web.workers:poll.answer:after", 4),
)
COUNT: Final = 16

WORKFLOW: Final = """
import os
import time


def note(journal, word, index):
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{word} {index}\\n".encode())
    os.close(descriptor)


@ct.electron(at_most_once=True)
def act(index, journal):
    note(journal, "begin", index)
    time.sleep(0.03)
    note(journal, "end", index)
    return index


@ct.lattice(executor=ct.executor.LocalExecutor(python=%r))
def workflow(count, journal):
    return [act(index, journal) for index in range(count)]
"""


@pytest.mark.timeout(600)
def test_no_task_begins_twice_wherever_server_worker_or_both_are_killed_around_its_beginning(tmp_path: Path) -> None:
    (python,) = pythons(tmp_path, 1)
    faults: list[str] = []
    completed = 0
    with Endangered(tmp_path / "installation", python, None) as installation:
        installation.ensure_started()
        for number, (point, passes) in enumerate(POINTS):
            project = Project(tmp_path / f"project{number}", installation, sys.executable)
            project.workflow(WORKFLOW % python)
            journal = project.directory / "journal"
            with project.start(COUNT, str(journal)) as program:
                dispatch_id = program.dispatch_id()
                armed = installation.arm(point, passes)
                deed = installation.fired(armed)
                assert deed is not None, f"nobody came to {point}"
                if number % 2:  # whoever it was, the others die, too
                    installation.kill_all([(pid, "worker") for pid in installation.supervisors()])
                if not alive(installation.pid):
                    installation.ensure_started()
                told = program.told()
            assert told.status in {"COMPLETED", "FAILED"}
            found = _faults(installation.books, dispatch_id, _begun(journal))
            faults += [f"{point}: {fault}" for fault in found]
            completed += told.status == "COMPLETED"
    assert faults == []
    assert completed, "not every killing is to cost a task"


def _begun(journal: Path) -> Counter[int]:
    lines = [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []
    return Counter(int(index) for word, index in lines if word == "begin")


def _faults(books: Books, dispatch_id: str, begun: Counter[int]) -> list[str]:
    """What tasks did that they must not, and what is said of them that is not so."""
    found = [f"task {index} began {times} times" for index, times in begun.items() if times > 1]
    for node in books.nodes():
        if node.dispatch == dispatch_id and node.once:
            index = _index(books, node.key)
            if node.state == "COMPLETED" and begun[index] != 1:
                found.append(f"task {index} completed and began {begun[index]} times")
            if node.state != "COMPLETED" and not any(words in str(node.error) for words in (GIVEN_UP, "SIGKILL")):
                found.append(f"task {index} is {node.state}: {node.error}")
    return found


def _index(books: Books, key: int) -> int:
    ((record,),) = books.rows("select record from node where key = ?", key)
    arguments: list[dict[str, Any]] = json.loads(record)["args"]
    return int(arguments[0]["value"])
