"""Triggers from a user's script to the runs that come of them, whatever is stopped or killed meanwhile."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
from pathlib import Path
from typing import Any

from tests.acceptance.programs import Project
from tests.installation import Installation, wait_until

_WORKFLOW = """
import os


@ct.electron
def note(path, word):
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{word}\\n".encode())
    os.close(descriptor)
    return word


def workflow(path, word):
    return note(path, word)


"""


class Triggered:
    """A user's workflow that notes each of its runs, and the trigger that starts it."""

    def __init__(self, project: Project, trigger: str) -> None:
        self._installation = project.installation
        self._journal = project.directory / "journal"
        self.dispatch_id: str = project.facts(
            f"{_WORKFLOW}facts['id'] = ct.dispatch(ct.lattice(workflow, triggers={trigger}))"
            f"({str(self._journal)!r}, 'ran')"
        )["id"]

    def runs(self) -> int:
        """How often the workflow's task has run."""
        return len(self._journal.read_text().splitlines()) if self._journal.exists() else 0

    @property
    def trigger(self) -> dict[str, Any]:
        """How the trigger stands."""
        (found,) = self._installation.request("GET", "/api/v1/triggers?stopped=1").plain["triggers"]
        return dict(found)

    def dispatches(self) -> list[dict[str, Any]]:
        """The dispatches that came of it, in their order."""
        listed = self._installation.request("GET", "/api/v1/dispatches?limit=1000").plain["dispatches"]
        return list(reversed(listed))

    def stop(self) -> None:
        """Let it fire no more, and let all that it has started end."""
        self._installation.command("trigger", "stop", self.dispatch_id)
        wait_until(
            lambda: {found["status"] for found in self.dispatches()} <= {"COMPLETED", "NEW_OBJECT"}, "all runs to end"
        )

    def check(self, firings: int | None = None) -> None:
        """One firing, one dispatch, one run; the first is the registered one, and the others say what they repeat."""
        found = self.dispatches()
        assert len(found) == self.trigger["firings"] == self.runs()
        assert firings in {None, len(found)}
        assert found[0]["dispatch_id"] == self.dispatch_id
        assert [item.get("redispatch_of") for item in found] == [None] + [self.dispatch_id] * (len(found) - 1)


def test_a_workflow_runs_again_and_again_and_the_trigger_outlives_its_script_and_the_server(
    installation: Installation, own_project: Project
) -> None:
    triggered = Triggered(own_project, "ct.triggers.TimeTrigger(0.5)")
    wait_until(lambda: triggered.runs() >= 3, "three runs")
    installation.restart()
    before = triggered.runs()
    wait_until(lambda: triggered.runs() >= before + 2, "runs after the restart")
    triggered.stop()
    triggered.check()


def test_killed_at_random_moments_a_server_fires_each_time_once(
    installation: Installation, own_project: Project
) -> None:
    chance = random.Random(7)  # noqa: S311  (no secret)
    triggered = Triggered(own_project, "ct.triggers.TimeTrigger(0.1)")
    for _ in range(4):
        wanted = triggered.runs() + chance.randint(1, 5)
        wait_until(lambda wanted=wanted: triggered.runs() >= wanted, "some more runs")
        installation.kill()
        installation.start()
    triggered.stop()
    triggered.check()


def test_a_time_that_comes_while_the_server_is_away_fires_once_after_its_start(
    installation: Installation, own_project: Project
) -> None:
    """The clock is not waited for: a year of missed times is put into the database instead."""
    triggered = Triggered(own_project, "ct.triggers.CronTrigger('0 9 * * *', 'Europe/Berlin')")
    due = triggered.trigger["due_at"]
    assert triggered.runs() == 0
    installation.stop()
    with contextlib.closing(sqlite3.connect(installation.data / "covalent.db")) as database, database:
        database.execute('update "trigger" set since = since - 31536000, due_at = due_at - 31536000')
    installation.start()
    wait_until(triggered.runs, "the one run")
    assert triggered.trigger["due_at"] == due
    triggered.stop()
    triggered.check(firings=1)


def test_a_directory_starts_a_workflow_also_for_what_came_while_the_server_and_the_worker_were_away(
    installation: Installation, own_project: Project, tmp_path: Path
) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    (watched / "before").touch()
    triggered = Triggered(own_project, f"ct.triggers.DirTrigger({str(watched)!r}, 'created')")
    (watched / "first").write_text("text")
    wait_until(lambda: triggered.runs() == 1, "the first run")
    installation.stop()
    assert installation.worker_pids() == []
    (watched / "second").write_text("text")
    (watched / "before").unlink()
    installation.start()
    wait_until(lambda: triggered.runs() == 2, "the run for what came while nobody looked")
    installation.restart()
    (watched / "third").touch()
    wait_until(lambda: triggered.runs() == 3, "the run after a restart that left the worker alone")
    triggered.stop()
    triggered.check(firings=3)


def test_who_looks_at_a_directory_takes_no_slot_of_a_users_task_and_is_killed_without_harm(
    installation: Installation, own_project: Project, tmp_path: Path
) -> None:
    installation.restart("--local-slots", "1")
    watched = tmp_path / "watched"
    watched.mkdir()
    triggered = Triggered(own_project, f"ct.triggers.DirTrigger({str(watched)!r}, ['created'], batch_size=2)")
    (looking,) = wait_until(installation.worker_pids, "somebody to look")
    (watched / "one").touch()
    os.kill(looking, signal.SIGKILL)
    (watched / "two").touch()
    wait_until(lambda: triggered.runs() == 1, "the run for two files, in the only slot")
    triggered.stop()
    triggered.check(firings=1)
    wait_until(lambda: triggered.trigger["stopped_at"], "the trigger to be stopped")


def test_a_directory_that_has_gone_is_told_and_looked_at_again_when_it_is_back(
    installation: Installation, own_project: Project, tmp_path: Path
) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    triggered = Triggered(own_project, f"ct.triggers.DirTrigger({str(watched)!r}, 'created')")
    watched.rmdir()
    wait_until(lambda: triggered.trigger["error"], "the error")
    assert "No such file or directory" in installation.command("trigger", "list").stdout
    watched.mkdir()
    (watched / "file").touch()
    wait_until(lambda: triggered.runs() == 1, "the run")
    assert triggered.trigger["error"] is None
    triggered.stop()
    triggered.check(firings=1)
