"""What keeps Dask from running a task a second time by itself: a plugin of the scheduler.

When a Dask worker is lost, its scheduler runs again what was running there, and also what had been done and was not
fetched yet. Whether a task may be run again is for Covalent to say, which counts how often. So the scheduler is told:
a task of ours that was running on a lost worker fails at once, and one that it takes back in any other way becomes one
that gives nothing, by which the bridge sees that it was lost. A task that no worker has begun is moved as always.

The plugin travels by value: the scheduler needs no package of ours.
"""

from __future__ import annotations

from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin

from covalent.worker.cluster.messages import MARK


class OnceOnly(SchedulerPlugin):  # type: ignore[misc]  # Dask tells no types of it
    """Lets the scheduler give up a task that it would run again."""

    name = "covalent-once-only"
    idempotent = True

    def __init__(self) -> None:
        self._scheduler: Any = None

    async def start(self, scheduler: Any) -> None:
        """The scheduler has taken the plugin in."""
        self._scheduler = scheduler

    def update_graph(self, scheduler: Any, *, keys: Any, **_: Any) -> None:
        """Tasks have arrived: ours may be lost with a worker no time at all."""
        for key in keys:
            if isinstance(key, str) and MARK in key and key in scheduler.tasks:
                scheduler.tasks[key].suspicious = scheduler.allowed_failures

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        """A task has changed its state: one of ours that is taken back gives nothing from now on."""
        if finish == "released" and start in ("processing", "memory") and isinstance(key, str) and MARK in key:
            from dask._task_spec import Task  # noqa: PLC0415 - it is Dask's own, and this class travels

            task = self._scheduler.tasks.get(key)
            if task is not None:
                task.run_spec = Task(key, bytes)
