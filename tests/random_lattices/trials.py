"""A check of what was made by chance, repeated, and a count of what was made.

A check that has seen nothing of a kind has shown nothing of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.random_lattices import checks
from tests.random_lattices.language import Attempts, Program, Redispatch, constructs
from tests.random_lattices.model import Dispatch

#: So many are dispatched side by side.
BATCH = 12


def tried(
    strategy: st.SearchStrategy[Any], check: Callable[[Any], None], *, examples: int, seed: int | None = None
) -> Counter[str]:
    """Check what a strategy makes; in how many programs that passed each construct was.

    Without a seed they are the same ones in every run of the same tests. An example for which the check fails is made
    as small as hypothesis can before the failure comes out.
    """
    seen: Counter[str] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def trial(made: Any) -> None:
        check(made)
        for item in made if isinstance(made, list) else [made]:
            seen.update(_noted(item))

    (trial if seed is None else hypothesis.seed(seed)(trial))()
    return seen


def tried_in_batches(
    strategy: st.SearchStrategy[Any], check: Callable[[list[Any]], None], *, batches: int, seed: int | None = None
) -> Counter[str]:
    """The same for checks of some at a time."""
    return tried(st.lists(strategy, min_size=BATCH, max_size=BATCH), check, examples=batches, seed=seed)


def _noted(made: Program | Redispatch | Attempts) -> set[str]:
    """What there is in something that passed, each once."""
    match made:
        case Program():
            return {"program", *constructs(made), *_becoming(checks.expected_of(made))}
        case Redispatch(program=program, replaced=replaced):
            return {*_noted(program), *(f"replaced: {name}" for name in replaced or {"nothing"})}
        case Attempts(tasks=tasks):
            allowed = [failures <= made.allowed(own) for failures, own in tasks]
            return {"program"} | {"enough attempts" if enough else "not enough attempts" for enough in allowed}


def _becoming(dispatch: Dispatch) -> set[str]:
    """What becomes of a program."""
    found = {f"ended {dispatch.ended}", f"sublattices {_depth(dispatch)} deep"}
    for task, outcome in zip(dispatch.tasks, dispatch.outcomes(), strict=True):
        found.add(f"task {outcome}")
        if task.child is not None:
            found.add(f"sublattice {task.child.ended}")
    return found


def _depth(dispatch: Dispatch) -> int:
    return max((1 + _depth(task.child) for task in dispatch.tasks if task.child is not None), default=0)
