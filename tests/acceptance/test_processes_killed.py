"""``kill -9`` of a runner and of a worker: the task runs again or fails with a reason, and the next is unharmed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.acceptance.fan_out import FanOut
from tests.acceptance.programs import Project
from tests.databases import on_every_database
from tests.installation import Installation, alive, wait_until

pytestmark = on_every_database


def test_a_killed_runner_fails_its_own_task_with_the_reason_and_no_other(own_project: Project, tmp_path: Path) -> None:
    fan_out = FanOut(own_project, count=6, free=5)
    with fan_out.start() as program:
        (victim,) = wait_until(fan_out.waiting, "the last task at the gate")
        os.kill(fan_out.journal.processes()[victim], signal.SIGKILL)
        told = program.told()
    assert (told.status, told.value) == ("FAILED", None)
    assert told.error is not None
    assert f"square({victim})" in told.error
    assert "killed by signal 9 (SIGKILL)" in told.error
    assert fan_out.recorded(told.dispatch_id) == set(range(5))
    assert fan_out.journal.begun() == dict.fromkeys(range(6), 1)
    with FanOut(Project(tmp_path / "next", own_project.installation), count=3, free=3).start() as following:
        assert following.told().value == 5


def test_a_killed_workers_task_runs_again_at_once_and_what_it_had_reported_does_not(
    tmp_path: Path, unstarted: Installation
) -> None:
    installation = unstarted
    # Its leases are given to the next worker because it is gone, not because their time is over.
    installation.environ["COVALENT_LEASE_TTL"] = "3600"
    project = Project(tmp_path / "project", installation)
    fan_out = FanOut(project, count=6, free=5)
    with installation, fan_out.start() as program:
        dispatch_id = program.dispatch_id()
        wait_until(lambda: fan_out.recorded(dispatch_id) == set(range(5)), "the free tasks to be recorded")
        wait_until(fan_out.waiting, "the last task at the gate")
        runner = fan_out.journal.processes()[5]
        (worker,) = fan_out.books.workers()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not alive(runner), "the runner to follow its worker")
        wait_until(lambda: fan_out.journal.begun()[5] == 2, "the task to begin again")
        fan_out.open_gate()
        told = program.told()
        assert (told.status, told.value) == ("COMPLETED", fan_out.value)
        assert fan_out.journal.begun() == dict.fromkeys(range(5), 1) | {5: 2}
        assert fan_out.journal.ended()[5] == 1
        assert fan_out.books.faults(told.dispatch_id, fan_out.journal) == []
        assert worker not in fan_out.books.workers()
        with FanOut(Project(tmp_path / "next", installation), count=3, free=3).start() as following:
            assert following.told().value == 5


def test_a_task_that_kills_its_worker_every_time_fails_with_the_reason_and_takes_no_other_along(
    own_project: Project,
) -> None:
    own_project.workflow(
        """
        import os
        import signal


        @ct.electron
        def square(index, journal):
            descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.write(descriptor, f"{index}\\n".encode())
            os.close(descriptor)
            if index == 1:
                os.kill(os.getppid(), signal.SIGKILL)
            return index * index


        @ct.lattice
        def workflow(journal):
            return [square(index, journal) for index in range(5)]
        """
    )
    journal = own_project.directory / "journal"
    told = own_project.run(str(journal))
    assert told.status == "FAILED"
    assert told.error is not None
    assert told.error.startswith("square(1): lost 4 times")
    statuses = own_project.installation.request("GET", f"/api/v1/dispatches/{told.dispatch_id}/nodes").plain["nodes"]
    assert [node["status"] for node in statuses if node["kind"] == "task"] == [
        "COMPLETED",
        "FAILED",
        *["COMPLETED"] * 3,
    ]
    assert journal.read_text().split().count("1") == 4
    with FanOut(
        Project(own_project.directory / "next", own_project.installation), count=3, free=3
    ).start() as following:
        assert following.told().value == 5


def test_a_planned_stop_is_no_loss_of_the_task_that_it_cut_off(own_project: Project) -> None:
    fan_out = FanOut(own_project, count=1, free=0)
    with fan_out.start() as program:
        wait_until(fan_out.waiting, "the task at the gate")
        own_project.installation.stop()
        own_project.installation.start()
        wait_until(lambda: fan_out.journal.begun()[0] == 2, "the task to begin again")
        fan_out.open_gate()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", 0)
    assert fan_out.books.losses(told.dispatch_id) == 0
