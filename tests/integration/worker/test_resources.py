"""What a task takes of its machine: processors, GPUs and memory, in real workers; the GPUs are made up."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from covalent.wire.work import Outcome
from tests.integration.worker.conftest import Workers, eventually, is_alive
from tests.integration.worker.fake_server import FakeServer, FakeTask


def variable(name: str) -> str | None:
    import os

    return os.environ.get(name)


def waiting(begun: str, go: str) -> str | None:
    """A task that says that it has begun, and lasts until it is told to go."""
    import os
    import time

    with open(begun, "w"):  # noqa: PTH123
        pass
    while not os.path.exists(go):  # noqa: PTH110
        time.sleep(0.01)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def test_threads_are_the_processors_that_the_task_asks_for_before_its_process_starts(
    fake: FakeServer, workers: Workers
) -> None:
    workers.start(slots=4)
    per_slot = max(1, len(os.sched_getaffinity(0)) // 4)
    asked = fake.submit(variable, "OMP_NUM_THREADS", executor={"resources": {"cpus": 3 * per_slot}})
    plain = fake.submit(variable, "OMP_NUM_THREADS")
    said = fake.submit(
        variable, "OMP_NUM_THREADS", executor={"resources": {"cpus": per_slot}}, env={"OMP_NUM_THREADS": "9"}
    )
    assert [fake.value(task) for task in (asked, plain, said)] == [str(3 * per_slot), str(per_slot), "9"]


def test_what_libraries_look_at_once_is_there_when_they_are_loaded(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1)

    def found() -> tuple[str | None, str | None]:
        import os

        with open("/proc/self/environ") as file:  # noqa: PTH123
            started = dict(line.partition("=")[::2] for line in file.read().split("\0"))
        return started.get("MKL_DYNAMIC"), os.environ.get("OTHER")

    env = {"MKL_DYNAMIC": "FALSE", "OTHER": "x"}
    assert fake.value(fake.submit(found, env=env)) == ("FALSE", "x")
    assert fake.value(fake.submit(found)) == (None, None)


def test_a_task_of_several_slots_waits_until_they_are_free(fake: FakeServer, workers: Workers, tmp_path: Path) -> None:
    workers.start(slots=2)
    everything = {"resources": {"cpus": max(1, len(os.sched_getaffinity(0)) // 2) * 2}}
    go = str(tmp_path / "go")
    first = fake.submit(waiting, str(tmp_path / "first"), go)
    eventually((tmp_path / "first").exists)
    large = fake.submit(waiting, str(tmp_path / "large"), go, executor=everything)
    fake.wait(lambda: large.leased, "the lease of the large one")
    assert not (tmp_path / "large").exists()
    (tmp_path / "go").touch()
    for task in (first, large):
        fake.value(task)
    assert first.completion is not None
    assert large.completion is not None
    assert first.completion.ended_at <= large.completion.started_at


def test_a_task_of_several_slots_is_not_overtaken_by_those_after_it(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    workers.start(slots=3)
    everything = {"resources": {"cpus": max(1, len(os.sched_getaffinity(0)) // 3) * 3}}
    go = str(tmp_path / "go")
    first = fake.submit(waiting, str(tmp_path / "first"), go)
    eventually((tmp_path / "first").exists)
    large = fake.submit(waiting, str(tmp_path / "large"), go, executor=everything)
    small = fake.submit(variable, "HOME")
    fake.wait(lambda: large.leased and small.leased, "the leases")
    (tmp_path / "go").touch()
    for task in (first, large, small):
        fake.value(task)
    assert large.completion is not None
    assert small.completion is not None
    assert large.completion.started_at <= small.completion.started_at


def test_a_gpu_is_for_one_task_whichever_worker_runs_it(fake: FakeServer, workers: Workers, tmp_path: Path) -> None:
    one = {"resources": {"gpus": 1}}
    go = tmp_path / "go"
    workers.start(slots=1, environ={"CUDA_VISIBLE_DEVICES": "5"})
    first = fake.submit(waiting, str(tmp_path / "first"), str(go), executor=one)
    eventually((tmp_path / "first").exists)
    with (tmp_path / "cache" / "gpus" / "5").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    workers.start(slots=2, environ={"CUDA_VISIBLE_DEVICES": "5"})
    second = fake.submit(waiting, str(tmp_path / "second"), str(go), executor=one)
    fake.wait(lambda: second.leased, "the lease of the second one")
    # What needs none goes on meanwhile, in the worker that waits for it.
    assert fake.value(fake.submit(variable, "CUDA_VISIBLE_DEVICES")) == "5"
    assert not (tmp_path / "second").exists()
    go.touch()
    assert [fake.value(first), fake.value(second)] == ["5", "5"]
    assert first.completion is not None
    assert second.completion is not None
    assert first.completion.ended_at <= second.completion.started_at


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"cpus": 4096}, "the task asks for 4096 cpus, and its worker has"),
        ({"gpus": 3}, "the task asks for 3 gpus, and its worker has 2; ask for less in resources, or say which"),
        ({"memory_gb": -1}, "its executor's resources['memory_gb'] is a number of gigabytes"),
    ],
)
def test_a_task_that_asks_for_more_than_there_is_fails_and_says_so(
    fake: FakeServer, workers: Workers, resources: dict[str, Any], words: str
) -> None:
    workers.start(slots=2, environ={"CUDA_VISIBLE_DEVICES": "5,7"})
    completion = fake.outcome(fake.submit(os.getpid, executor={"resources": resources}))
    assert completion.outcome is Outcome.FAILED
    assert words in str(completion.error)


def test_gpus_are_given_to_one_task_at_a_time_and_used_again(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    workers.start(slots=3, environ={"CUDA_VISIBLE_DEVICES": "5,7"})
    one = {"resources": {"gpus": 1}}
    go = tmp_path / "go"
    tasks = []
    for number in range(2):
        begun = tmp_path / str(number)
        tasks.append(fake.submit(waiting, str(begun), str(go), executor=one))
        eventually(begun.exists)
    go.touch()
    assert sorted(fake.value(task) for task in tasks) == ["5", "7"]
    both = fake.submit(variable, "CUDA_VISIBLE_DEVICES", executor={"resources": {"gpus": 2}})
    assert sorted(fake.value(both).split(",")) == ["5", "7"]
    assert fake.value(fake.submit(variable, "CUDA_VISIBLE_DEVICES")) == "5,7"
    assert fake.value(fake.submit(variable, "CUDA_VISIBLE_DEVICES", executor=one)) in {"5", "7"}


def test_gpus_are_either_given_or_named(fake: FakeServer, workers: Workers) -> None:
    workers.start(environ={"CUDA_VISIBLE_DEVICES": "5,7"})
    env = {"CUDA_VISIBLE_DEVICES": "7"}
    completion = fake.outcome(fake.submit(os.getpid, executor={"resources": {"gpus": 1}}, env=env))
    assert completion.outcome is Outcome.FAILED
    assert "its env names some with CUDA_VISIBLE_DEVICES; leave one of the two out" in str(completion.error)


def hoard(child: str) -> None:
    """Take memory in a grandchild that is in a session of its own."""
    import subprocess
    import sys
    import time

    code = f"import os, time; open({child!r}, 'w').write(str(os.getpid())); a = b'x' * 300_000_000; time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    time.sleep(600)


def test_a_task_that_uses_more_memory_than_it_may_is_ended_with_all_that_it_started_and_says_so(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    workers.start(slots=2)
    task: FakeTask = fake.submit(hoard, str(tmp_path / "child"), executor={"resources": {"memory_gb": 0.2}})
    completion = fake.outcome(task)
    assert completion.outcome is Outcome.DIED
    assert str(completion.error).startswith(
        "the task, with all that it had started, used more than its 0.2 GB of memory and was stopped; "
    )
    child = int((tmp_path / "child").read_text())
    eventually(lambda: not is_alive(child))
    small = fake.submit(lambda: len(bytearray(10_000_000)), executor={"resources": {"memory_gb": 0.2}})
    assert fake.value(small) == 10_000_000
