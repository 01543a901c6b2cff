from __future__ import annotations

import contextvars
import copy
import functools
import inspect
import operator
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import covalent as ct
from covalent.errors import ArgumentsError, BoundElectronError, GraphError
from covalent.wire.links import pairs
from tests.unit.sdk.evaluation import evaluated, graph_of


@ct.electron
def same(value: Any) -> Any:
    """The value itself."""
    return value


@ct.electron
def every_kind(first: Any, /, second: Any, third: Any = 3, *rest: Any, only: Any, last: Any = "l", **more: Any) -> Any:
    return (first, second, third, rest, only, last, more)


class Adder:
    def __init__(self, amount: int) -> None:
        self.amount = amount

    def __call__(self, number: int) -> int:
        return number + self.amount

    def add(self, number: int) -> int:
        return number + self.amount

    @ct.electron
    def add_as_task(self, number: int) -> int:
        return number + self.amount


def test_outside_a_lattice_an_electron_is_its_function() -> None:
    assert same(3) == 3
    assert every_kind(1, 2, only=4, x=5) == (1, 2, 3, (), 4, "l", {"x": 5})
    assert same.__name__ == "same"  # type: ignore[attr-defined] # functools.wraps copies it
    assert same.__doc__ == "The value itself."
    assert str(inspect.signature(same)) == "(value: 'Any') -> 'Any'"


@pytest.mark.parametrize(
    ("function", "args", "value", "name"),
    [
        (lambda number: number + 1, (1,), 2, "<lambda>"),
        (len, ([1, 2],), 2, "len"),
        (Adder(2), (1,), 3, "Adder"),
        (Adder(2).add, (1,), 3, "add"),
        (functools.partial(pow, 2), (3,), 8, "pow"),
        (dict, ([("a", 1)],), {"a": 1}, "dict"),
        (operator.itemgetter(1), ([1, 2],), 2, "itemgetter"),
    ],
)
def test_everything_callable_can_be_an_electron(function: Any, args: tuple[Any, ...], value: Any, name: str) -> None:
    task = ct.electron(function)
    assert task(*args) == value
    assert evaluated(lambda: task(*args)) == value
    assert graph_of(lambda: task(*args)).nodes[0].name == name


def test_methods_are_electrons_of_their_object() -> None:
    assert Adder(5).add_as_task(1) == 6
    assert evaluated(lambda: Adder(5).add_as_task(1)) == 6


def test_only_functions_are_electrons() -> None:
    with pytest.raises(TypeError, match="takes a function"):
        ct.electron(3)  # type: ignore[call-overload] # what is shown


def test_arguments_of_every_kind_arrive() -> None:
    assert evaluated(lambda: every_kind(1, 2, only=4)) == (1, 2, 3, (), 4, "l", {})
    assert evaluated(lambda: every_kind(1, second=2, only=4, last=5)) == (1, 2, 3, (), 4, 5, {})
    assert evaluated(lambda: every_kind(1, 2, 3, 4, 5, only=6, x=7, first=8)) == (
        1, 2, 3, (4, 5), 6, "l", {"x": 7, "first": 8},
    )  # fmt: skip


def test_no_keyword_is_reserved() -> None:
    @ct.electron
    def named(self: int, args: int, kwargs: int, task: int, function: int) -> Any:
        return [self, args, kwargs, task, function]

    given = {"self": 1, "args": 2, "kwargs": 3, "task": 4, "function": 5}
    assert evaluated(lambda: named(**given)) == named(**given) == [1, 2, 3, 4, 5]
    assert ct.lattice(named)(**given) == [1, 2, 3, 4, 5]
    lattice = ct.lattice(named)
    lattice.build_graph(**given)
    assert len(lattice.transport_graph.nodes) == 1


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1, 2, 3), {}, "Too many positional arguments given, expected 2, received 3"),
        ((1,), {"c": 1, "d": 2}, "Unexpected keyword arguments: c, d"),
        ((), {}, "Missing arguments: a"),
        ((1,), {"a": 1}, "Arguments given by position and by keyword: a"),
    ],
)
def test_wrong_arguments_are_named_when_the_call_is_recorded(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    @ct.electron
    def two(a: Any, b: Any = 1) -> Any:
        return a, b

    for kind in (ArgumentsError, TypeError, ValueError):
        with pytest.raises(kind, match=message):
            graph_of(lambda: two(*args, **kwargs))


@pytest.mark.parametrize(
    ("task", "kwargs", "message"),
    [
        (every_kind, {}, " (calling every_kind(first, /, second, third=3, *rest, only, last=..., **more))"),
        (same, {"valu": 1}, "Unexpected keyword arguments: valu (did you mean value?) (calling same(value))"),
    ],
)
def test_wrong_arguments_are_told_together_with_the_right_ones(task: Any, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentsError) as raised:
        graph_of(lambda: task(**kwargs))
    assert str(raised.value).endswith(message)


@pytest.mark.parametrize(
    ("keyword", "args", "message"),
    [
        ("valu", (), r"retval_keyword='valu', which same\(value\) does not take \(did you mean value\?\)"),
        ("value", (1,), "retval_keyword='value', which this call of .* has already given by position"),
    ],
)
def test_a_hooks_keyword_that_does_not_fit_is_told_when_the_call_is_recorded(
    keyword: str, args: tuple[Any, ...], message: str
) -> None:
    task = ct.electron(same, call_before=ct.DepsCall(len, ["x"], retval_keyword=keyword))
    with pytest.raises(ArgumentsError, match=message):
        graph_of(lambda: task(*args))


def test_a_hook_without_a_keyword_hands_nothing_over() -> None:
    task = ct.electron(same, call_before=ct.DepsCall(len, ["x"]))
    assert len(graph_of(lambda: task(1)).nodes) == 1


def test_names_of_positional_only_parameters_are_free_for_keywords() -> None:
    with pytest.raises(ArgumentsError, match="Missing arguments: only"):
        graph_of(lambda: every_kind(1, 2))  # type: ignore[call-arg] # what is shown
    with pytest.raises(ArgumentsError, match="Missing arguments: first"):
        graph_of(lambda: every_kind(first=1, second=2, only=3))  # type: ignore[call-arg] # what is shown


def test_electrons_in_nested_containers_arrive_in_the_same_containers() -> None:
    def workflow() -> Any:
        a, b = same(1), same("b")
        return same([a, (b, {a, 2}), frozenset({b}), {a: [b], "k": (a, {"x": (1, 2)})}, {"no": "electron"}])

    expected = [1, ("b", {1, 2}), frozenset({"b"}), {1: ["b"], "k": (1, {"x": (1, 2)})}, {"no": "electron"}]
    value = evaluated(workflow)
    assert value == expected
    assert repr(value) == repr(expected)
    assert len(graph_of(workflow).nodes) == 3


nested = st.recursive(
    st.integers() | st.text(max_size=3) | st.none() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers(), inner, max_size=3)
        | st.frozensets(st.integers(), max_size=3)
    ),
    max_leaves=8,
)


def _with_electrons(value: Any) -> Any:
    """The value with an electron's output in place of every leaf."""
    if isinstance(value, (list, tuple, frozenset)):
        return type(value)(_with_electrons(item) for item in value)
    if isinstance(value, dict):
        return {_with_electrons(key): _with_electrons(item) for key, item in value.items()}
    return same(value)


def _described(value: Any) -> str:
    """A value's text with its types, in which sets have an order."""
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_described, value))})"
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({[_described(item) for item in value]})"
    if isinstance(value, dict):
        return f"dict({[(_described(key), _described(item)) for key, item in value.items()]})"
    return repr(value)


@given(nested)
def test_whatever_is_nested_arrives_as_it_was(value: Any) -> None:
    assert _described(evaluated(lambda: same(_with_electrons(value)))) == _described(value)
    assert _described(evaluated(lambda: _with_electrons(value))) == _described(value)


class Holder(tuple[Any, ...]):
    __slots__ = ()


def test_electrons_hidden_in_other_objects_are_refused() -> None:
    for hide in (lambda e: Holder((e,)), Adder, lambda e: slice(e, 1)):
        with pytest.raises(BoundElectronError, match="hidden in an object"):
            graph_of(lambda hide=hide: same([hide(same(1))]))


def test_cyclic_containers_with_electrons_are_refused() -> None:
    def workflow() -> Any:
        cycle: list[Any] = [same(1)]
        cycle.append(cycle)
        return same(cycle)

    with pytest.raises(GraphError, match="nested deeper"):
        graph_of(workflow)


def test_cyclic_containers_without_electrons_travel_whole() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    back = evaluated(lambda: same(cycle))
    assert back[1] is back


def test_scalars_stand_in_the_graph_and_all_else_is_an_asset() -> None:
    nodes = graph_of(lambda: [same(item) for item in (1, 2.5, "a", None, True, 2**64, "x" * 257, "\0", (1,))]).nodes
    kinds = [next(iter(node.args[0])) for node in nodes[:-1]]
    assert kinds == ["value"] * 5 + ["asset"] * 4


def test_constants_are_taken_when_the_call_is_recorded() -> None:
    def workflow() -> Any:
        settings = {"rate": 1}
        first = same(settings)
        settings["rate"] = 2
        return [first, same(settings)]

    assert evaluated(workflow) == [{"rate": 1}, {"rate": 2}]


def test_closures_are_taken_when_the_call_is_recorded() -> None:
    def workflow() -> Any:
        values = []
        for number in range(3):
            task = ct.electron(lambda: number)  # noqa: B023 - late binding is what this is about
            values += [task(), task()]
        return values

    assert evaluated(workflow) == [0, 0, 1, 1, 2, 2]
    assert len({node.function for node in graph_of(workflow).nodes[:-1]}) == 3


def test_what_cannot_be_serialised_is_named() -> None:
    with pytest.raises(TypeError, match="the argument 'value' of same cannot be serialised: TypeError: ") as raised:
        graph_of(lambda: same(threading.Lock()))
    assert str(raised.value).count("cannot be serialised") == 1
    assert raised.value.__suppress_context__
    lock = threading.Lock()

    def holding() -> Any:
        return lock

    with pytest.raises(TypeError, match="the function of the electron holding cannot be serialised"):
        graph_of(ct.electron(holding))


def test_waiting_is_order_without_data() -> None:
    def workflow() -> Any:
        a, b, c = same(1), same(2), same(3)
        assert ct.wait(c, [a, (b,)]) is c
        return c

    graph = graph_of(workflow)
    assert [(link.source, link.target, link.param_type) for link in graph.links] == [(0, 2, "wait"), (1, 2, "wait")]
    assert [pairs(node) for node in graph.nodes] == [set(), set(), set()]
    assert ct.wait(3, [4]) == 3


def test_waiting_in_a_circle_is_refused() -> None:
    def workflow() -> Any:
        a = same(1)
        b = same(a)
        return ct.wait(a, b)

    with pytest.raises(GraphError, match=r"same\(0\) cannot wait for same\(1\)"):
        graph_of(workflow)


def test_waiting_for_oneself_is_refused() -> None:
    def workflow() -> Any:
        a = same(1)
        return ct.wait(a, a)

    with pytest.raises(GraphError, match="cannot wait"):
        graph_of(workflow)


def test_waiting_backwards_without_a_circle_is_fine() -> None:
    def workflow() -> Any:
        a, b = same(1), same(2)
        return ct.wait(a, b)

    assert [(link.source, link.target) for link in graph_of(workflow).links] == [(1, 0)]


def test_the_executor_may_be_set_later_and_metadata_is_json() -> None:
    @ct.electron(executor="local", call_before=print)
    def task() -> None: ...

    assert task.electron_object.metadata["executor"] == "local"
    task.electron_object.executor = ct.executor.LocalExecutor(workdir="/x")
    assert task.electron_object.metadata["executor_data"]["workdir"] == "/x"
    assert graph_of(task).nodes[0].metadata.executor_data["workdir"] == "/x"
    task.electron_object.executor = None
    assert task.electron_object.metadata["executor"] is None
    with pytest.raises(TypeError, match="executor takes"):
        task.electron_object.executor = 3  # type: ignore[assignment] # what is shown


def test_an_electron_of_an_electron_has_the_raw_function() -> None:
    raw = same.electron_object.function
    assert ct.electron(same).electron_object.function is raw
    assert copy.deepcopy(same.electron_object).function is raw


def test_threads_of_the_workflow_function_do_not_record_but_warn() -> None:
    def workflow() -> Any:
        values: list[Any] = []
        thread = threading.Thread(target=lambda: values.append(same(1)))
        thread.start()
        thread.join()
        return values

    with pytest.warns(RuntimeWarning, match="is no task of the workflow"):
        assert evaluated(workflow) == [1]


def test_partials_of_electrons_record() -> None:
    assert evaluated(lambda: functools.partial(every_kind, 1, only=2)(3))[:2] == (1, 3)


def test_functions_are_stored_once() -> None:
    graph = graph_of(lambda: [same(number) for number in range(100)])
    assert len({node.function for node in graph.nodes[:-1]}) == 1
    assert len(graph.assets) == 2


def test_calls_in_threads_that_the_workflow_function_started_are_warned_about() -> None:
    def workflow() -> list[Any]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(same, [1, 2]))

    with pytest.warns(RuntimeWarning, match="electron same .* workflow workflow .*own thread") as caught:
        graph = graph_of(workflow)
    assert graph.nodes == []
    assert {Path(warning.filename).name for warning in caught} == {"thread.py"}


def test_calls_in_threads_that_were_there_before_are_nobodys_concern() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(same, 1).result() == 1

        def workflow() -> Any:
            assert pool.submit(same, 2).result() == 2
            return same(3)

        assert evaluated(workflow) == 3
        with ThreadPoolExecutor(1) as after:
            assert after.submit(same, 4).result() == 4


def test_a_context_that_a_thread_takes_over_records_its_calls() -> None:
    def workflow() -> Any:
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(context.run, same, 1).result()

    assert evaluated(workflow) == 1
