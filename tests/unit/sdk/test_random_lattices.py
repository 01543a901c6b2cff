"""What holds of any lattice, shown on many that were made by chance; ``nox -s properties`` shows it on thousands."""

from __future__ import annotations

import pytest

from tests.random_lattices import checks
from tests.random_lattices.generation import EVERYTHING, FREQUENT, programs
from tests.random_lattices.trials import tried

# The workflows reckon with anything, infinities too.
pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning"), pytest.mark.timeout(300)]


def test_lattices_give_in_process_what_plain_python_gives() -> None:
    seen = tried(programs(), checks.check_value, examples=300)
    assert seen.keys() >= FREQUENT
    assert len(seen.keys() & EVERYTHING) > 0.8 * len(EVERYTHING)


def test_graphs_hold_the_tasks_and_links_that_an_independent_model_finds() -> None:
    assert tried(programs(), checks.check_graph, examples=100).keys() >= FREQUENT


def test_graphs_and_lattices_are_the_same_after_they_were_json() -> None:
    assert tried(programs(), checks.check_json, examples=100).keys() >= FREQUENT
