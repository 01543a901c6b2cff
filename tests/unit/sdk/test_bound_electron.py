from __future__ import annotations

import copy
import itertools
import operator
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


def test_matrix_products_and_arrays_are_one_task() -> None:
    def workflow() -> Any:
        e = same(np.arange(3))
        return [np.arange(3) + e, np.float64(2) * e, np.ones((2, 3)) @ e, e @ np.arange(3)]

    one, two, three, four = evaluated(workflow)
    assert (one.tolist(), two.tolist(), three.tolist(), int(four)) == ([0, 2, 4], [0, 2, 4], [3, 3], 5)
    assert len(graph_of(workflow).nodes) == 6


@pytest.mark.parametrize(
    "use",
    [
        bool, int, float, complex, len, list, tuple, range, iter,
        lambda e: e == 1, lambda e: e != 1, lambda e: f"{e}", lambda e: f"{e:>3}", lambda e: 1 in e,
        lambda e: [1, 2][e], lambda e: e(1), lambda e: e.method(1), lambda e: [*e], lambda e: {x: id(x) for x in e},
        lambda e: operator.setitem(e, 0, 1), lambda e: operator.delitem(e, 0), lambda e: setattr(e, "name", 1),
        lambda e: 1 if e else 2, sum,
    ],
)  # fmt: skip
def test_what_needs_the_value_is_refused_with_a_way_out(use: Any) -> None:
    with pytest.raises(BoundElectronError, match=r"same\(0\).*@ct\.electron"):
        graph_of(lambda: use(same(1)))


def test_unpacking_to_an_unknown_number_of_names_is_refused() -> None:
    def workflow() -> Any:
        first, *rest = same([1, 2, 3])
        return first, rest

    with pytest.raises(BoundElectronError, match="iterating"):
        graph_of(workflow)


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
