"""Workflows built with real arguments, and run again on what their tasks gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import covalent as ct
from covalent import workflows
from covalent.errors import ArgumentsError, ReplayError
from covalent.lattice import Lattice
from covalent.transportable import TransportableObject
from covalent.wire.manifest import Kind
from tests.unit.sdk.evaluation import evaluate


@ct.electron
def double(x: int) -> int:
    return 2 * x


@ct.electron
def name_of(x: object) -> str:
    return f"name of {x}"


@ct.lattice
def doubled(count: int, *, start: int = 0) -> list[int]:
    return [double(start + number) for number in range(count)]


Calls = list[tuple[str, Any]]


def calls_of(workflow: Lattice[...], outputs: Sequence[Any], *args: Any) -> tuple[dict[str, Any], Calls]:
    """The arguments, and the calls as they were recorded with outputs in place of what their tasks gave."""
    workflow.build_graph(*args)
    names = [node.name for node in workflow.transport_graph.nodes if node.kind is Kind.TASK]
    return {"args": args, "kwargs": {}}, list(zip(names, outputs, strict=True))


# -- building


def test_a_built_workflow_has_all_that_its_value_needs() -> None:
    package = workflows.build(doubled, (3,), {"start": 5})
    assets = {digest: asset.serialize() for digest, asset in package.assets.items()}
    doubled.build_graph(3, start=5)
    assert evaluate(doubled.transport_graph, assets) == [10, 12, 14]
    assert package.manifest.inputs is not None
    inputs = TransportableObject.deserialize(assets[package.manifest.inputs]).get_deserialized()
    assert inputs == {"args": (3,), "kwargs": {"start": 5}}


def test_the_lattice_itself_stays_as_it_is() -> None:
    @ct.lattice
    def workflow(x: int) -> int:
        return double(x)

    workflows.build(workflow, (1,), {})
    assert workflow.transport_graph.nodes == []
    assert workflow.inputs is None


def test_what_the_workflow_function_raises_comes_out_unchanged() -> None:
    error = LookupError("no such structure")

    @ct.lattice
    def failing() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        workflows.build(failing, (), {})
    assert caught.value is error
    with pytest.raises(ArgumentsError, match="Too many positional arguments given, expected 0, received 1"):
        workflows.build(failing, (1,), {})


def test_the_value_of_a_sublattice_is_left_to_no_client() -> None:
    inner = ct.electron(ct.lattice(lambda: [double(1)], executor="local", workflow_executor="client"))
    for outer_executor in ("client", "slurm", None):
        outer = ct.lattice(lambda: [inner()], workflow_executor=outer_executor)
        outer.build_graph()
        (digest,) = (node.function for node in outer.transport_graph.nodes if node.kind is Kind.SUBLATTICE)
        built = workflows.build(outer.transport_graph.assets[digest].get_deserialized(), (), {})
        (collect,) = (node for node in built.manifest.graph.nodes if node.kind is Kind.COLLECT)
        assert collect.metadata.executor == ("slurm" if outer_executor == "slurm" else "local")


# -- running again


def test_ordinary_code_acts_on_real_values_when_a_workflow_runs_again() -> None:
    class Report:
        def __init__(self, title: object, numbers: list[Any]) -> None:
            self.title = title
            self.numbers = numbers

    @ct.lattice(postprocess="replay")
    def workflow(x: int) -> Report:
        first = double(x)
        second = double(first + 1)
        ct.wait(second, [first])
        return Report(name_of(second), [first, second - x])

    inputs, calls = calls_of(workflow, [6, "+", 14, "fourteen", "-"], 3)
    recorded = [call for call in calls if call[0] in ("double", "name_of")]
    value = workflows.replay(workflow.workflow_function.get_deserialized(), inputs, recorded)
    assert (value.title, value.numbers) == ("fourteen", [6, 11])


def test_electrons_of_lattices_called_inside_take_part() -> None:
    outer = ct.lattice(lambda count: {"inner": doubled(count), "own": name_of(count)})
    inputs, calls = calls_of(outer, [0, 2, "two"], 2)
    assert workflows.replay(outer.workflow_function.get_deserialized(), inputs, calls) == {
        "inner": [0, 2],
        "own": "two",
    }


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([("double", 1)], "it made 1 call of an electron then, and one more, of 'name_of', now"),
        ([("double", 1), ("double", 2)], "its call number 2 was of 'double' then, and is of 'name_of' now"),
        ([("double", 1), ("name_of", 2), ("double", 3)], "it made 3 calls of electrons then, and 2 now"),
    ],
)
def test_a_workflow_function_that_takes_another_way_is_told_where(calls: Calls, words: str) -> None:
    def wanders(x: int) -> list[Any]:
        return [double(x), name_of(x)]

    with pytest.raises(ReplayError) as caught:
        workflows.replay(wanders, {"args": (1,), "kwargs": {}}, calls)
    assert words in str(caught.value)
    assert str(caught.value).startswith("the workflow function wanders took another way than when its graph was built")
    assert "same order" in str(caught.value)


def test_taking_another_way_is_told_even_when_the_function_catches_everything() -> None:
    def careless() -> str:
        try:
            double(1)
        except Exception:  # noqa: BLE001 - it is what a careless function does
            return "no matter"
        return "unreachable"

    with pytest.raises(ReplayError, match="is of 'double' now"):
        workflows.replay(careless, {"args": (), "kwargs": {}}, [("name_of", 1)])
