"""Stopping what was dispatched: all of it, or single tasks."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from covalent.client.waiting import check_id
from covalent.connection import connect
from covalent.errors import CovalentError
from covalent.http import persistently
from covalent.result.source import dispatch_path
from covalent.status import Status
from covalent.wire.codec import from_json
from covalent.wire.manifest import Cancellation
from covalent.wire.records import DispatchRecord


def cancel(dispatch_id: str, task_ids: int | Iterable[int] | None = None, dispatcher_addr: str | None = None) -> str:
    """Cancel a dispatch, or only the tasks with these numbers; returns a sentence that says how it stands then.

    Running tasks are stopped with everything that they have started, waiting ones never start, and in a sublattice
    the same happens to its tasks. What has ended stays as it is. Tasks that need a cancelled one never start.

    >>> ct.cancel(dispatch_id, [0, 3])
    'Cancelled what had not ended of the tasks 0 and 3 of the dispatch 5f0c...; it is RUNNING.'
    """
    check_id(dispatch_id)
    nodes = _numbers(task_ids)
    server = connect(dispatcher_addr)
    path = f"{dispatch_path(dispatch_id)}/cancel"
    try:
        # Harmless to repeat: what is cancelled stays so.
        answer = persistently(lambda: server.post(path, Cancellation(nodes=nodes)))
    except (CovalentError, KeyboardInterrupt) as error:
        raise error.with_traceback(None) from None  # what lies between is ours, and no help to anybody
    return _told(from_json(DispatchRecord, answer.plain), nodes)


def _numbers(task_ids: Any) -> tuple[int, ...] | None:
    if task_ids is None:
        return None
    several = isinstance(task_ids, Iterable) and not isinstance(task_ids, (str, bytes))
    numbers = tuple(dict.fromkeys(_number(item) for item in (task_ids if several else [task_ids])))
    if not numbers:
        raise ValueError("task_ids names no task, so nothing was cancelled; leave it out to cancel the whole dispatch")
    return numbers


def _number(given: Any) -> int:
    try:
        number = operator.index(given)
    except TypeError:
        number = None
    if number is None or isinstance(given, bool):
        raise TypeError(
            f"task_ids takes the number of a task or a list of them, not {given!r}; "
            "ct.get_result(dispatch_id).get_all_node_results() shows each task with its number"
        )
    if number < 0:
        raise ValueError(f"task_ids takes the numbers of tasks, which begin with 0, not {number}")
    return number


def _told(record: DispatchRecord, nodes: tuple[int, ...] | None) -> str:
    this = f"the dispatch {record.dispatch_id}"
    if nodes is not None:
        *others, last = map(str, nodes)
        tasks = f"the tasks {', '.join(others)} and {last}" if others else f"the task {last}"
        return f"Cancelled what had not ended of {tasks} of {this}; it is {record.status}."
    if record.status is Status.CANCELLED:
        return f"Cancelled {this}."
    if record.status.terminal:
        return f"Nothing is left to cancel of {this}: it is {record.status}."
    return f"Cancelled {this}; it is {record.status} until its tasks have stopped."
