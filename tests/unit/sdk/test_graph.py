from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import covalent as ct
from covalent.errors import WireError
from covalent.graph import TransportGraph
from covalent.wire import codec
from covalent.wire.links import order, pairs
from covalent.wire.manifest import Graph
from tests.unit.sdk.evaluation import graph_of


@ct.electron
def join(*parts: Any, **named: Any) -> Any:
    return parts, named


@st.composite
def workflows(draw: st.DrawFn) -> Any:
    """A workflow function of a random shape: what each call takes of the calls before it."""
    count = draw(st.integers(1, 6))
    plans = []
    for number in range(count):
        sources = draw(st.lists(st.integers(0, number - 1), max_size=3)) if number else []
        plans.append((sources, draw(st.booleans()), draw(st.text(max_size=3))))

    def workflow() -> Any:
        made: list[Any] = []
        for sources, keyword, text in plans:
            taken = [made[source] for source in sources]
            value = join(text, [taken], named=taken[:1]) if keyword else join(*taken, text)
            if taken:
                ct.wait(value, taken[0])
            made.append(value)
        return made

    return workflow


@given(workflows())
def test_graphs_round_trip_exactly_and_links_follow_the_templates(workflow: Any) -> None:
    graph = graph_of(workflow)
    text = graph.serialize_to_json()
    back = TransportGraph.deserialize_from_json(text)
    assert back == graph
    assert back.serialize_to_json() == text
    assert codec.dumps(codec.loads(text)).decode() == text
    derived = {pair for node in graph.nodes for pair in pairs(node)}
    assert derived == {(link.source, link.target) for link in graph.links if link.param_type != "wait"}
    assert graph.links == sorted(graph.links, key=order)
    assert codec.from_json(Graph, json.loads(text)) == graph.record


def test_links_name_the_parameter_that_takes_the_value() -> None:
    @ct.electron
    def task(a: Any, b: Any, *rest: Any, c: Any = None, **more: Any) -> Any:
        return a, b, rest, c, more

    def workflow() -> Any:
        x = join()
        return task(x, [x, x], 0, x, c={x: 1}, d=x.part)

    links = [(link.edge_name, link.param_type, link.arg_index) for link in graph_of(workflow).links]
    assert links == [
        ("a", "arg", 0), ("b", "arg", 1), ("rest[1]", "arg", 3), ("c", "kwarg", None), ("d", "kwarg", None),
    ]  # fmt: skip


def test_functions_that_are_told_the_order_of_their_keywords_are_told_that_of_the_call() -> None:
    @ct.electron
    def named(*, a: Any, b: Any) -> Any:
        return a, b

    graph = graph_of(lambda: [join(b=1, a=2), join(a=1, b=2), named(b=1, a=2), join()])
    back = TransportGraph.deserialize_from_json(graph.serialize_to_json())
    assert [node.keywords for node in back.nodes] == [("b", "a"), (), (), (), ()]


def test_functions_that_tell_no_parameters_are_linked_all_the_same() -> None:
    update: Any = ct.electron(dict)
    graph = graph_of(lambda: update(join(), a=join()))
    assert [(link.source, link.target, link.param_type) for link in graph.links] == [(0, 2, "arg"), (1, 2, "kwarg")]


def test_links_are_read_from_edges_too() -> None:
    graph = graph_of(lambda: join(join()))
    plain = json.loads(graph.serialize_to_json())
    plain["edges"] = plain.pop("links")
    assert TransportGraph.deserialize_from_json(json.dumps(plain)) == graph


@pytest.mark.parametrize("text", ["", "[]", '{"nodes": 1}', '{"nodes": [{"id": 1, "name": "a", "function": "f"}]}'])
def test_what_is_no_graph_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        TransportGraph.deserialize_from_json(text)


def test_networkx_gets_a_copy_with_all_there_is() -> None:
    graph = graph_of(lambda: join(join(), x=join()))
    view = graph.networkx()
    assert list(view.nodes) == [0, 1, 2]
    assert view.nodes[2]["name"] == "join"
    assert sorted((source, target, fields["edge_name"]) for source, target, fields in view.edges(data=True)) == [
        (0, 2, "parts[0]"),
        (1, 2, "x"),
    ]


def test_node_values_are_found_by_name() -> None:
    graph = graph_of(lambda: join(1))
    assert graph.get_node_value(0, "name") == "join"
    for node, key in ((0, "nothing"), (1, "name"), (-1, "name")):
        with pytest.raises(KeyError):
            graph.get_node_value(node, key)
