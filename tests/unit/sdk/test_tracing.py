"""What may be an electron and what may be handed to one, beyond plain functions and plain values."""

from __future__ import annotations

import collections
import copy
import functools
import inspect
import itertools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

import covalent as ct
from covalent.electron import BoundElectron, Electron
from covalent.errors import ArgumentsError, BoundElectronError
from covalent.transportable import TransportableObject
from tests.unit.sdk.evaluation import evaluated, graph_of


@ct.electron
def same(value: Any) -> Any:
    return value


@ct.electron
def add(a: int, b: int = 1) -> int:
    return a + b


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator whose wrapper takes anything."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def connected(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that adds an argument of its own."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function("connection", *args, **kwargs)

    return wrapper


class Scale:
    factor = 10

    def __init__(self, by: int) -> None:
        self.by = by

    @ct.electron
    def times(self, number: int) -> int:
        return number * self.by

    @staticmethod
    @ct.electron
    def static(number: int) -> int:
        return number + 1

    @ct.electron  # the order of the two decorators makes no difference
    @staticmethod
    def static_too(number: int) -> int:
        return number + 2

    @classmethod
    @ct.electron
    def of_class(cls, number: int) -> int:
        return number * cls.factor

    @ct.electron
    @classmethod
    def of_class_too(cls, number: int) -> int:
        return number * cls.factor + 1

    @property
    @ct.electron
    def doubled(self) -> int:
        return 2 * self.by


# -- what may be an electron


def test_wrappers_that_take_anything_take_what_they_take_and_are_told_apart_by_the_names_of_what_they_wrap() -> None:
    @ct.electron
    @logged
    def difference(a: int, b: int) -> int:
        return a - b

    @ct.electron
    @connected
    def fetch(connection: str, table: str) -> str:
        return f"{table} by {connection}"

    assert evaluated(lambda: difference(5, b=3)) == 2
    assert evaluated(lambda: fetch("rows")) == "rows by connection"
    assert [link.edge_name for link in graph_of(lambda: difference(same(5), same(3))).links] == ["a", "b"]
    assert str(inspect.signature(difference)) == "(a: 'int', b: 'int') -> 'int'"


def test_methods_of_all_kinds_are_electrons() -> None:
    cls: Any = Scale  # type checkers take an electron for a method even below @staticmethod
    for use, value in (
        (lambda: Scale(3).times(4), 12),
        (lambda: cls(3).static(4), 5),
        (lambda: cls.static(4), 5),
        (lambda: cls(3).static_too(4), 6),
        (lambda: cls(3).of_class(4), 40),
        (lambda: cls.of_class(4), 40),
        (lambda: cls.of_class_too(4), 41),
        (lambda: cls(3).doubled, 6),
        (lambda: ct.electron(Scale(3).times)(4), 12),
    ):
        assert use() == value
        assert evaluated(use) == value
        assert len(graph_of(use).nodes) == 1


def test_classes_closures_lambdas_ufuncs_and_recursive_functions_are_electrons() -> None:
    def outer(amount: int) -> Any:
        return ct.electron(lambda number: number + amount)

    @ct.electron
    def factorial(number: int) -> int:
        return number * factorial(number - 1) if number else 1

    assert evaluated(lambda: ct.electron(Scale)(3).by) == 3
    assert evaluated(lambda: outer(4)(3)) == 7
    assert evaluated(lambda: ct.electron(np.add)(1, 2)) == 3
    assert evaluated(lambda: ct.electron(functools.partial(pow, 2))(5)) == 32
    assert evaluated(lambda: factorial(5)) == 120
    assert len(graph_of(lambda: factorial(5)).nodes) == 1


def test_coroutines_run_to_their_end_and_generators_give_a_list_in_the_task() -> None:
    @ct.electron
    async def waited(value: int) -> int:
        return value + 1

    @ct.electron
    def counted(value: int) -> Iterator[int]:
        yield from range(value)

    @ct.electron
    async def both(value: int) -> Any:
        for number in range(value):
            yield number

    assert evaluated(lambda: waited(1)) == 2
    assert evaluated(lambda: counted(3)) == [0, 1, 2]
    assert evaluated(lambda: both(3)) == [0, 1, 2]
    assert evaluated(lambda: cast("Any", counted(3))[1]) == 1


def test_a_function_that_is_cached_in_its_process_may_be_an_electron_when_it_lives_in_a_module() -> None:
    assert evaluated(lambda: ct.electron(cached)(3)) == 9


@functools.lru_cache
def cached(number: int) -> int:
    return number * number


@pytest.mark.parametrize("wrong", [3, "local", object(), property(lambda _: 1)])
def test_what_is_no_function_is_refused_with_how_options_are_given(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"ct\.electron takes a function, not .*@ct\.electron\(executor=\.\.\.\)"):
        ct.electron(wrong)
    with pytest.raises(TypeError, match=r"ct\.lattice takes a function, not .*@ct\.lattice\(executor=\.\.\.\)"):
        ct.lattice(wrong)


def test_the_output_of_an_electron_is_no_function() -> None:
    for decorator in (ct.electron, ct.lattice):
        with pytest.raises(TypeError, match=r"takes a function, not <value-to-be of same\(0\)>"):
            graph_of(lambda decorator=decorator: decorator(same(len)))
    for call in (same, lambda e: ct.DepsCall(print, [e])):
        with pytest.raises(BoundElectronError, match=r"the call \w+ around a task: .*same\(\d\)"):
            graph_of(lambda call=call: ct.electron(len, call_before=call(same(1)))([]))


def test_an_electron_of_an_electron_keeps_what_was_said_and_is_told_the_rest() -> None:
    first = ct.electron(retries=2, timeout=5)(operator.neg)
    second = ct.electron(first, retries=0, cache=True)
    options = second.electron_object.options
    assert (options.retries, options.timeout, options.cache) == (0, 5, True)
    assert first.electron_object.options.retries == 2
    assert second.electron_object.function is operator.neg


def test_a_copy_of_the_electron_object_is_an_electron_of_its_own() -> None:
    other = copy.deepcopy(add.electron_object)
    other.executor = "elsewhere"
    assert add.electron_object.executor is None
    assert [node.metadata.executor for node in graph_of(lambda: [other(1), add(1)]).nodes[:2]] == ["elsewhere", "local"]
    again = ct.electron(other)
    assert again.electron_object.executor == other.executor
    assert again(2) == 3
    assert again.__name__ == "add"  # type: ignore[attr-defined] # functools.wraps copies it


# -- what may be handed to one


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class Record:
    x: Any


class Words(list[Any]):
    pass


@pytest.mark.parametrize(
    ("hide", "name"),
    [
        (lambda e: Point(e, 1), "test_tracing.Point"),
        (lambda e: Words([e]), "test_tracing.Words"),
        (Record, "test_tracing.Record"),
        (lambda e: collections.OrderedDict(a=e), "collections.OrderedDict"),
        (lambda e: collections.defaultdict(list, a=[e]), "collections.defaultdict"),
        (lambda e: collections.deque([e]), "collections.deque"),
        (lambda e: np.array([e, 1]), "numpy.ndarray"),
        (lambda e: functools.partial(print, e), "functools.partial"),
    ],
)
def test_an_electron_hidden_in_another_object_is_refused_naming_argument_type_and_way_out(hide: Any, name: str) -> None:
    for argument in (hide, lambda e: [1, hide(e), e]):
        with pytest.raises(BoundElectronError) as raised:
            graph_of(lambda argument=argument: same(argument(same(1))))
        message = str(raised.value)
        assert message.startswith("the argument 'value' of same, of type ")
        assert f"{name}: <value-to-be of same(0)> is hidden in an object" in message
        assert "make the object in a function with @ct.electron above it" in message


def test_objects_without_electrons_pass_whole_and_keep_their_types() -> None:
    for value in (Point(1, [2]), Words([1]), Record(3), collections.OrderedDict(a=1), collections.deque([1])):
        assert type(evaluated(lambda value=value: same(value))) is type(value)
        assert evaluated(lambda value=value: same([value, same(1)])) == [value, 1]


def test_a_function_that_uses_an_output_from_outside_is_refused_with_what_to_do() -> None:
    def workflow() -> Any:
        outside = same(1)
        return ct.electron(lambda: outside)()

    with pytest.raises(BoundElectronError, match=r"the function of the electron <lambda>: .*has to be one of its argu"):
        graph_of(workflow)


def test_outputs_are_keys_and_members_and_are_never_compared_for_it() -> None:
    def workflow() -> Any:
        outputs = [same(number) for number in range(200)]
        named = {output: number for number, output in enumerate(outputs)}
        assert [named[output] for output in outputs] == list(range(200))
        assert len({*outputs, *outputs}) == 200
        named[outputs[0]] += 1
        del named[outputs[1]]
        return [same({outputs[2]: outputs[3]}), same({outputs[4], 4}), same(frozenset({(outputs[5], 1)}))]

    assert evaluated(workflow) == [{2: 3}, {4}, frozenset({(5, 1)})]


def test_equal_values_of_keys_meet_in_the_task_as_they_do_in_python() -> None:
    assert evaluated(lambda: same({same(1): "a", same(1): "b"})) == {1: "b"}


def test_electrons_and_lattices_are_arguments_like_any_other() -> None:
    @ct.electron
    def apply(function: Callable[..., Any], *values: Any) -> Any:
        return function(*values)

    @ct.lattice
    def doubled(number: int) -> int:
        return add(number, number)

    @ct.lattice
    def workflow(step: Callable[..., Any], whole: Callable[..., Any]) -> Any:
        return [step(1), whole(step(2)), apply(step, 3), apply(whole, 4)]

    assert evaluated(workflow, add, doubled) == [2, 6, 4, 8]
    assert [node.name for node in graph_of(workflow, add, doubled).nodes] == [
        "add", "add", "add", "apply", "apply", "collect",
    ]  # fmt: skip
    arrived = TransportableObject(add).get_deserialized()
    assert (arrived(1), arrived(1, b=3)) == (2, 4)


def test_partials_of_electrons_record_and_electrons_of_such_partials_too() -> None:
    assert evaluated(lambda: functools.partial(add, 1)(b=5)) == 6
    assert evaluated(lambda: list(map(functools.partial(add, b=2), [1, 2]))) == [3, 4]
    assert evaluated(lambda: ct.electron(functools.partial(add, 1))(4)) == 5


def test_what_an_argument_is_when_it_cannot_be_serialised_is_said() -> None:
    with pytest.raises(TypeError, match=r"the argument 'value' of same cannot be serialised: .*generator"):
        graph_of(lambda: same(x for x in [1]))
    with pytest.raises(TypeError, match="the argument 'key' of item access cannot be serialised"):
        graph_of(lambda: same(1)[iter(x for x in [1])])
    with pytest.raises(TypeError, match="the workflow's return value cannot be serialised"):
        graph_of(lambda: (x for x in [1]))


def test_a_call_around_a_task_that_cannot_be_serialised_is_named() -> None:
    @ct.electron(call_before=ct.DepsCall(print, [(x for x in [1])]))
    def task() -> None: ...

    with pytest.raises(TypeError, match=r"the call print around a task cannot be serialised: .*generator"):
        graph_of(task)


# -- many calls at once


def test_map_makes_a_task_of_each_element_inside_a_lattice_and_a_plain_list_outside() -> None:
    def workflow() -> Any:
        outputs = add.map([1, 2, 3])
        assert type(outputs) is list
        assert all(isinstance(output, BoundElectron) for output in outputs)
        return outputs

    assert add.map([1, 2, 3]) == evaluated(workflow) == [2, 3, 4]
    assert [node.kind for node in graph_of(workflow).nodes] == ["task", "task", "task", "collect"]


@pytest.mark.parametrize(
    ("sequences", "fixed", "values"),
    [
        (lambda: ([1, 2, 3], (10, 20)), {}, [11, 22]),
        (lambda: (range(3),), {"b": 5}, [5, 6, 7]),
        (lambda: ({"a": 1}.values(),), {}, [2]),
        (lambda: (iter([1, 2]), itertools.count()), {}, [1, 3]),
        (lambda: (np.arange(2),), {}, [1, 2]),
        (lambda: ([],), {}, []),
    ],
)
def test_map_takes_what_pythons_own_takes_and_keywords_for_all_calls(
    sequences: Callable[[], tuple[Any, ...]], fixed: dict[str, Any], values: list[int]
) -> None:
    assert evaluated(lambda: add.map(*sequences(), **fixed)) == values
    assert add.map(*sequences(), **fixed) == values


def test_map_over_outputs_takes_each_as_an_argument() -> None:
    assert evaluated(lambda: add.map([same(1), same(2)], b=same(3))) == [4, 5]


def test_map_over_an_output_says_that_its_length_is_not_known_and_points_to_a_sublattice() -> None:
    with pytest.raises(BoundElectronError, match=r"add\.map makes a task for each .*same\(0\).*sublattice"):
        graph_of(lambda: add.map(same([1, 2])))
    with pytest.raises(TypeError, match=r"add\.map takes sequences, not 3"):
        add.map(3)  # type: ignore[arg-type] # what is shown
    with pytest.raises(TypeError, match=r"add\.map takes a sequence, or several"):
        add.map(b=1)
    with pytest.raises(ArgumentsError, match="Unexpected keyword arguments: c"):
        graph_of(lambda: add.map([1], c=1))


# -- lattices in lattices


def test_the_two_decorators_make_a_workflow_of_one_task_or_a_task_that_is_a_workflow() -> None:
    @ct.lattice
    @ct.electron
    def one_task(number: int) -> int:
        return number + 1

    @ct.electron
    @ct.lattice
    def whole_workflow(number: int) -> int:
        return add(number)

    assert isinstance(one_task, ct.Lattice)
    assert [node.kind for node in graph_of(one_task, 1).nodes] == ["task"]
    assert [node.kind for node in graph_of(ct.lattice(whole_workflow), 1).nodes] == ["sublattice"]
    assert [node.kind for node in graph_of(ct.lattice(ct.electron(one_task)), 1).nodes] == ["sublattice"]
    assert one_task(1) == whole_workflow(1) == 2
    assert evaluated(one_task, 1) == 2


def test_a_lattice_of_a_lattice_keeps_what_was_said_and_is_told_the_rest() -> None:
    inner = ct.lattice(lambda: add(1), retries=2, workflow_executor="elsewhere")
    outer = ct.lattice(inner, retries=0, timeout=3)
    assert (outer.options.retries, outer.options.timeout) == (0, 3)
    assert outer.metadata["workflow_executor"] == "elsewhere"
    assert outer() == 2


@pytest.mark.parametrize("kind", ["async def", "yield"])
def test_a_lattice_that_does_not_return_when_it_is_called_is_refused(kind: str) -> None:
    async def later() -> int:
        return 1

    async def several() -> Any:
        yield 1

    def generator() -> Iterator[int]:
        yield 1

    for function in {"async def": [later, several], "yield": [generator]}[kind]:
        with pytest.raises(TypeError, match=rf"not '{function.__name__}', which is written with {kind}\. .*its electr"):
            ct.lattice(function)
        assert isinstance(ct.lattice(ct.electron(function)), ct.Lattice)


def test_waiting_for_an_electron_that_was_not_called_is_refused() -> None:
    for wrong in (lambda: ct.wait(same(1), add), lambda: ct.wait(same, [add(1)]), lambda: ct.wait(same(1), [add])):
        with pytest.raises(TypeError, match=r"ct\.wait takes what calls of electrons give; call '(add|same)'"):
            graph_of(wrong)


def test_old_ways_to_dispatch_and_old_keywords_say_what_to_write() -> None:
    with pytest.warns(DeprecationWarning, match=r"ct\.electron\(backend=\.\.\.\) is called executor: write executor="):
        old = ct.electron(add, backend="elsewhere")  # type: ignore[call-overload] # a former keyword
    assert graph_of(lambda: old(1)).nodes[0].metadata.executor == "elsewhere"
    with pytest.warns(
        DeprecationWarning, match=r"ct\.lattice\(results_dir=\.\.\.\) says nothing any more.*leave it out"
    ):
        lattice = ct.lattice(results_dir="/results")(lambda: add(1))  # type: ignore[call-overload] # as above
    assert lattice() == 2


@pytest.mark.parametrize(
    ("decorator", "keyword", "hint"),
    [
        (ct.electron, "exectutor", "; did you mean executor?"),
        (ct.electron, "retry", "; did you mean retries?"),
        (ct.lattice, "workflow_excutor", "; did you mean workflow_executor?"),
        (ct.electron, "postprocess", "; it is a keyword of ct.lattice"),
        *(
            (decorator, name, f"; it is an attribute of an executor: executor=ct.executor.LocalExecutor({name}=...)")
            for decorator in (ct.electron, ct.lattice)
            for name in ("python", "resources")
        ),
        (ct.lattice, "colour", ""),
    ],
)
def test_keywords_that_nobody_knows_are_refused_with_what_may_be_meant(decorator: Any, keyword: str, hint: str) -> None:
    with pytest.raises(TypeError) as raised:
        decorator(**{keyword: 1})
    assert str(raised.value).endswith(f"() got an unexpected keyword argument {keyword!r}{hint}")


def test_nothing_of_a_build_stays_in_an_electron() -> None:
    before = dict(vars(add.electron_object))
    graph_of(lambda: add.map([1, 2]))
    assert isinstance(add.electron_object, Electron)
    assert vars(add.electron_object) == before
