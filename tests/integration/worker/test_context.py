"""What a task knows of its own run, and what one attempt keeps for the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from covalent.wire.work import Outcome
from tests.integration.worker.conftest import Workers
from tests.integration.worker.fake_server import FakeServer


def resume(*, fails: bool) -> str:
    import covalent as ct

    directory = ct.get_context().checkpoint_dir
    assert directory is not None
    state = directory / "state"
    before = state.read_text() if state.exists() else ""
    state.write_text(before + "x")
    if fails:
        raise ConnectionError("try again")
    return before


def kept(workers: Workers) -> list[Path]:
    return sorted(workers.directory.glob("owners/*/checkpoints/*"))


@pytest.mark.usefixtures("worker")
def test_a_task_its_hooks_and_its_threads_know_which_run_they_are(fake: FakeServer) -> None:
    def look() -> tuple[object, ...]:
        import concurrent.futures

        import covalent as ct

        def known() -> tuple[object, ...]:
            here = ct.get_context()
            return here.dispatch_id, here.task_id, here.attempt

        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            assert threads.submit(known).result() == known()
        return known()

    def hook() -> object:
        import covalent as ct

        return ct.get_context().task_id

    assert fake.value(fake.submit(look)) == ("d-1", 0, 1)
    task = fake.submit(
        lambda *, number: (number, __import__("covalent").get_context().task_id),
        before=[{"function": hook, "retval_keyword": "number"}],
    )
    assert fake.value(task) == (1, 1)


@pytest.mark.usefixtures("worker")
def test_what_a_failed_attempt_keeps_the_next_one_finds_and_success_removes(fake: FakeServer, workers: Workers) -> None:
    task = fake.submit(resume, fails=True)
    assert fake.outcome(task).outcome is Outcome.FAILED
    other = fake.submit(resume, fails=False)
    assert fake.value(other) == ""
    (directory,) = kept(workers)
    assert (directory / "state").read_text() == "x"
    again = fake.retry(task)
    assert fake.outcome(again).outcome is Outcome.FAILED
    assert again.lease.key.attempt == 2
    assert (directory / "state").read_text() == "xx"


@pytest.mark.usefixtures("worker")
def test_success_removes_what_attempts_have_kept_whether_or_not_it_asked(fake: FakeServer, workers: Workers) -> None:
    def fail_once() -> object:
        import covalent as ct

        if ct.get_context().attempt == 1:
            (ct.get_context().checkpoint_dir / "large").mkdir()  # type: ignore[operator]  # in a task there is one
            raise ConnectionError("try again")
        return "done"

    task = fake.submit(fail_once)
    fake.outcome(task)
    assert len(kept(workers)) == 1
    assert fake.value(fake.retry(task)) == "done"
    assert kept(workers) == []


@pytest.mark.usefixtures("worker")
def test_a_task_that_keeps_nothing_has_no_directory_made_for_it(fake: FakeServer, workers: Workers) -> None:
    assert fake.outcome(fake.submit(lambda: 1 / 0)).outcome is Outcome.FAILED
    assert kept(workers) == []


def test_checkpoints_outlive_the_worker_and_are_its_owners_alone(fake: FakeServer, workers: Workers) -> None:
    first = workers.start()
    tasks = {owner: fake.submit(resume, fails=True, owner=owner) for owner in ("ada", "bob")}
    for task in tasks.values():
        fake.outcome(task)
    first.terminate()
    first.wait(30)
    assert len({path.parent for path in kept(workers)}) == 2
    workers.start()
    assert fake.outcome(fake.retry(tasks["ada"])).outcome is Outcome.FAILED
    assert sorted((path / "state").read_text() for path in kept(workers)) == ["x", "xx"]
