"""From leases to tasks, without a server: everything that a task needs comes with its lease."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from covalent.http import Server
from covalent.wire.work import Lease, LeaseKey
from covalent.worker.assets import Assets
from covalent.worker.building import Builders
from covalent.worker.couriers import Mailbox
from covalent.worker.home import Home
from covalent.worker.intake import Intake
from covalent.worker.ledger import Held
from covalent.worker.preparing import Preparation
from covalent.worker.process import Job
from covalent.worker.settings import Patience

FUNCTION_BYTES = b"x"
FUNCTION = hashlib.sha256(FUNCTION_BYTES).hexdigest()


@dataclass
class Seen:
    """What the intake told."""

    jobs: list[Job] = field(default_factory=list)
    refused: list[tuple[Held, str]] = field(default_factory=list)

    def refuse(self, held: Held, reason: str) -> None:
        self.refused.append((held, reason))


def never(_: float, __: Callable[[], None]) -> None:
    raise AssertionError("nothing is to be fetched")


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def intake(tmp_path: Path, seen: Seen) -> Intake:
    return Intake(
        server=Server("http://127.0.0.1:1", None),
        home=Home(tmp_path, "alive"),
        fetchers=[],
        preparation=Preparation(Builders(tmp_path / "layers", {}, tmp_path), Mailbox()),
        ready=seen.jobs.append,
        impossible=seen.refuse,
        later=never,
        patience=Patience(),
    )


def held(*, attempt: int = 1, **fields: Any) -> Held:
    key = LeaseKey(node=1, attempt=attempt, token="token")  # noqa: S106 - made up
    made = {"function": FUNCTION, "owner": "ada", "name": "task", "dispatch_id": "d", "node_id": 0, **fields}
    return Held(lease=Lease(key=key, **made))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"executor_data": {"workdir": 5}}, "`workdir` is to be a string, not 5"),
        ({"executor_data": {"python": ["a"]}}, "`python` is to be a string"),
        ({"executor_data": {"workdir": "~nobody-of-this-name/x"}}, "names no directory here"),
        ({"executor_data": None}, "AttributeError"),
        ({"args": ({"list": 5},)}, "not a template"),
        ({"args": (5,)}, "TypeError"),
        ({"function": "../../workers/alive/lock"}, "is not the digest of an asset"),
        ({"project": "..", "function": FUNCTION}, "is not the digest of an asset"),
        ({"requires": ("telepathy",)}, "it needs telepathy; upgrade covalent-sdk"),
    ],
)
def test_a_lease_that_makes_no_sense_is_refused_with_the_reason(
    intake: Intake, seen: Seen, fields: dict[str, Any], words: str
) -> None:
    lease = held(**fields)
    intake.take(lease, {FUNCTION: FUNCTION_BYTES})
    ((refused, reason),) = seen.refused
    assert refused is lease
    assert reason.startswith("this worker cannot run the task: ")
    assert words in reason
    assert seen.jobs == []
    assert intake.release() == []


def test_tasks_with_the_same_needs_share_a_description_of_their_runner_and_few_are_kept(
    intake: Intake, seen: Seen
) -> None:
    for number in range(1000):
        for _ in range(2):
            intake.take(held(executor_data={"workdir": f"/w/{number}"}), {FUNCTION: FUNCTION_BYTES})
    assert all(first.bind is second.bind for first, second in zip(seen.jobs[::2], seen.jobs[1::2], strict=True))
    assert len({job.key for job in seen.jobs}) == 1000
    assert len(intake._bindings) <= 256


def test_variables_that_steer_what_runs_the_task_are_refused_with_the_task(intake: Intake, seen: Seen) -> None:
    intake.take(held(env={"PYTHONPATH": "/mine"}), {FUNCTION: FUNCTION_BYTES})
    assert seen.jobs == []
    ((_, reason),) = seen.refused
    assert reason.startswith("this worker cannot run the task: the environment variable 'PYTHONPATH'")


def test_what_this_version_does_not_know_is_refused_by_name(intake: Intake, seen: Seen) -> None:
    intake.take(held(requires=("bash-hooks", "levitation")), {FUNCTION: FUNCTION_BYTES})
    ((_, reason),) = seen.refused
    assert reason == (
        "this worker cannot run the task: it needs levitation; upgrade covalent-sdk in the worker's environment"
    )


def test_a_later_attempt_does_not_find_what_the_one_before_it_has_left(intake: Intake, seen: Seen) -> None:
    executor = {"workdir": "/w", "create_unique_workdir": True}
    for attempt in (1, 2):
        intake.take(held(attempt=attempt, executor_data=executor), {FUNCTION: FUNCTION_BYTES})
    assert [job.task.directory for job in seen.jobs] == ["/w/d/node_0", "/w/d/node_0.2"]


def test_what_was_damaged_on_its_way_with_a_lease_is_not_taken(tmp_path: Path) -> None:
    assets = Assets(Home(tmp_path, "alive"))
    assets.memory.receive("ada", FUNCTION, b"y")
    assert assets.find("ada", FUNCTION) is None
    assets.memory.receive("ada", FUNCTION, FUNCTION_BYTES)
    assert assets.find("ada", FUNCTION) == FUNCTION_BYTES
