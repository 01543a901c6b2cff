"""The plugin that keeps Dask from running a task again, with a fake of the scheduler's table of tasks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from dask._task_spec import Task

from covalent.worker.cluster.messages import MARK
from covalent.worker.cluster.once import OnceOnly

OURS, ANOTHERS = f"double{MARK}d-1-1", "double-1"


@dataclass
class FakeTask:
    run_spec: object = "as it was"
    suspicious: int = 0


@dataclass
class FakeScheduler:
    """What the plugin sees of one."""

    allowed_failures: int = 3
    tasks: dict[str, FakeTask] = field(default_factory=lambda: {OURS: FakeTask(), ANOTHERS: FakeTask()})


@pytest.fixture
def scheduler() -> FakeScheduler:
    return FakeScheduler()


@pytest.fixture
def plugin(scheduler: FakeScheduler) -> OnceOnly:
    plugin = OnceOnly()
    asyncio.run(plugin.start(scheduler))
    return plugin


def test_our_tasks_may_be_lost_with_a_worker_no_time_at_all(plugin: OnceOnly, scheduler: FakeScheduler) -> None:
    plugin.update_graph(scheduler, client="c", keys={OURS, ANOTHERS, "gone", ("a", 1)}, tasks=[])
    assert {key: task.suspicious for key, task in scheduler.tasks.items()} == {OURS: 3, ANOTHERS: 0}


@pytest.mark.parametrize("start", ["processing", "memory"])
def test_a_task_that_is_taken_back_gives_nothing(start: str, plugin: OnceOnly, scheduler: FakeScheduler) -> None:
    for key in (OURS, ANOTHERS, "gone", ("a", 1)):
        plugin.transition(key, start, "released", stimulus_id="s")
    instead = scheduler.tasks[OURS].run_spec
    assert isinstance(instead, Task)
    assert instead() == b""
    assert scheduler.tasks[ANOTHERS].run_spec == "as it was"


@pytest.mark.parametrize(
    ("start", "finish"), [("waiting", "released"), ("processing", "memory"), ("queued", "released")]
)
def test_a_task_that_goes_its_way_stays_what_it_is(
    start: str, finish: str, plugin: OnceOnly, scheduler: FakeScheduler
) -> None:
    plugin.transition(OURS, start, finish, stimulus_id="s")
    assert scheduler.tasks[OURS].run_spec == "as it was"
