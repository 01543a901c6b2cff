"""The line on which a worker hears at once of what it is to drop."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from covalent.wire.work import Outcome, Poll
from tests.integration.worker.conftest import Workers, eventually, is_alive
from tests.integration.worker.fake_server import FakeServer, FakeTask


def listening(fake: FakeServer) -> list[Poll]:
    return [poll for poll in fake.polls if poll.wait and not poll.want]


def until(path: str) -> str:
    import os
    import time

    print(os.getpid(), flush=True)
    while not os.path.exists(path):  # noqa: PTH110 - it takes no globals along
        time.sleep(0.01)
    return "ended by itself"


def begun(fake: FakeServer, path: Path) -> FakeTask:
    """A task that runs until there is a file; the worker listens whether something is to be dropped."""
    task = fake.submit(until, str(path))
    fake.wait(lambda: task.started and task.text(), "the task's begin")
    fake.wait(lambda: listening(fake), "a poll that listens")
    return task


def assert_is_dropped_soon(fake: FakeServer, task: FakeTask) -> None:
    pid = int(task.text())
    assert is_alive(pid)
    asked = time.monotonic()
    fake.cancel(task)
    eventually(lambda: not is_alive(pid))
    assert time.monotonic() - asked < 2.0
    assert task.completion is None


def test_a_running_task_is_dropped_long_before_the_next_heartbeat(fake: FakeServer, workers: Workers) -> None:
    fake.ttl = 600.0
    workers.start(slots=2)
    go = workers.directory / "go"
    other = begun(fake, go)
    assert_is_dropped_soon(fake, begun(fake, workers.directory / "never"))
    assert_is_dropped_soon(fake, begun(fake, workers.directory / "never"))
    go.write_text("")
    assert fake.value(other) == "ended by itself"


def test_what_is_held_and_that_it_has_begun_is_known_before_the_worker_listens(
    fake: FakeServer, workers: Workers
) -> None:
    workers.start(slots=1)
    task = begun(fake, workers.directory / "go")
    (poll,) = listening(fake)
    assert [key.token for key in poll.held] == task.tokens
    assert (poll.completions, poll.streams, poll.started, poll.released) == ((), (), (), ())
    (workers.directory / "go").write_text("")
    assert fake.outcome(task).outcome is Outcome.COMPLETED
    assert len(listening(fake)) == 1


def test_tiny_tasks_are_not_listened_for(fake: FakeServer, workers: Workers) -> None:
    workers.start()
    tasks = [fake.submit(lambda x: x, number) for number in range(500)]
    assert [fake.value(task) for task in tasks] == list(range(500))
    # A busy machine may make one of them long: then the server was told that it had begun.
    assert len(listening(fake)) <= sum(len(poll.started) for poll in fake.polls)


def test_a_worker_that_leaves_does_not_wait_for_what_it_listens_to(fake: FakeServer, workers: Workers) -> None:
    worker = workers.start(slots=1)
    task = begun(fake, workers.directory / "go")
    worker.send_signal(signal.SIGTERM)
    (workers.directory / "go").write_text("")
    assert worker.wait(10.0) == 0  # half of what the server may hold an answer back
    assert fake.outcome(task).outcome is Outcome.COMPLETED
    assert len(fake.byes) == 1


def test_a_server_that_holds_nothing_back_is_not_asked_without_end(fake: FakeServer, workers: Workers) -> None:
    fake.holds_back = False
    workers.start(slots=1)
    task = begun(fake, workers.directory / "go")
    fake.wait(lambda: len(listening(fake)) == 3, "two more polls that listen")
    sent = [at for at, poll in zip(fake.poll_times, fake.polls, strict=True) if poll.wait and not poll.want]
    assert sent[2] - sent[0] >= 0.9
    (workers.directory / "go").write_text("")
    fake.value(task)
