"""Killed workers, lost answers, servers that come and go: nothing that was done is lost, nothing runs twice."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from covalent.wire.work import Acknowledgement, Completion, Outcome
from tests.integration.worker.conftest import Workers, eventually, is_alive, kill
from tests.integration.worker.fake_server import DEADLINE, FakeServer, RefusalError, by_value


def test_a_killed_worker_takes_its_runners_and_their_children_along(fake: FakeServer, workers: Workers) -> None:
    worker = workers.start()

    def family() -> None:
        import os
        import subprocess
        import sys
        import time

        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        print(os.getpid(), child.pid, flush=True)
        time.sleep(600)

    task = fake.submit(family)
    fake.wait(lambda: task.text().endswith("\n"))
    pids = [int(word) for word in task.text().split()]
    kill(worker.pid)
    eventually(lambda: not any(map(is_alive, pids)))


def test_every_start_of_a_worker_has_a_name_of_its_own(fake: FakeServer, workers: Workers) -> None:
    for _ in range(2):
        workers.start()
    assert len({hello.worker for hello in fake.hellos}) == len(fake.hellos) == 2
    assert not {hello.worker for hello in fake.hellos} & {hello.pool for hello in fake.hellos}


def test_results_that_a_killed_worker_left_are_sent_by_the_next(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    worker = workers.start()
    done = tmp_path / "done"

    def work(path: str, large: bool) -> bytes:
        import time

        while not __import__("os").path.exists(path):
            time.sleep(0.005)
        print("worked")
        return bytes(200_000 if large else 10)

    tasks = [fake.submit(work, str(done), large) for large in (False, True)]
    fake.wait(lambda: all(task.started for task in tasks))
    fake.refused = 503
    done.write_text("")
    spool = workers.directory / "workers"
    eventually(lambda: sum(path.stat().st_size for path in spool.glob("*/spool/*.spool")) > 600)
    eventually(lambda: sum(path.read_bytes().count(b'"outcome":"completed"') for path in spool.glob("*/spool/*")) == 2)
    kill(worker.pid)
    worker.wait(DEADLINE)
    assert [task.completion for task in tasks] == [None, None]
    fake.refused = 0
    workers.start()
    assert [len(fake.value(task)) for task in tasks] == [10, 200_000]
    assert [task.text() for task in tasks] == ["worked\n", "worked\n"]
    assert [task.leased for task in tasks] == [1, 1]
    eventually(lambda: len(list(spool.iterdir())) == 1)


def test_results_for_another_server_stay_where_they_are(fake: FakeServer, workers: Workers) -> None:
    left = workers.directory / "workers" / "dead" / "spool"
    left.mkdir(parents=True)
    (left / "000001.spool").write_bytes(b"results")
    (left.parent / "serves").write_text("another server\nlocal\n")
    workers.start()
    assert fake.value(fake.submit(lambda: 1)) == 1
    assert (left / "000001.spool").exists()


def test_a_completion_whose_answer_was_lost_is_sent_again_and_known(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1)
    assert fake.value(fake.submit(lambda: 0)) == 0

    def lose(_: object) -> None:
        fake.lose_answers = 1

    fake.completed = lose
    task = fake.submit(lambda: 1)
    fake.wait(lambda: len(task.acknowledgements) == 2)
    fake.completed = lambda _: None
    assert task.acknowledgements == [Acknowledgement.OK, Acknowledgement.DUPLICATE]
    assert fake.value(fake.submit(lambda: 2)) == 2


def test_leases_whose_answer_was_lost_are_delivered_again_and_run_once(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    workers.start()
    log = tmp_path / "log"

    def note(path: str) -> None:
        with open(path, "a") as file:  # noqa: PTH123 - it takes no globals along
            file.write("x")

    fake.lose_answers = 1
    task = fake.submit(note, str(log))
    fake.value(task)
    assert task.leased == 1
    assert task.delivered == 2
    assert log.read_text() == "x"


def test_a_lease_that_is_delivered_twice_is_run_once(fake: FakeServer, workers: Workers, tmp_path: Path) -> None:
    workers.start()
    log, go = tmp_path / "log", tmp_path / "go"

    def note(path: str, go: str) -> None:
        import os
        import time

        with open(path, "a") as file:  # noqa: PTH123
            file.write("x")
        while not os.path.exists(go):  # noqa: PTH110
            time.sleep(0.005)

    task = fake.submit(note, str(log), str(go))
    fake.wait(lambda: task.started)
    lease = task.lease
    with fake.changed:
        take = fake._lease
        fake._lease = lambda poll: [*take(poll), lease]  # type: ignore[method-assign]
        other = fake.submit(lambda: 1)
    assert fake.value(other) == 1
    go.write_text("")
    fake.value(task)
    after = fake.submit(lambda: 2)
    assert fake.value(after) == 2
    assert log.read_text() == "x"
    assert task.acknowledgements == [Acknowledgement.OK]


def test_a_worker_outlives_its_server_and_goes_on(fake: FakeServer, workers: Workers, tmp_path: Path) -> None:
    worker = workers.start()
    go = tmp_path / "go"

    def work(go: str) -> str:
        import os
        import time

        while not os.path.exists(go):  # noqa: PTH110
            time.sleep(0.005)
        return "done"

    task = fake.submit(work, str(go))
    fake.wait(lambda: task.started)
    fake.close()
    go.write_text("")
    eventually(lambda: any(path.stat().st_size for path in workers.directory.glob("workers/*/spool/*.spool")))
    again = FakeServer(port=fake.port)
    try:
        again.instance, again.assets, again.tasks, again.by_token = (
            fake.instance,
            fake.assets,
            fake.tasks,
            fake.by_token,
        )
        assert again.value(task) == "done"
        assert again.value(again.submit(lambda: 1)) == 1
        assert worker.poll() is None
    finally:
        again.close()


@pytest.mark.parametrize("status", [401, 403])
def test_a_worker_that_is_refused_leaves(fake: FakeServer, workers: Workers, status: int) -> None:
    worker = workers.start()
    fake.refused = status
    fake.submit(lambda: 1)
    with fake.changed:
        fake.queue.clear()
    fake._http.cut()
    assert worker.wait(DEADLINE) == 1


def test_a_worker_leaves_when_another_server_answers(fake: FakeServer, workers: Workers) -> None:
    worker = workers.start()
    fake.instance = "another"
    fake.submit(lambda: 1)
    assert worker.wait(DEADLINE) == 1


def test_terminating_a_worker_lets_running_tasks_finish_and_gives_the_rest_back(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    worker = workers.start(slots=1)
    go = tmp_path / "go"

    def work(go: str) -> str:
        import os
        import time

        while go and not os.path.exists(go):  # noqa: PTH110
            time.sleep(0.005)
        return "done"

    function = fake.put(by_value(work))
    for task in [fake.submit(function, "") for _ in range(50)]:  # so quick that many leases are asked for
        fake.value(task)
    with fake.changed:
        running = fake.submit(function, str(go))
        waiting = [fake.submit(function, str(go)) for _ in range(20)]
    fake.wait(lambda: running.started)
    worker.send_signal(signal.SIGTERM)
    fake.wait(lambda: len(fake.queue) == len(waiting))
    go.write_text("")
    assert fake.value(running) == "done"
    assert worker.wait(DEADLINE) == 0
    assert fake.byes
    assert {task.completion for task in waiting} == {None}
    assert not list((workers.directory / "workers").iterdir())


def test_a_second_signal_stops_at_once(fake: FakeServer, workers: Workers) -> None:
    worker = workers.start()

    def forever() -> None:
        import os
        import time

        print(os.getpid(), flush=True)
        time.sleep(600)

    task = fake.submit(forever)
    fake.wait(lambda: task.text().endswith("\n"))
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)

    def gone() -> bool:
        # Two signals that arrive as one leave the worker draining: then this is the second one.
        worker.send_signal(signal.SIGTERM)
        return worker.poll() is not None

    eventually(gone)
    assert not is_alive(int(task.text()))


def test_a_server_that_drains_its_workers_ends_them(fake: FakeServer, workers: Workers) -> None:
    worker = workers.start()
    with fake.changed:
        fake.drain = True
        fake.changed.notify_all()
    assert worker.wait(DEADLINE) == 0


def test_leases_behind_a_task_that_proves_long_go_back_to_the_server(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    workers.start(slots=1)
    go = tmp_path / "go"

    def work(go: str) -> None:
        import os
        import time

        while go and not os.path.exists(go):  # noqa: PTH110
            time.sleep(0.005)

    function = fake.put(by_value(work))
    for task in [fake.submit(function, "") for _ in range(50)]:
        fake.value(task)
    with fake.changed:
        long = fake.submit(function, str(go))
        behind = [fake.submit(function, "") for _ in range(20)]
    fake.wait(lambda: len(fake.queue) == len(behind))
    assert long.completion is None
    go.write_text("")
    assert {fake.outcome(task).outcome for task in [long, *behind]} == {Outcome.COMPLETED}


def test_a_result_that_the_server_refuses_becomes_a_failure(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1)
    refuse = fake._complete
    refused: list[object] = []

    def once(completion: object) -> Acknowledgement:
        if getattr(completion, "outcome", None) is Outcome.COMPLETED and not refused:
            refused.append(completion)
            raise RefusalError(422, "too strange")
        return refuse(completion)  # type: ignore[arg-type]

    fake._complete = once  # type: ignore[method-assign]
    completion = fake.outcome(fake.submit(lambda: 1))
    assert completion.outcome is Outcome.FAILED
    assert "the server did not take its result: too strange" in (completion.error or "")


def test_a_result_that_the_server_refuses_twice_is_told_without_a_word_of_the_task(
    fake: FakeServer, workers: Workers
) -> None:
    workers.start(slots=1)
    take = fake._complete
    refused: list[str] = []

    def stubborn(completion: Completion) -> Acknowledgement:
        if len(refused) < 3:
            refused.append(completion.error or "")
            raise RefusalError(422, "too strange")
        return take(completion)

    def fail() -> None:
        raise ValueError("of the task")

    fake._complete = stubborn  # type: ignore[method-assign]
    task = fake.submit(fail)
    error = fake.outcome(task).error or ""
    assert ["of the task" in text for text in [*refused, error]] == [True, True, False, False]
    assert error.isascii()
    assert task.leased == 1
