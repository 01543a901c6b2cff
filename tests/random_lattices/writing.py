"""Workflow functions by chance, statement by statement.

Each statement is carried out by the model as soon as it is drawn: what follows is drawn with the values in sight, so
that keys are there, operators fit, and most workflows go well to their end. In the others tasks fail, keys are missing
and operators do not fit.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from inspect import Parameter
from numbers import Number
from typing import Any, Final

import numpy as np
from hypothesis import strategies as st

from tests.random_lattices import arithmetic
from tests.random_lattices.expressions import NOTHING, Expressions, known
from tests.random_lattices.language import (
    FAILING,
    Call,
    Choose,
    Constant,
    Container,
    Each,
    Expression,
    Item,
    Name,
    Operate,
    Statement,
    Unpack,
    Wait,
    Workflow,
)
from tests.random_lattices.model import Dispatch, Outcome, Promise, promises
from tests.random_lattices.script import opened

#: What the model calls.
PRELUDE: Final = opened()
FUNCTIONS: Final = tuple(name for name in PRELUDE["FUNCTIONS"] if name != FAILING)
_OF_ONE_ARGUMENT: Final = ("same", "boxed", "closure", "callable")
_INNER_STATEMENTS: Final = 4
_LEVELS: Final = 3
_MOST_TASKS: Final = 40
_ONE: Final = Constant(kind="int", text="1")
_NUMBERS: Final = st.sampled_from(
    [
        _ONE,
        Constant(kind="int", text="-2"),
        Constant(kind="float", text="0.5"),
        Constant(kind="array", text="np.arange(3)"),
        Constant(kind="array", text="np.ones(3)"),
        Constant(kind="array scalar", text="np.float64(2.0)"),
    ]
)
#: A sublattice that starts itself as often as its first argument says.
_RECURSIVE: Final = Workflow(
    name="descend",
    parameters=("depth", "value"),
    statements=(
        Operate(target="less", operator="-", left=Name(name="depth"), right=_ONE),
        Choose(
            target="inner",
            condition=Name(name="depth"),
            then=Call(target="", function="descend", args=(Name(name="less"), Name(name="value"))),
            otherwise=Call(target="", function="same", args=(Name(name="value"),)),
        ),
    ),
    value=Container(kind="tuple", items=(Name(name="inner"), Name(name="depth"))),
    sublattice=True,
)


class Writer:
    """Draws the statements of one workflow function."""

    def __init__(self, expressions: Expressions, workflows: dict[str, Workflow], level: int = 0) -> None:
        self._expressions = expressions
        self._draw = expressions.draw
        self._dispatch = expressions.dispatch
        self._variables = expressions.variables
        self._workflows = workflows
        self._level = level
        self._count = 0

    def workflow(self, name: str, most: int, *, sublattice: bool = False) -> Workflow:
        """A workflow function whose parameters are the variables that are there."""
        parameters = tuple(self._variables)
        statements: list[Statement] = []
        for _ in range(most):
            statement = self._draw(st.builds(self._statement))
            if statement is None:
                break
            if self._carried_out(statement):
                statements.append(statement)
        if sublattice and not self._expressions.flawless and self._draw(st.integers(0, 5)) == 5:
            # Raises while the sublattice is built, in its task.
            statements.append(Unpack(targets=("x", "y"), value=Constant(kind="tuple", text="(1, 2, 3)")))
        # What a broken one does when it is run again depends on what it does first.
        replay = self._expressions.flawless and self._draw(st.integers(0, 3)) == 3
        value = self._expressions.any()
        if self._draw(st.booleans()):  # what is not returned is not compared
            value = Container(kind="list", items=(value, *(Name(name=name) for name in self._variables)))
        if not self._expressions.flawless and self._draw(st.integers(0, 3)) == 3:
            value = self._broken() or value
        return Workflow(
            name=name,
            parameters=parameters,
            statements=tuple(statements),
            value=value,
            sublattice=sublattice,
            replay=replay,
        )

    def _broken(self) -> Expression | None:
        """A value that cannot be put together, because a part of it is not there."""
        bound = self._expressions.names(_is_promise)
        if not bound:
            return None
        missing = Constant(kind="key", text="'missing'")
        part = Item(value=Name(name=self._draw(st.sampled_from(bound))), key=missing)
        return Container(kind="list", items=(part,))

    # -- statements

    def _statement(self) -> Statement | None:
        if not self._draw(st.integers(0, 14)):
            return None
        makers: list[Callable[[], Statement | None]] = [
            *[self._call] * 4, *[self._operate] * 5, *[self._unpack] * 2, self._wait, self._each, self._choose,
            *[self._sublattice] * 2, self._inline, self._recursion,
        ]  # fmt: skip
        return self._draw(st.sampled_from(makers))() or self._call()

    def _call(self) -> Call:
        name = self._draw(st.sampled_from(FUNCTIONS))
        if not self._expressions.flawless and self._draw(st.integers(0, 3)) == 3:
            name = FAILING
        args: list[Expression] = []
        kwargs: list[tuple[str, Expression]] = []
        for parameter in inspect.signature(PRELUDE["FUNCTIONS"][name]).parameters.values():
            self._argument(parameter, args, kwargs)
        starred = self._draw(st.integers(0, 5)) == 5
        return Call(target=self._fresh(), function=name, args=tuple(args), kwargs=tuple(kwargs), starred=starred)

    def _argument(self, parameter: Parameter, args: list[Expression], kwargs: list[tuple[str, Expression]]) -> None:
        if parameter.kind is Parameter.VAR_POSITIONAL:
            many = self._draw(st.integers(0, 2)) if not kwargs else 0
            args.extend(self._expressions.any() for _ in range(many))
        elif parameter.kind is Parameter.VAR_KEYWORD:
            names = ("extra", "Ünïcode", "self")[: self._draw(st.integers(0, 3))]
            kwargs.extend((name, self._expressions.any()) for name in names)
        elif parameter.default is not Parameter.empty and self._draw(st.booleans()):
            return
        elif parameter.kind is Parameter.POSITIONAL_ONLY or (
            parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and not kwargs and self._draw(st.integers(0, 2)) < 2
        ):
            args.append(self._expressions.any())
        else:
            kwargs.append((parameter.name, self._expressions.any()))

    def _operate(self) -> Statement | None:
        suits = _is_promise if self._draw(st.integers(0, 3)) == 3 else _is_number_to_be
        if not self._expressions.names(suits):
            return Call(target=self._fresh(), function="same", args=(self._draw(_NUMBERS),))
        operands = [self._expressions.of_variable(suits)]
        if self._draw(st.integers(0, 9)) == 9 and arithmetic.can_be_negative(self._known(operands[0])):
            return Operate(target=self._fresh(), operator="-", left=operands[0])
        others: list[Callable[[], Expression]] = [
            partial(self._draw, _NUMBERS),
            partial(self._expressions.of_variable, suits),
            self._expressions.any,
        ]
        operands.append(self._draw(st.sampled_from(others))())
        if self._draw(st.booleans()):
            operands.reverse()
        left, right = operands
        signs = list(arithmetic.fitting(self._known(left), self._known(right)))
        if not self._expressions.flawless:
            signs.append("/")
        if not signs:
            return None
        return Operate(target=self._fresh(), operator=self._draw(st.sampled_from(signs)), left=left, right=right)

    def _unpack(self) -> Unpack | None:
        suitable = self._expressions.names(_can_be_unpacked)
        if not suitable:
            return None
        value = self._expressions.of_variable(_can_be_unpacked)
        count = len(self._known(value))
        if not self._expressions.flawless and _is_promise(self._expressions.value(value)):
            count += self._draw(st.integers(0, 5)) == 5
        return Unpack(targets=tuple(self._fresh() for _ in range(count)), value=value)

    def _wait(self) -> Wait | None:
        bound = self._expressions.names(_is_promise)
        if len(bound) < 2:
            return None
        child = self._draw(st.sampled_from(bound))
        free = [name for name in bound if not self._leads(self._variables[child].task, self._variables[name].task)]
        if not free:
            return None
        parents = self._draw(st.lists(st.sampled_from(free), min_size=1, max_size=2, unique=True))
        named: list[Expression] = [Name(name=name) for name in parents]
        whole = named[0] if len(named) == 1 else Container(kind="list", items=tuple(named))
        return Wait(target=self._fresh(), child=Name(name=child), parents=whole)

    def _each(self) -> Each:
        over: Expression = Constant(kind="range", text=f"range({self._draw(st.integers(0, 3))})")
        suitable = self._expressions.names(_can_be_looped_over)
        if self._draw(st.booleans()) and suitable:
            over = Name(name=self._draw(st.sampled_from(suitable)))
        function = self._draw(st.sampled_from(_OF_ONE_ARGUMENT))
        return Each(target=self._fresh(), function=function, over=over, mapped=self._draw(st.booleans()))

    def _choose(self) -> Choose:
        condition: Expression = Constant(kind="bool", text=self._draw(st.sampled_from(["False", "True"])))
        suitable = self._expressions.names(_is_true_or_false)
        if self._draw(st.booleans()) and suitable:
            condition = Name(name=self._draw(st.sampled_from(suitable)))
        return Choose(target=self._fresh(), condition=condition, then=self._call(), otherwise=self._call())

    def _recursion(self) -> Call:
        self._workflows[_RECURSIVE.name] = _RECURSIVE
        depth = Constant(kind="int", text=str(self._draw(st.integers(0, 2))))
        return Call(target=self._fresh(), function=_RECURSIVE.name, args=(depth, self._expressions.any()))

    def _sublattice(self) -> Call | None:
        if self._level == _LEVELS:
            return None
        args = tuple(self._expressions.any() for _ in range(self._draw(st.integers(0, 2))))
        again = [
            workflow.name
            for workflow in self._workflows.values()
            if workflow.sublattice and workflow is not _RECURSIVE and len(workflow.parameters) == len(args)
        ]
        if again and self._draw(st.integers(0, 2)) == 2:
            return Call(target=self._fresh(), function=self._draw(st.sampled_from(again)), args=args)
        real = [None if (value := self._known(item)) is NOTHING else value for item in args]
        inside = Dispatch(self._workflows, PRELUDE)
        return self._calling(self._inner(inside, real, sublattice=True), args)

    def _inline(self) -> Call | None:
        if self._level == _LEVELS:
            return None
        args = tuple(self._expressions.any() for _ in range(self._draw(st.integers(0, 2))))
        with _tried(self._dispatch):
            inner = self._inner(self._dispatch, [self._expressions.value(item) for item in args], sublattice=False)
        return self._calling(inner, args)

    def _inner(self, dispatch: Dispatch, arguments: list[Any], *, sublattice: bool) -> Workflow:
        variables = {f"a{number}": value for number, value in enumerate(arguments)}
        expressions = Expressions(self._draw, dispatch, variables, flawless=self._expressions.flawless)
        inner = Writer(expressions, self._workflows, self._level + 1)
        made = inner.workflow("", _INNER_STATEMENTS, sublattice=sublattice)
        return replace(made, name=f"inner{len(self._workflows)}", replay=made.replay and sublattice)

    def _calling(self, workflow: Workflow, args: tuple[Expression, ...]) -> Call:
        self._workflows[workflow.name] = workflow
        return Call(target=self._fresh(), function=workflow.name, args=args)

    # -- carrying them out

    def _carried_out(self, statement: Statement) -> bool:
        """Whether a statement does nothing that it may not; if so, its variables are there from now on."""
        before = len(self._dispatch.tasks)
        with _tried(self._dispatch) as keep:
            try:
                assigned = self._dispatch.executed(statement, self._variables)
            except Exception:  # noqa: BLE001 - an operation on real values may raise anything
                return False
            new = range(before, len(self._dispatch.tasks))
            if self._expressions.flawless and any(self._dispatch.outcome(task) != Outcome.COMPLETED for task in new):
                return False
            if len(self._dispatch.tasks) > _MOST_TASKS:
                return False
            keep()
        self._variables.update(assigned)
        return True

    def _leads(self, source: int, target: int) -> bool:
        """Whether a task is the other one, or comes before it."""
        if source == target:
            return True
        task = self._dispatch.tasks[target]
        return any(self._leads(source, before) for before in task.needs | task.waits)

    def _known(self, expression: Expression) -> Any:
        return known(self._expressions.value(expression))

    def _fresh(self) -> str:
        self._count += 1
        return f"v{self._count}"


@contextlib.contextmanager
def _tried(dispatch: Dispatch) -> Iterator[Callable[[], None]]:
    """What is done to a dispatch is undone in the end, unless it is said to be kept."""
    waits = [set(task.waits) for task in dispatch.tasks]
    kept: list[bool] = []
    yield lambda: kept.append(True)
    if not kept:
        del dispatch.tasks[len(waits) :]
        for task, before in zip(dispatch.tasks, waits, strict=True):
            task.waits = before


def _is_promise(value: Any) -> bool:
    return isinstance(value, Promise)


def _is_number_to_be(value: Any) -> bool:
    return isinstance(value, Promise) and isinstance(known(value), (Number, np.ndarray))


def _is_real(value: Any) -> bool:
    return not any(promises(value))


def _can_be_unpacked(value: Any) -> bool:
    found = known(value)
    return isinstance(found, (list, tuple, str, dict, range)) and 0 < len(found) <= 4


def _can_be_looped_over(value: Any) -> bool:
    return isinstance(value, (list, tuple, str, dict, range)) and len(value) <= 3


def _is_true_or_false(value: Any) -> bool:
    if not _is_real(value):
        return False
    try:
        bool(value)
    except ValueError:  # an array is neither
        return False
    return True
