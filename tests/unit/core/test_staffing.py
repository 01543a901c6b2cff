"""How a pool gets its workers where provisioners start them: the words, and when there is no hope left."""

from __future__ import annotations

import pytest

from covalent_server.core.staffing import Staffing, explained, given_up

FAILED = Staffing(executor="ssh", hosts=("laptop",), fault="Permission denied", fault_at=0.0)


@pytest.mark.parametrize(
    ("staffing", "words"),
    [
        (Staffing(executor="ssh"), "start it where the executor's keys are: covalent-worker --provision ssh"),
        (Staffing(executor="ssh", hosts=("laptop",)), "its provisioner on laptop knows of them"),
        (Staffing(executor="ssh", hosts=("a",), jobs=1, since=0.0), "being started since 1970-01-01 00:00:00 UTC"),
        (FAILED, "the latest start failed at 1970-01-01 00:00:00 UTC and is tried again: Permission denied"),
    ],
)
def test_why_there_is_no_worker_says_what_to_do(staffing: Staffing, words: str) -> None:
    assert words in explained(staffing)


def test_tasks_fail_once_a_start_has_failed_and_no_worker_came_for_long_enough() -> None:
    assert given_up(FAILED, unserved=9.9, patience=10.0) is None
    reason = given_up(FAILED, unserved=10.0, patience=10.0)
    assert reason is not None
    assert reason.endswith("the latest start failed:\nPermission denied")


def test_tasks_wait_for_a_provisioner_that_is_away_or_has_not_failed() -> None:
    assert given_up(Staffing(executor="ssh"), unserved=1e6, patience=10.0) is None
    assert given_up(Staffing(executor="ssh", hosts=("a",), jobs=1, since=0.0), unserved=1e6, patience=10.0) is None
