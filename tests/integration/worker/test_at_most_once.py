"""A worker begins what is never to be begun twice when the server says so, and not before."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from covalent.wire.work import Outcome
from tests.integration.worker.conftest import Workers, is_alive
from tests.integration.worker.fake_server import DEADLINE, FakeServer, FakeTask


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.touch()
    return path


def once(fake: FakeServer, journal: Path, **options: Any) -> FakeTask:
    """A task that notes that it begins."""

    def note(path: str) -> int:
        import os

        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        os.close(descriptor)
        return os.getpid()

    return fake.submit(note, str(journal), at_most_once=True, **options)


def test_it_begins_after_the_answer_that_names_it_however_many_are_lost(
    fake: FakeServer, worker: subprocess.Popen[bytes], journal: Path
) -> None:
    seen: list[str] = []
    fake.confirming = lambda _: seen.append(journal.read_text())
    fake.lose_begins = 3
    task = once(fake, journal)
    assert f"{fake.value(task)}\n" == journal.read_text()
    assert seen == [""] * 4
    assert (task.leased, worker.poll()) == (1, None)


def test_it_does_not_begin_by_a_lease_that_has_ended_meanwhile(
    fake: FakeServer, worker: subprocess.Popen[bytes], journal: Path
) -> None:
    fake.end_before_begin = 2
    task = once(fake, journal)
    assert f"{fake.value(task)}\n" == journal.read_text()
    assert (task.leased, len(set(task.tokens)), worker.poll()) == (3, 3, None)


def test_a_worker_that_drains_gives_back_what_it_has_asked_for_and_not_begun(
    fake: FakeServer, worker: subprocess.Popen[bytes], journal: Path
) -> None:
    fake.lose_begins = 1 << 30
    task = once(fake, journal)
    fake.wait(lambda: any(poll.started for poll in fake.polls), "the worker to ask whether it may begin")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(DEADLINE) == 0
    (released,) = {key.token for poll in fake.polls for key in poll.released}
    assert released in task.tokens
    assert journal.read_text() == ""


def test_what_was_begun_and_dies_has_failed_and_what_was_not_begins_in_another_runner(
    fake: FakeServer, workers: Workers, journal: Path
) -> None:
    workers.start(slots=1)

    def die() -> None:
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    victim = fake.submit(die, at_most_once=True)
    others = [once(fake, journal) for _ in range(3)]
    assert fake.outcome(victim).outcome is Outcome.DIED
    runners = [fake.value(task) for task in others]
    assert sorted(map(int, journal.read_text().split())) == sorted(runners)
    assert victim.leased == 1


def test_a_task_of_a_worker_that_was_killed_before_the_answer_has_not_begun(
    fake: FakeServer, workers: Workers, journal: Path
) -> None:
    first = workers.start()
    fake.lose_begins = 1 << 30
    task = once(fake, journal)
    fake.wait(lambda: any(poll.started for poll in fake.polls), "the worker to ask whether it may begin")
    os.kill(first.pid, signal.SIGKILL)
    first.wait(DEADLINE)
    assert not is_alive(first.pid)
    assert journal.read_text() == ""
    fake.lose_begins = 0
    workers.start()
    again = fake.retry(task)
    assert f"{fake.value(again)}\n" == journal.read_text()
