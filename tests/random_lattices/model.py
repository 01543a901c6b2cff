"""What a program has to give, by rules of its own: its tasks, what they give, which fail and which never start.

The rules are those that a user can read: a task runs when all that it takes values from or waits for has completed; it
fails when its function does, or when what it takes out of another value is not there; nothing after it starts.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, assert_never

from tests.random_lattices.language import (
    MIRRORED,
    OPERATORS,
    Attribute,
    Call,
    Choose,
    Constant,
    Container,
    Each,
    Expression,
    Item,
    Name,
    Operate,
    Program,
    Statement,
    Unpack,
    Wait,
    Workflow,
)
from tests.random_lattices.script import evaluated

#: What tasks are called whose electrons are no functions with a name of their own.
_CALLED: Mapping[str, str] = {
    "anonymous": "<lambda>", "builtin": "callable", "callable": "Scaled", "partial": "pair", "point": "Point",
}  # fmt: skip
_MAKE: Mapping[str, Callable[[Sequence[Any]], Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


class Outcome(StrEnum):
    """How a task or a dispatch ends; the names are the public ones."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    NEVER_STARTED = "NEW_OBJECT"
    NOT_PUT_TOGETHER = "FAILED_POSTPROCESSING"


class Unavailable(Exception):  # noqa: N818 - no error: what there is to say of a value that is not there
    """The value of a task that did not complete."""


@dataclass(eq=False, slots=True, kw_only=True)
class Promise:
    """The value of a task, or what lies somewhere inside it."""

    task: int
    #: All tasks that it takes to know it: its own, and those whose values are keys on the way.
    needs: frozenset[int]
    read: Callable[[], Any]
    whole: bool = False


@dataclass(slots=True, kw_only=True)
class Task:
    """One task of a dispatch."""

    name: str
    needs: frozenset[int]
    compute: Callable[[], Any]
    waits: set[int] = field(default_factory=set)
    outcome: Outcome | None = None
    value: Any = None
    #: What a sublattice's task has started.
    child: Dispatch | None = None


class Dispatch:
    """One workflow of a program, with real arguments."""

    def __init__(
        self, workflows: Mapping[str, Workflow], prelude: Mapping[str, Any], replaced: frozenset[str] = frozenset()
    ) -> None:
        """``workflows`` are a program's by their names; constants and functions are found in the prelude.

        ``replaced`` names functions in whose place others are called, but not inside of sublattices.
        """
        self._workflows = workflows
        self._prelude = prelude
        self._functions = {
            name: prelude["REPLACEMENTS" if name in replaced else "FUNCTIONS"][name] for name in prelude["FUNCTIONS"]
        }
        self.tasks: list[Task] = []
        #: What the calls of electrons have given.
        self._calls: list[Promise] = []
        self._returned: Any = None

    # -- building

    def build(self, workflow: Workflow, arguments: Sequence[Any]) -> None:
        """Find the tasks; raises whatever the workflow function raises."""
        self._returned = self.inline(workflow, arguments)
        if isinstance(self._returned, Promise) and self._returned.whole:
            return
        if workflow.replay:
            value = self._returned
            self._returned = self._task("replay", lambda _: settled(value), self._calls)
        elif any(promises(self._returned)):
            self._returned = self._task("collect", settled, self._returned)

    def inline(self, workflow: Workflow, arguments: Sequence[Any]) -> Any:
        """The value of a workflow function whose tasks are this dispatch's."""
        variables = dict(zip(workflow.parameters, arguments, strict=True))
        for statement in workflow.statements:
            variables.update(self.executed(statement, variables))
        return self.value(workflow.value, variables)

    def executed(self, statement: Statement, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What a statement assigns."""
        match statement:
            case Call(target=target):
                return {target: self._call(statement, variables)}
            case Operate(target=target):
                return {target: self._operate(statement, variables)}
            case Unpack(targets=targets, value=value):
                return dict(zip(targets, self._unpacked(self.value(value, variables), len(targets)), strict=True))
            case Wait(target=target, child=child, parents=parents):
                return {target: self._wait(self.value(child, variables), self.value(parents, variables))}
            case Each(target=target, function=function, over=over):
                return {target: [self.called(function, (item,), {}) for item in self.value(over, variables)]}
            case Choose(target=target, condition=condition, then=then, otherwise=otherwise):
                return {target: self._call(then if self.value(condition, variables) else otherwise, variables)}
        assert_never(statement)

    def _call(self, call: Call, variables: Mapping[str, Any]) -> Any:
        args = tuple(self.value(item, variables) for item in call.args)
        return self.called(call.function, args, {name: self.value(item, variables) for name, item in call.kwargs})

    def called(self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The value of a call: a task's, unless a workflow is called that is none."""
        workflow = self._workflows.get(function)
        if workflow is not None and not workflow.sublattice:
            return self.inline(workflow, args)
        if workflow is not None:
            number = len(self.tasks)
            made = self._task(function, lambda values: self._nested(number, workflow, values), args)
        else:
            plain = self._functions[function]
            name = _CALLED.get(function, function)
            made = self._task(name, lambda values: plain(*values[0], **values[1]), (args, dict(kwargs)))
        self._calls.append(made)
        return made

    def _nested(self, number: int, workflow: Workflow, args: Sequence[Any]) -> Any:
        child = Dispatch(self._workflows, self._prelude)
        child.build(workflow, args)
        self.tasks[number].child = child
        return child.result()

    def _operate(self, statement: Operate, variables: Mapping[str, Any]) -> Any:
        operands = [self.value(item, variables) for item in (statement.left, statement.right) if item is not None]
        name = OPERATORS[statement.operator] if len(operands) == 2 else "neg"
        bound = [isinstance(item, Promise) for item in operands]
        if not any(bound):
            return getattr(operator, name)(*operands)
        if bound == [False, True] and name in MIRRORED:
            name = MIRRORED[name]
            operands.reverse()
        return self._task(name, lambda values: getattr(operator, name)(*values), operands)

    def _unpacked(self, value: Any, count: int) -> list[Any]:
        if not isinstance(value, Promise):
            return _all_of(value, count)
        return [_part(value, index, count) for index in range(count)]

    def _wait(self, child: Any, parents: Any) -> Any:
        before = {promise.task for promise in promises(parents)}
        for promise in promises(child):
            self.tasks[promise.task].waits |= before
        return child

    def _task(self, name: str, compute: Callable[[Any], Any], taken: Any) -> Promise:
        number = len(self.tasks)
        needs = frozenset(task for promise in promises(taken) for task in promise.needs)
        self.tasks.append(Task(name=name, needs=needs, compute=lambda: compute(settled(taken))))
        return Promise(task=number, needs=frozenset({number}), read=lambda: self.output(number), whole=True)

    # -- expressions

    def value(self, expression: Expression, variables: Mapping[str, Any]) -> Any:
        """What an expression is while the graph is built: a real value, a promise, or a container of both."""
        match expression:
            case Constant(text=text):
                return evaluated(text, self._prelude)
            case Name(name=name):
                return variables[name]
            case Container(kind="dict", keys=keys, items=items):
                pairs = zip(keys, items, strict=True)
                return {self.value(key, variables): self.value(item, variables) for key, item in pairs}
            case Container(kind=kind, items=items):
                return _MAKE[kind]([self.value(item, variables) for item in items])
            case Item(value=value, key=key):
                return _inside(self.value(value, variables), operator.getitem, self.value(key, variables))
            case Attribute(value=value, name=name):
                return _inside(self.value(value, variables), getattr, name)
        assert_never(expression)

    # -- running

    def outcome(self, number: int) -> Outcome:
        """How a task ends."""
        task = self.tasks[number]
        if task.outcome is None:
            before = [self.outcome(other) for other in sorted(task.needs | task.waits)]
            task.outcome = Outcome.NEVER_STARTED if set(before) - {Outcome.COMPLETED} else _run(task)
        return task.outcome

    def outcomes(self) -> list[Outcome]:
        """How all tasks end."""
        return [self.outcome(number) for number in range(len(self.tasks))]

    def following(self, changed: Collection[str]) -> set[int]:
        """The tasks of these names, and all that come after one."""
        found: set[int] = set()
        for number, task in sorted(enumerate(self.tasks), key=lambda pair: self._rank(pair[0])):
            if task.name in changed or found & (task.needs | task.waits):
                found.add(number)
        return found

    def _rank(self, number: int) -> int:
        """More than that of any task before it."""
        task = self.tasks[number]
        return 1 + max((self._rank(before) for before in task.needs | task.waits), default=0)

    def output(self, number: int) -> Any:
        """What a task gives; raises Unavailable when it did not complete."""
        if self.outcome(number) is not Outcome.COMPLETED:
            raise Unavailable
        return self.tasks[number].value

    @property
    def ended(self) -> Outcome:
        """How the dispatch ends."""
        ended = zip(self.tasks, self.outcomes(), strict=True)
        failed = {task.name for task, outcome in ended if outcome is Outcome.FAILED}
        if not failed:
            return Outcome.COMPLETED
        return Outcome.NOT_PUT_TOGETHER if failed <= {"collect", "replay"} else Outcome.FAILED

    def result(self) -> Any:
        """The dispatch's value; raises Unavailable when it has none."""
        if self.ended is not Outcome.COMPLETED:
            raise Unavailable
        return settled(self._returned)


def dispatched(program: Program, prelude: Mapping[str, Any], replaced: frozenset[str] = frozenset()) -> Dispatch:
    """A program from its beginning to its end."""
    dispatch = Dispatch({workflow.name: workflow for workflow in program.workflows}, prelude, replaced)
    dispatch.build(program.root, [evaluated(constant.text, prelude) for constant in program.arguments])
    return dispatch


def promises(value: Any) -> Iterator[Promise]:
    """The promises in a value and in the plain containers that it is made of."""
    if isinstance(value, Promise):
        yield value
    elif type(value) in {list, tuple, set, frozenset}:
        for item in value:
            yield from promises(item)
    elif type(value) is dict:
        for pair in value.items():
            yield from promises(pair)


def settled(value: Any) -> Any:
    """A value with real values in the place of promises."""
    if isinstance(value, Promise):
        return value.read()
    if not any(promises(value)):
        return value
    if type(value) is dict:
        return {settled(key): settled(item) for key, item in value.items()}
    return type(value)([settled(item) for item in value])


def _inside(value: Any, take: Callable[[Any, Any], Any], key: Any) -> Any:
    if not isinstance(value, Promise):
        return take(value, key)
    needs = value.needs.union(*(promise.needs for promise in promises(key)))
    return Promise(task=value.task, needs=needs, read=lambda: take(value.read(), settled(key)))


def _part(value: Promise, index: int, count: int) -> Promise:
    return Promise(task=value.task, needs=value.needs, read=lambda: _all_of(value.read(), count)[index])


def _all_of(value: Any, count: int) -> list[Any]:
    items = list(value)
    if len(items) != count:
        raise ValueError(f"{len(items)} values for {count} names")
    return items


def _run(task: Task) -> Outcome:
    try:
        task.value = task.compute()
    except Exception:  # noqa: BLE001 - a user's function may raise anything
        return Outcome.FAILED
    return Outcome.COMPLETED
