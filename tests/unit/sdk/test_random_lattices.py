"""What holds of any lattice, shown on many that were made by chance; ``nox -s properties`` shows it on thousands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

from tests.random_lattices import checks
from tests.random_lattices.generation import COMMON, RARE, programs
from tests.random_lattices.language import Program, constructs

# The workflows reckon with anything, infinities too.
pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning"), pytest.mark.timeout(300)]


def constructs_of_those_that_pass(check: Callable[[Program], None], *, examples: int) -> Counter[str]:
    """Check programs made by chance, the same ones every time; in how many of them each construct was."""
    seen: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
    @given(programs())
    def checked(program: Program) -> None:
        check(program)
        seen.update(constructs(program).keys())

    checked()
    return seen


def test_lattices_give_in_process_what_plain_python_gives() -> None:
    seen = constructs_of_those_that_pass(checks.check_value, examples=100)
    assert seen.keys() <= COMMON | RARE | {"constant: index", "constant: key"}
    assert seen.keys() >= COMMON
    assert len(seen.keys() & RARE) > len(RARE) / 2


def test_graphs_hold_the_tasks_and_links_that_an_independent_model_finds() -> None:
    assert constructs_of_those_that_pass(checks.check_graph, examples=50)


def test_graphs_and_lattices_are_the_same_after_they_were_json() -> None:
    assert constructs_of_those_that_pass(checks.check_json, examples=40)
