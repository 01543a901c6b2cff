"""``kill -9`` of the server while a workflow runs: nothing recorded is lost, and nothing recorded runs twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.acceptance.fan_out import FanOut
from tests.acceptance.programs import Project
from tests.databases import on_every_database
from tests.installation import Installation, wait_until


@on_every_database
def test_a_dispatch_outlives_the_killing_of_its_server_and_no_task_runs_twice(
    installation: Installation, own_project: Project
) -> None:
    fan_out = FanOut(own_project, count=12, free=5)
    with fan_out.start() as program:
        dispatch_id = program.dispatch_id()
        wait_until(lambda: fan_out.recorded(dispatch_id) == set(range(5)), "the free tasks to be recorded")
        standing = wait_until(fan_out.waiting, "a task at the gate")
        installation.kill()
        recorded = fan_out.recorded(dispatch_id)
        fan_out.open_gate()
        # The worker has no server and goes on with what it holds.
        wait_until(lambda: standing <= fan_out.journal.ended().keys(), "tasks to end while the server is away")
        assert fan_out.recorded(dispatch_id) == recorded
        installation.start()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", fan_out.value)
    # The worker lived, so that even what was not recorded ran only once.
    assert fan_out.journal.begun() == dict.fromkeys(range(12), 1)
    assert fan_out.books.faults(dispatch_id, fan_out.journal) == []


def test_a_server_that_was_stopped_for_longer_than_its_leases_takes_none_back(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "installation")
    installation.environ["COVALENT_LEASE_TTL"] = "1.5"
    fan_out = FanOut(Project(tmp_path / "project", installation), count=2, free=1)
    with installation, fan_out.start() as program:
        dispatch_id = program.dispatch_id()
        wait_until(lambda: "RUNNING" in fan_out.states(dispatch_id), "the server to know that the task runs")
        os.kill(installation.pid, signal.SIGSTOP)
        time.sleep(4.0)  # what is shown here is that nothing follows from this
        os.kill(installation.pid, signal.SIGCONT)
        wait_until(lambda: "this process was stopped" in installation.log(), "the server to notice")
        fan_out.open_gate()
        told = program.told()
        assert (told.status, told.value) == ("COMPLETED", fan_out.value)
        assert fan_out.journal.begun() == dict.fromkeys(range(2), 1)
        assert fan_out.books.losses(dispatch_id) == 0


@on_every_database
def test_what_was_recorded_does_not_run_again_when_server_and_workers_are_killed_together(
    installation: Installation, own_project: Project
) -> None:
    fan_out = FanOut(own_project, count=8, free=4)
    with fan_out.start() as program:
        dispatch_id = program.dispatch_id()
        wait_until(lambda: fan_out.recorded(dispatch_id) == set(range(4)), "the free tasks to be recorded")
        wait_until(fan_out.waiting, "a task at the gate")
        for pid in fan_out.books.workers():
            os.kill(pid, signal.SIGKILL)
        installation.kill()
        recorded = fan_out.recorded(dispatch_id)
        fan_out.open_gate()
        installation.start()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", fan_out.value)
    begun = fan_out.journal.begun()
    assert {index: begun[index] for index in recorded} == dict.fromkeys(recorded, 1)
    assert fan_out.books.faults(dispatch_id, fan_out.journal) == []
