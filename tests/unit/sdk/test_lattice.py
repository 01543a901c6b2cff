from __future__ import annotations

import copy
import inspect
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import covalent as ct
from covalent.errors import ArgumentsError, BoundElectronError, TransportError, WireError
from covalent.executors import NamedExecutor
from covalent.lattice import Lattice
from covalent.transportable import TransportableObject
from tests.unit.sdk.evaluation import built, evaluate, evaluated, graph_of


@ct.electron
def add(a: int, b: int = 1) -> int:
    return a + b


@ct.lattice
def total(numbers: list[int], start: int = 0) -> int:
    """Adds numbers up."""
    for number in numbers:
        start = add(start, number)
    return start


def test_outside_a_dispatch_a_lattice_is_plain_python() -> None:
    assert total([1, 2, 3]) == 6
    assert (total.__name__, total.__doc__) == ("total", "Adds numbers up.")
    assert list(inspect.signature(total).parameters) == ["numbers", "start"]


def test_building_records_a_chain() -> None:
    total.build_graph([1, 2, 3], start=4)
    graph = total.transport_graph
    assert [node.name for node in graph.nodes] == ["add", "add", "add"]
    assert graph.output == {"node": 2}
    assert total.inputs is not None
    assert total.inputs.get_deserialized() == {"args": ([1, 2, 3],), "kwargs": {"start": 4}}
    assert evaluated(total, [1, 2, 3], start=4) == 10


@pytest.mark.parametrize("value", [None, 5, "x", [1, (2,)], {"a": {1}}])
def test_constants_are_returned_without_a_task(value: object) -> None:
    graph = graph_of(lambda: value)
    assert graph.nodes == []
    assert set(graph.output) == {"asset"}
    assert evaluated(lambda: value) == value


def test_containers_and_paths_are_collected_by_one_task() -> None:
    for workflow in (lambda: {"a": [add(1), 2]}, lambda: add(1).real, lambda: (add(1),)):
        graph = graph_of(workflow)
        assert [node.kind for node in graph.nodes] == ["task", "collect"]
        assert graph.output == {"node": 1}
    assert evaluated(lambda: {"a": [add(1), (2,)]}) == {"a": [2, (2,)]}


def test_every_task_is_recorded_used_or_not() -> None:
    def workflow() -> int:
        add(1)
        return 3

    assert len(graph_of(workflow).nodes) == 1


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ArgumentsError, match="Too many positional arguments given, expected 2, received 3"):
        total.build_graph([], 1, 2)  # type: ignore[call-arg] # what is shown
    with pytest.raises(ArgumentsError, match="Missing arguments: numbers"):
        total.build_graph()  # type: ignore[call-arg] # what is shown


def test_an_exception_in_the_body_comes_out_unchanged_and_leaves_the_last_graph() -> None:
    error = KeyError("mine")

    @ct.lattice
    def workflow(fail: bool) -> Any:
        if fail:
            raise error
        return add(1)

    workflow.build_graph(fail=False)
    with pytest.raises(KeyError) as caught:
        workflow.build_graph(fail=True)
    assert caught.value is error
    assert len(workflow.transport_graph.nodes) == 1
    assert add(1) == 2


def test_inputs_that_cannot_be_serialised_are_named() -> None:
    @ct.lattice
    def workflow(number: int, lock: Any) -> Any:
        return number, lock

    with pytest.raises(TypeError, match="the argument 'lock' of workflow cannot be serialised"):
        workflow.build_graph(1, threading.Lock())


def test_a_lattice_that_is_built_inside_another_is_not_given_its_outputs() -> None:
    with pytest.raises(
        BoundElectronError, match=r"the argument 'numbers' of total: .*add\(0\).* in another lattice it"
    ):
        graph_of(lambda: total.build_graph([add(1)]))


def test_how_the_return_value_is_put_together_is_one_of_two_words() -> None:
    with pytest.raises(ValueError, match="postprocess is 'reconstruct' or 'replay', not 'later'"):
        ct.lattice(postprocess="later")(add)  # type: ignore[call-overload] # what is shown


def test_inner_lattices_run_inline() -> None:
    def workflow() -> Any:
        return add(total([1, 2]), 10)

    assert [node.name for node in graph_of(workflow).nodes] == ["add", "add", "add"]
    assert evaluated(workflow) == 13


def test_a_lattice_of_an_electron_has_one_task() -> None:
    assert evaluated(ct.lattice(add), 1, b=2) == 3
    assert len(graph_of(ct.lattice(add), 1).nodes) == 1
    assert ct.lattice(total)([1]) == 1


def test_electrons_may_be_arguments_of_lattices() -> None:
    assert evaluated(lambda task: task(task(1)), add) == 3


def test_names_defined_later_are_seen_and_later_changes_too() -> None:
    namespace: dict[str, Any] = {"ct": ct, "__name__": "__main__"}
    exec(  # noqa: S102 - a script in small
        "@ct.electron\ndef task():\n    return helper() + LATER\n\ndef helper():\n    return 1\n\nLATER = 1\n",
        namespace,
    )
    assert evaluated(namespace["task"]) == 2
    namespace["LATER"] = 5
    assert evaluated(namespace["task"]) == 6


def test_metadata_is_resolved_key_by_key() -> None:
    own, lattices, workflows = (
        ct.executor.LocalExecutor(workdir=f"/{name}") for name in ("own", "lattice", "workflow")
    )

    @ct.electron(executor=own)
    def placed(value: int) -> int:
        return value

    @ct.electron(call_after=print)
    def hooked(value: int) -> int:
        return value

    @ct.lattice(executor=lattices, workflow_executor=workflows, call_before=[print], call_after=[print, repr])
    def workflow() -> Any:
        return [placed(1), hooked(2) + 1]

    nodes = built(workflow).transport_graph.nodes
    assert [node.metadata.executor_data["workdir"] for node in nodes] == ["/own", "/lattice", "/workflow", "/workflow"]
    hooks = [(len(node.metadata.hooks.call_before), len(node.metadata.hooks.call_after)) for node in nodes]
    assert hooks == [(1, 2), (1, 1), (0, 0), (0, 0)]
    assert workflow.metadata["workflow_executor_data"]["workdir"] == "/workflow"
    assert graph_of(lambda: placed(1)).nodes[0].metadata.hooks.call_before == ()


def test_a_shared_electron_takes_each_lattices_defaults_anew() -> None:
    def body() -> Any:
        return add(1)

    for directory in ("/a", "/b"):
        lattice = ct.lattice(body, executor=ct.executor.LocalExecutor(workdir=directory))
        assert graph_of(lattice).nodes[0].metadata.executor_data["workdir"] == directory
    assert add.electron_object.executor is None


def test_the_workflow_executor_is_the_executor_when_it_is_not_given() -> None:
    lattice = built(ct.lattice(lambda: add(1) + 1, executor="elsewhere"))
    assert [node.metadata.executor for node in lattice.transport_graph.nodes] == ["elsewhere", "elsewhere"]


def test_injected_keywords_are_not_missing() -> None:
    @ct.electron(call_before=ct.DepsCall(dict, retval_keyword="token"))
    def task(value: int, token: Any) -> Any:
        return value, token

    assert len(graph_of(lambda: task(1)).nodes) == 1  # type: ignore[call-arg] # a hook gives the token


def test_hooks_open_as_the_calls_that_they_are() -> None:
    @ct.electron(call_before=ct.DepsCall(pow, (2, 3), {"mod": 5}, retval_keyword="x"))
    def task(x: int) -> int:
        return x

    graph = graph_of(lambda: [task()])  # type: ignore[call-arg] # the hook gives x
    (digest,) = graph.nodes[0].metadata.hooks.call_before
    assert graph.assets[digest].get_deserialized() == {
        "function": pow, "args": (2, 3), "kwargs": {"mod": 5}, "retval_keyword": "x",
    }  # fmt: skip


def test_builds_of_one_lattice_in_two_threads_do_not_mix() -> None:
    def build(number: int) -> int:
        lattice = copy.copy(total)
        lattice.build_graph(list(range(number)))
        return len(lattice.transport_graph.nodes)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(build, range(1, 30))) == list(range(1, 30))


def test_equal_builds_have_equal_text() -> None:
    texts = {graph_of(total, [1, 2]).serialize_to_json() for _ in range(2)}
    assert len(texts) == 1


def _lattice_with_everything() -> Lattice[...]:
    @ct.electron(executor="elsewhere", call_before=ct.DepsCall(print, ("before",)))
    def task(value: Any) -> Any:
        return value

    @ct.lattice(executor=ct.executor.LocalExecutor(workdir="/w"), call_after=print)
    def workflow(number: int, *, text: str = "t") -> Any:
        """What it does."""
        return {"a": task([number, (text,)]), "b": task(number)[0] + 1}

    return workflow


def test_lattices_round_trip_by_json_alone() -> None:
    lattice = _lattice_with_everything()
    lattice.build_graph(3, text="x")
    text = lattice.serialize_to_json()
    back: Lattice[...] = Lattice.deserialize_from_json(json.dumps(json.loads(text)))
    assert back.serialize_to_json() == text
    assert back.transport_graph == lattice.transport_graph
    assert back.inputs == lattice.inputs
    assert (back.__name__, back.__doc__) == ("workflow", "What it does.")
    assert back.metadata == lattice.metadata
    assert "value-to-be" not in text


def test_lattices_from_json_run_and_build_again() -> None:
    lattice = built(ct.lattice(lambda number: add(number, 2)), 1)
    back: Lattice[...] = Lattice.deserialize_from_json(lattice.serialize_to_json())
    graph = back.transport_graph
    assert evaluate(graph, {digest: asset.serialize() for digest, asset in graph.assets.items()}) == 3
    assert back(5) == 7
    back.build_graph(7)
    assert back.transport_graph.nodes[0].args[0] == {"value": 7}


def test_a_lattice_that_was_not_built_round_trips_too() -> None:
    lattice = _lattice_with_everything()
    back: Lattice[...] = Lattice.deserialize_from_json(lattice.serialize_to_json())
    assert back.executor == ct.executor.LocalExecutor(workdir="/w")
    assert back.options.call_after is not None
    assert back.options.call_after[0].func is print


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"attributes": {}}', "null"])
def test_what_is_no_lattice_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        Lattice.deserialize_from_json(text)


def test_altered_assets_are_refused() -> None:
    plain = json.loads(built(total, [1]).serialize_to_json())
    assets = plain["attributes"]["assets"]
    digest = next(iter(assets))
    assets[digest] = TransportableObject("something else").to_dict()
    with pytest.raises(WireError, match="has the digest"):
        Lattice.deserialize_from_json(json.dumps(plain))


def test_copies_start_unbuilt_and_open_elsewhere() -> None:
    total.build_graph([1])
    for duplicate in (copy.copy(total), copy.deepcopy(total), TransportableObject(total).get_deserialized()):
        assert duplicate.transport_graph.nodes == []
        assert duplicate([1, 2]) == 3
        duplicate.build_graph([1, 2])
        assert len(duplicate.transport_graph.nodes) == 2


def test_the_workflow_function_opens_as_the_function() -> None:
    assert built(total, [1]).workflow_function.get_deserialized()([1, 2]) == 3


def test_a_function_that_cannot_be_serialised_is_left_out() -> None:
    lock = threading.Lock()

    def workflow() -> Any:
        with lock:
            return add(1)

    lattice = built(workflow)
    assert lattice.stored_function is None
    back: Lattice[...] = Lattice.deserialize_from_json(lattice.serialize_to_json())
    assert back.transport_graph == lattice.transport_graph
    with pytest.raises(TransportError, match="could not be stored"):
        back()


def test_named_executors_keep_their_attributes() -> None:
    executor = NamedExecutor(short_name="slurm", attributes={"address": "login"})
    node = graph_of(ct.lattice(lambda: add(1), executor=executor)).nodes[0]
    assert (node.metadata.executor, node.metadata.executor_data) == ("slurm", {"address": "login"})


def test_only_functions_are_lattices() -> None:
    with pytest.raises(TypeError, match="takes a function"):
        ct.lattice(3)  # type: ignore[call-overload] # what is shown
    with pytest.raises(TypeError, match="call_before takes"):
        ct.lattice(call_before=3)(print)  # type: ignore[call-overload] # what is shown
