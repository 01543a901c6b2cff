"""What is tried: programs by chance, and what else is done with them."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from tests.random_lattices.constants import KINDS, constants
from tests.random_lattices.expressions import Expressions
from tests.random_lattices.language import FAILING, OPERATORS, Attempts, Program, Redispatch, Workflow
from tests.random_lattices.model import Dispatch, dispatched
from tests.random_lattices.writing import FUNCTIONS, PRELUDE, Writer

_STATEMENTS: Final = 8
#: What is in many programs: without it, little was shown.
FREQUENT: Final = frozenset(
    [
        *("call: a lattice", "call: a sublattice", "unpack", "each", "choose", "attribute", "item", "keyword", "stars"),
        *(f"container: {kind}" for kind in ("list", "tuple", "set", "frozenset", "dict")),
        *("task COMPLETED", "task FAILED", "task NEW_OBJECT", "ended COMPLETED", "ended FAILED"),
    ]
)
#: All that programs may be made of, and what may become of them, as ``trials`` counts it.
EVERYTHING: Final = FREQUENT | {
    *(f"call: {name}" for name in (*FUNCTIONS, FAILING)),
    *(f"operator: {sign}" for sign in (*OPERATORS, "minus")),
    *(f"constant: {kind}" for kind in KINDS),
    *("wait", "item by a variable", "replay", "map", "sublattices 2 deep", "sublattices 3 deep"),
    *("sublattice COMPLETED", "sublattice FAILED", "ended FAILED_POSTPROCESSING"),
}


@st.composite
def programs(draw: st.DrawFn, *, flawless: bool | None = None) -> Program:
    """A program; one that is flawless completes."""
    if flawless is None:
        flawless = draw(st.booleans())
    arguments = tuple(draw(constants()) for _ in range(draw(st.integers(0, 2))))
    workflows: dict[str, Workflow] = {}
    dispatch = Dispatch(workflows, PRELUDE)
    variables = {f"a{number}": dispatch.value(argument, {}) for number, argument in enumerate(arguments)}
    writer = Writer(Expressions(draw, dispatch, variables, flawless=flawless), workflows)
    root = writer.workflow("workflow", _STATEMENTS)
    return Program(workflows=(*workflows.values(), root), arguments=arguments, flawless=flawless)


@st.composite
def redispatches(draw: st.DrawFn) -> Redispatch:
    """A program, and what is to be replaced in it when it is run again."""
    program = draw(programs(flawless=draw(st.booleans())))
    there = {task.name for task in dispatched(program, PRELUDE).tasks} & PRELUDE["REPLACEMENTS"].keys()
    if FAILING in there and draw(st.booleans()):
        return Redispatch(program=program, replaced=frozenset([FAILING]))
    names = draw(st.lists(st.sampled_from(sorted(there)), max_size=1)) if there else []
    return Redispatch(program=program, replaced=frozenset(names))


@st.composite
def attempts(draw: st.DrawFn) -> Attempts:
    """Tasks that fail at first, and how often they may."""
    often = st.one_of(st.none(), st.integers(0, 3))
    tasks = draw(st.lists(st.tuples(st.integers(0, 3), often), min_size=1, max_size=5))
    return Attempts(tasks=tuple(tasks), retries=draw(often))
