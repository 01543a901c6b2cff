"""Tasks that run longer than they may."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from covalent.wire.work import Outcome
from tests.integration.worker.conftest import Workers, is_alive
from tests.integration.worker.fake_server import FakeServer, by_value


def nap(seconds: float) -> float:
    import time

    time.sleep(seconds)
    return seconds


@pytest.mark.usefixtures("worker")
def test_a_task_that_outlasts_its_timeout_is_stopped_and_told_so_with_what_it_printed(fake: FakeServer) -> None:
    def hang() -> None:
        import time

        print("so far", flush=True)
        time.sleep(600)

    task = fake.submit(hang, timeout=0.75)
    completion = fake.outcome(task)
    assert completion.outcome is Outcome.TIMED_OUT
    assert completion.output is None
    assert completion.error == (
        "the task ran longer than its timeout of 0.75 seconds and was stopped; "
        "give its electron a longer timeout, or less to do in one task"
    )
    assert 0.75 <= completion.ended_at - completion.started_at < 1.25
    assert task.text() == "so far\n"
    assert fake.value(fake.submit(lambda: "well")) == "well"


@pytest.mark.usefixtures("worker")
def test_all_that_an_outlasting_task_has_started_is_gone_with_it(fake: FakeServer) -> None:
    def start() -> None:
        import os
        import time

        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                print(os.getpid(), flush=True)
                time.sleep(600)
            os._exit(0)
        time.sleep(600)

    task = fake.submit(start, timeout=0.5)
    assert fake.outcome(task).outcome is Outcome.TIMED_OUT
    assert not is_alive(int(task.text()))


@pytest.mark.usefixtures("worker")
def test_commands_and_calls_around_a_function_count_too(fake: FakeServer) -> None:
    command = fake.submit(lambda: 1, bash=["sleep 600"], timeout=0.3)
    call = fake.submit(lambda: 1, after=[{"function": nap, "args": (600,)}], timeout=0.3)
    assert [fake.outcome(task).outcome for task in (command, call)] == [Outcome.TIMED_OUT] * 2


def test_a_timeout_is_counted_from_the_tasks_own_begin(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1)
    tasks = [fake.submit(nap, 0.4, timeout=1.2) for _ in range(4)]
    assert [fake.value(task) for task in tasks] == [0.4] * 4


def test_tasks_sent_ahead_have_their_own_time_and_those_behind_a_stopped_one_run(
    fake: FakeServer, workers: Workers
) -> None:
    workers.start(slots=1)
    function = fake.put(by_value(nap))
    for task in [fake.submit(function, 0.0, timeout=5.0) for _ in range(50)]:  # they show that it is quick
        assert fake.value(task) == 0.0
    with fake.changed:
        long = fake.submit(function, 600.0, timeout=0.4)
        behind = [fake.submit(function, 0.2, timeout=1.2) for _ in range(8)]
    assert fake.outcome(long).outcome is Outcome.TIMED_OUT
    assert [fake.value(task) for task in behind] == [0.2] * 8


def test_the_start_of_a_process_is_not_the_tasks_time(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1)
    python = workers.directory.parent / "slow-python"
    python.write_text(f'#!/bin/sh\nsleep 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert fake.value(fake.submit(nap, 0.1, timeout=0.5, executor={"python": str(python)})) == 0.1


def test_a_task_in_time_is_not_touched_and_waiting_costs_no_processor_time(fake: FakeServer, workers: Workers) -> None:
    worker = workers.start(slots=1)
    task = fake.submit(nap, 2.0, timeout=60.0)
    fake.wait(lambda: task.started)
    before = _processor_seconds(worker.pid)
    began = time.monotonic()
    assert fake.value(task) == 2.0
    assert _processor_seconds(worker.pid) - before < 0.2 * (time.monotonic() - began)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
