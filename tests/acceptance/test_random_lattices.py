"""What holds of any lattice, on a server and with workers; ``nox -s properties`` shows it on thousands of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.random_lattices.dispatching import User, check_attempts, check_dispatches, check_redispatches
from tests.random_lattices.generation import EVERYTHING, FREQUENT, attempts, programs, redispatches
from tests.random_lattices.trials import tried_in_batches

# The workflows reckon with anything, infinities too. A failure takes minutes: what fails is made small first.
pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def anybody(shared_installation: Installation, scientist_python: str) -> Iterator[User]:
    with User(shared_installation, scientist_python) as user:
        yield user


def test_lattices_give_on_a_server_what_plain_python_gives(anybody: User) -> None:
    seen = tried_in_batches(programs(), lambda batch: check_dispatches(anybody, batch), batches=7)
    assert seen.keys() >= FREQUENT
    assert len(seen.keys() & EVERYTHING) > 0.8 * len(EVERYTHING)


def test_what_is_redispatched_runs_only_what_is_new_and_what_follows_from_it(anybody: User) -> None:
    seen = tried_in_batches(redispatches(), lambda batch: check_redispatches(anybody, batch), batches=5)
    assert seen.keys() >= {"replaced: nothing", "replaced: same", "replaced: fail"}


def test_tasks_are_tried_as_often_as_they_may_fail(anybody: User, tmp_path: Path) -> None:
    seen = tried_in_batches(attempts(), lambda batch: check_attempts(anybody, batch, tmp_path), batches=3)
    assert seen.keys() >= {"enough attempts", "not enough attempts"}
