"""What a task may know of its own run."""

from __future__ import annotations

import threading
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import covalent as ct
from covalent import context
from covalent.context import Context
from covalent.errors import ProjectError


def sweep() -> None:
    """A workflow without tasks."""


def test_outside_of_tasks_nothing_is_known() -> None:
    here = ct.get_context()
    assert (here.dispatch_id, here.task_id, here.attempt, here.checkpoint_dir) == (None, None, None, None)


def test_a_tasks_threads_know_as_much_as_the_task_and_only_until_it_ends() -> None:
    seen: list[Context] = []
    inside = Context(dispatch_id="d", task_id=3, attempt=2)
    with context.entered(inside):
        thread = threading.Thread(target=lambda: seen.append(ct.get_context()))
        thread.start()
        thread.join()
    assert seen == [inside]
    assert ct.get_context().task_id is None


def test_a_workflow_is_not_started_by_what_a_task_imports() -> None:
    with context.opening():
        with pytest.raises(ProjectError, match=r"starts the workflow sweep when it is imported.*__main__"):
            ct.dispatch(ct.lattice(sweep))()
        with context.opening():
            pass
        with pytest.raises(ProjectError):
            context.check_dispatching("sweep")
    context.check_dispatching("sweep")


def test_a_context_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ct.get_context().attempt = 2  # type: ignore[misc]  # it is what a user may try


def test_the_directory_for_checkpoints_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    inside = Context(checkpoints=str(tmp_path / "owner" / "d-1"))
    assert list(tmp_path.iterdir()) == []
    assert inside.checkpoint_dir == tmp_path / "owner" / "d-1"
    assert inside.checkpoint_dir.is_dir()
    (tmp_path / "owner" / "d-1" / "state").write_text("kept")
    assert (inside.checkpoint_dir / "state").read_text() == "kept"


def test_tasks_that_are_run_in_this_process_have_a_context_too() -> None:
    @ct.electron(retries=1)
    def resumes() -> tuple[int | None, int | None, str]:
        here = ct.get_context()
        assert here.checkpoint_dir is not None
        state = here.checkpoint_dir / "state"
        if not state.exists():
            state.write_text(f"attempt {here.attempt} of {here.dispatch_id}")
            raise ConnectionError("try again")
        return here.task_id, here.attempt, state.read_text().replace(str(here.dispatch_id), "this dispatch")

    value = ct.testing.run(ct.lattice(lambda: [resumes(), resumes()]))()
    assert value == [(0, 2, "attempt 1 of this dispatch"), (1, 2, "attempt 1 of this dispatch")]
