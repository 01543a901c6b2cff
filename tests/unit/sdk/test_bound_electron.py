from __future__ import annotations

import copy
import itertools
import math
import operator
import os
import re
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import covalent as ct
from covalent.electron import BoundElectron
from covalent.errors import BoundElectronError, GraphError
from covalent.wire.links import pairs
from tests.unit.sdk.evaluation import evaluated, graph_of


@ct.electron
def same(value: Any) -> Any:
    return value


def test_paths_cost_no_tasks() -> None:
    def workflow() -> Any:
        value = same({"a": [1, 2, 3], (1, 2): 4, None: complex(5, 6)})
        index = same(1)
        return [value["a"][0], value["a"][index], value["a"][1:], value[1, 2], value[None].imag, value["a"][-1]]

    assert evaluated(workflow) == [1, 2, [2, 3], 4, 6.0, 3]
    assert [node.kind for node in graph_of(workflow).nodes] == ["task", "task", "collect"]


def test_electrons_as_keys_are_linked() -> None:
    def workflow() -> Any:
        return same(same([1, 2])[same(1)])

    graph = graph_of(workflow)
    assert {(link.source, link.target) for link in graph.links} == {(0, 2), (1, 2)} == pairs(graph.nodes[2])


def test_unpacking_needs_no_tasks() -> None:
    def workflow() -> Any:
        a, b = same((1, (2, 3)))
        (c, d) = b
        [e] = same([4])
        (f, g), h = same(((5, 6), 7))
        k = [(i, j) for i, j in [same("ij"), same((8, 9))]]
        return [a, c, d, e, f, g, h, *k[1]]

    assert evaluated(workflow) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert len(graph_of(workflow).nodes) == 6


def test_unpacking_to_many_names_works() -> None:
    names = ", ".join(f"n{index}" for index in range(300))
    namespace: dict[str, Any] = {"same": same}
    exec(f"def workflow():\n    {names} = same(tuple(range(300)))\n    return n299", namespace)  # noqa: S102 - 300 names
    assert evaluated(namespace["workflow"]) == 299


def test_operators_are_tasks() -> None:
    def workflow() -> Any:
        e = same(7)
        return [
            e + 1, e - 1, e * 2, e / 2, e // 2, e % 4, e**2, -e, 1 + e, 1 - e, 2 * e, 14 / e, 15 // e, 15 % e, 2**e,
            e < 8, e <= 6, e > 6, e >= 8, operator.gt(8, e), e + e,
        ]  # fmt: skip

    expected = [8, 6, 14, 3.5, 3, 3, 49, -7, 8, -6, 14, 2.0, 2, 1, 128, True, False, True, False, True, 14]
    assert evaluated(workflow) == expected
    assert len(graph_of(workflow).nodes) == 1 + len(expected) + 1


@pytest.mark.parametrize(
    ("use", "value"),
    [
        (lambda e: np.arange(3) + e, [2, 3, 4]), (lambda e: np.arange(3) - e, [-2, -1, 0]),
        (lambda e: np.arange(3) * e, [0, 2, 4]), (lambda e: np.arange(3) / e, [0.0, 0.5, 1.0]),
        (lambda e: np.arange(3) // e, [0, 0, 1]), (lambda e: np.arange(3) % e, [0, 1, 0]),
        (lambda e: np.arange(3) ** e, [0, 1, 4]), (lambda e: np.arange(3) < e, [True, True, False]),
        (lambda e: np.arange(3) >= e, [False, False, True]), (lambda e: e - np.arange(3), [2, 1, 0]),
        (lambda e: np.float64(5) - e, 3.0), (lambda e: np.int64(3) ** e, 9), (lambda e: np.float64(5) // e, 2.0),
        (lambda e: np.int64(5) % e, 1), (lambda e: np.float64(1) < e, True), (lambda e: e / np.float64(4), 0.5),
        (lambda e: np.complex128(1j) * e, 2j), (lambda e: [1] * e, [1, 1]), (lambda e: "ab" * e, "abab"),
        (lambda e: Fraction(1, 2) + e, Fraction(5, 2)), (lambda e: sum([e, 1, e]), 5),
    ],
)  # fmt: skip
def test_operators_with_numpy_and_others_on_the_left_are_one_task_each(use: Any, value: Any) -> None:
    def workflow() -> Any:
        return use(same(2))

    found = evaluated(workflow)
    assert (found.tolist() if isinstance(found, np.generic | np.ndarray) else found) == value
    operations = 3 if value == 5 else 1
    assert len(graph_of(workflow).nodes) == 1 + operations


def test_pandas_is_told_to_leave_operators_to_us() -> None:
    assert BoundElectron.__pandas_priority__ > 4000  # that of its data frames


def test_matrix_products_and_arrays_are_one_task() -> None:
    def workflow() -> Any:
        e = same(np.arange(3))
        return [np.arange(3) + e, np.float64(2) * e, np.ones((2, 3)) @ e, e @ np.arange(3)]

    one, two, three, four = evaluated(workflow)
    assert (one.tolist(), two.tolist(), three.tolist(), int(four)) == ([0, 2, 4], [0, 2, 4], [3, 3], 5)
    assert len(graph_of(workflow).nodes) == 6


@pytest.mark.parametrize(
    ("use", "what", "instead"),
    [
        (bool, "a condition", "sublattice"),
        (lambda e: 1 if e else 2, "a condition", "sublattice"),
        (lambda e: not e, "a condition", "sublattice"),
        (lambda e: 1 < e < 3, "a condition", "sublattice"),
        (lambda e: max(e, e + 1), "a condition", "sublattice"),
        (lambda e: sorted([e, e]), "a condition", "sublattice"),
        (lambda e: [x for x in e], "iterating", "sublattice"),  # noqa: C416 - a loop
        (lambda e: [*e], "iterating", "x[0]"),
        (lambda e: print(*e), "iterating", "x[0]"),
        (list, "iterating", "a, b = x"),
        (tuple, "iterating", "a, b = x"),
        (sum, "iterating", "sublattice"),
        (iter, "iterating", "sublattice"),
        (int, "int()", "ct.electron(int)(x)"),
        (float, "float()", "ct.electron(float)(x)"),
        (math.sqrt, "float()", "ct.electron(float)(x)"),
        (complex, "complex()", "ct.electron(complex)(x)"),
        (len, "len()", "ct.electron(len)(x)"),
        (abs, "abs()", "ct.electron(abs)(x)"),
        (round, "round()", "ct.electron(round)(x)"),
        (math.floor, "math.floor()", "ct.electron(math.floor)(x)"),
        (math.ceil, "math.ceil()", "ct.electron(math.ceil)(x)"),
        (math.trunc, "math.trunc()", "ct.electron(math.trunc)(x)"),
        (lambda e: divmod(e, 2), "divmod()", "ct.electron(divmod)(x, y)"),
        (lambda e: divmod(2, e), "divmod()", "ct.electron(divmod)(x, y)"),
        (range, "an index or a count", "sublattice"),
        (lambda e: [1, 2][e], "an index or a count", "sublattice"),
        (lambda e: e == 1, "comparing with ==", "ct.electron(operator.eq)(x, y)"),
        (lambda e: np.arange(3) == e, "comparing with ==", "ct.electron(operator.eq)(x, y)"),
        (lambda e: [e].index(1), "comparing with ==", "ct.electron(operator.eq)(x, y)"),
        (lambda e: e != 1, "comparing with !=", "ct.electron(operator.ne)(x, y)"),
        (lambda e: 1 in e, "the operator in", "ct.electron(operator.contains)(x, item)"),
        (lambda e: e & 1, "the operator &", "ct.electron(operator.and_)(x, y)"),
        (lambda e: {1} | e, "the operator |", "ct.electron(operator.or_)(x, y)"),
        (lambda e: e ^ 1, "the operator ^", "ct.electron(operator.xor)(x, y)"),
        (lambda e: 1 << e, "the operator <<", "ct.electron(operator.lshift)(x, y)"),
        (lambda e: e >> 1, "the operator >>", "ct.electron(operator.rshift)(x, y)"),
        (lambda e: ~e, "the operator ~", "ct.electron(operator.invert)(x)"),
        (lambda e: +e, "the operator +", "ct.electron(operator.pos)(x)"),
        (lambda e: f"{e}", "formatting (an f-string)", "ct.electron('... {} ...'.format)(x)"),
        (lambda e: f"{e:>3}", "formatting (an f-string)", "ct.electron('{:>3}'.format)(x)"),
        ("{}".format, "formatting", "ct.electron("),
        (lambda e: e(1), "calling", "hand x over to a function with @ct.electron above it"),
        (lambda e: e.upper(), "calling a method", "ct.electron(lambda x: x.upper(...))(...)"),
        (lambda e: dict(**e), "unpacking with **", "hand x over whole"),
        (lambda e: {**e}, "unpacking with **", "hand x over whole"),
        (lambda e: operator.setitem(e, 0, 1), "setting an item", "a changed copy"),
        (lambda e: operator.delitem(e, 0), "deleting an item", "a changed copy"),
        (lambda e: setattr(e, "name", 1), "setting the attribute 'name'", "@ct.electron"),
        (open, "a file's path", "open the file in a function with @ct.electron above it"),
        (os.fspath, "a file's path", "open the file in a function with @ct.electron above it"),
    ],
)
def test_what_needs_the_value_is_refused_with_what_to_write_instead(use: Any, what: str, instead: str) -> None:
    with pytest.raises(BoundElectronError) as raised:
        graph_of(lambda: use(same(1)))
    message = str(raised.value)
    assert message.startswith(what)
    assert "<value-to-be of same(0)" in message or "<value-to-be of l" in message or "<value-to-be of g" in message
    assert "exists only once the workflow runs" in message
    assert instead in message


@pytest.mark.parametrize(
    ("instead", "value"),
    [
        (ct.electron(len), 2),
        (lambda e: ct.electron(operator.contains)(e, "a"), True),
        (ct.electron("{:>4}".format), "  ab"),
        (lambda e: ct.electron(operator.eq)(e, "ab"), True),
        (ct.electron(lambda x: x.upper()), "AB"),
        (ct.electron("measured {} today".format), "measured ab today"),
    ],
)
def test_what_is_written_instead_works(instead: Any, value: object) -> None:
    assert evaluated(lambda: instead(same("ab"))) == value


@pytest.mark.parametrize(
    "hide", [str, lambda e: f"{e!r}.csv", "%s.csv".__mod__, lambda e: ["data", str(e), e], lambda e: 100 * str(e)]
)
def test_a_text_made_of_an_electron_is_refused_as_an_argument(hide: Any) -> None:
    with pytest.raises(BoundElectronError, match=r"the argument 'value' of same holds a text .*same\(0\)"):
        graph_of(lambda: same(hide(same(1))))
    with pytest.raises(BoundElectronError, match="the workflow's return value holds a text"):
        graph_of(lambda: str(same(1)))


def test_printing_an_electron_shows_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    graph_of(lambda: print(same(1)["a"].b))
    assert capsys.readouterr().out == "<value-to-be of same(0)['a'].b>\n"


@pytest.mark.parametrize(
    ("names", "instead"),
    [
        ("first, *rest", "x[0], x[1:]"),
        ("*rest, last", "x[:-1], x[-1]"),
        ("a, b, *rest, y, z", "x[0], x[1], x[2:-2], x[-2], x[-1]"),
        (", ".join([*(f"n{index}" for index in range(200)), "*rest", "y"]), "x[199], x[200:-1], x[-1]"),
        ("*everything,", "x[:]"),
        ("o.a, *(b, c)", "x[0], x[1:]"),
    ],
)
def test_unpacking_to_a_starred_name_is_refused_with_what_takes_the_same_apart(names: str, instead: str) -> None:
    namespace: dict[str, Any] = {"same": same}
    exec(f"def workflow():\n    {names} = same([1, 2, 3])\n    return 1", namespace)  # noqa: S102 - the star's place varies
    with pytest.raises(BoundElectronError, match=f"starred name.*write .*{re.escape(instead)}$"):
        graph_of(namespace["workflow"])


@pytest.mark.parametrize(
    ("names", "count"),
    [
        ("a, *(b, c)", 3),
        ("*[a, b], c", 3),
        ("a, b, *(c, d), e, f", 6),
        (", ".join([*(f"n{index}" for index in range(200)), "*(x, y)", "z"]), 203),
        ("a, *(" + ", ".join(f"n{index}" for index in range(300)) + ")", 301),
    ],
)
def test_a_starred_target_of_names_fixes_the_count(names: str, count: int) -> None:
    taken = re.sub(r"[*()\[\]]", "", names)
    namespace: dict[str, Any] = {"same": same}
    code = f"def workflow():\n    {names} = same(list(range({count})))\n    return [{taken}]"
    exec(code, namespace)  # noqa: S102 - the star's place varies
    assert evaluated(namespace["workflow"]) == list(range(count))


def test_what_is_written_in_place_of_a_starred_name_works() -> None:
    def workflow() -> Any:
        x = same([1, 2, 3, 4])
        first, rest, last = x[0], x[1:-1], x[-1]
        return first, rest, last

    assert evaluated(workflow) == (1, [2, 3], 4)


def test_unpacking_works_in_code_that_is_traced_and_in_all_kinds_of_code() -> None:
    class Holder:
        pass

    def workflow() -> Any:
        holder = Holder()
        holder.a, holder.b = same((1, 2))  # type: ignore[attr-defined] # what is shown
        items: dict[str, Any] = {}
        items["c"], (items["d"], items["e"]) = same((3, (4, 5)))
        pairs = {i: j for i, j in [same((6, 7))]}  # noqa: C416 - the comprehension is what unpacks
        generated = list(i for i, j in [same((8, 9))])  # noqa: C400 - as above

        def inner() -> Any:
            nonlocal holder
            holder, rest = same((10, 11))
            return [rest, holder]

        numbers = [holder.a, holder.b]  # type: ignore[attr-defined] # as above
        return [*numbers, *items.values(), *pairs.values(), *generated, *inner()]

    before = sys.gettrace()
    for trace in (None, lambda *_: None):
        sys.settrace(trace)
        try:
            value = evaluated(workflow)
        finally:
            sys.settrace(before)
        assert value == [1, 2, 3, 4, 5, 7, 8, 11, 10]


def test_iterators_written_in_c_that_get_to_an_electron_while_they_are_unpacked_take_it_at_its_word() -> None:
    def workflow() -> Any:
        a, b = itertools.chain(same((1, 2)))
        (c, d), (e, f) = map(tuple, [same((3, 4)), same((5, 6))])
        return [a, b, c, d, e, f]

    assert evaluated(workflow) == [1, 2, 3, 4, 5, 6]

    def mistaken() -> Any:
        a, b, c = itertools.chain([0], same((1, 2)))
        return [a, b, c]

    with pytest.raises(ValueError, match="too many values"):
        graph_of(mistaken)

    def too_long() -> Any:
        a, b = map(list, [same((1, 2, 3)), same((4, 5, 6))])
        return [a, b]

    with pytest.raises(AssertionError):  # the evaluation insists on the number, as workers do
        evaluated(too_long)


@pytest.mark.parametrize(
    "use",
    [
        lambda e: tuple(itertools.islice(e, 2)), lambda e: list(zip(e, [1, 2], strict=False)), lambda e: (*e,),
        lambda e: print(*e), lambda e: list(itertools.chain(e)), lambda e: {*e}, set,
        lambda e: [*map(str, e)], lambda e: next(x for x in e), max, sorted, itertools.cycle, enumerate,
    ],
)  # fmt: skip
def test_iterating_is_refused_unless_it_is_unpacking(use: Any) -> None:
    def unpacked() -> Any:
        a, b = use(same((1, 2)))
        return a, b

    with pytest.raises(BoundElectronError, match="iterating"):
        graph_of(unpacked)


def test_bound_electrons_are_keys_by_identity_and_copies_are_themselves() -> None:
    def workflow() -> Any:
        a, b = same(1), same(1)
        assert len({a, b, a}) == 2
        assert {a: 1}[a] == 1
        assert copy.copy(a) is a
        assert copy.deepcopy([a])[0] is a
        assert isinstance(a, BoundElectron)
        assert repr(b.name[3]) == "<value-to-be of same(1).name[3]>"
        for name in ("__array__", "__len_hint__", "_repr_html_", "_ipython_display_", "_covalent_anything"):
            assert not hasattr(a, name)
        return a

    assert evaluated(workflow) == 1


def test_electrons_of_another_workflow_are_refused() -> None:
    kept: list[Any] = []
    graph_of(lambda: kept.append(same(1)))
    with pytest.raises(GraphError, match="another workflow"):
        graph_of(lambda: same(kept[0]))
    with pytest.raises(GraphError, match="has ended"):
        kept[0] + 1
    with pytest.raises(GraphError, match="has ended"):
        kept[0]["a"]


def test_a_library_that_looks_into_an_electron_is_told_from_the_workflow_itself() -> None:
    for meddle in (lambda: np.mean([same(1), 2]), lambda: same(1).shape()):
        with pytest.raises(BoundElectronError, match=r"handed an electron.s output .* wrap the call of that function"):
            graph_of(meddle)
    with pytest.raises(BoundElectronError) as raised:
        graph_of(lambda: int(same(1)))
    assert "library" not in str(raised.value)


def test_a_count_that_is_an_electron_is_said_to_be_one() -> None:
    with pytest.raises(BoundElectronError, match=r"an index or a count, as range\(\)"):
        graph_of(lambda: list(range(same(3))))
