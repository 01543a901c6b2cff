"""Planning a graph: what is refused is shown over HTTP; here the shapes that are taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covalent.errors import WireError
from covalent.status import Status
from covalent_server.core.planning import MAX_ENVIRONMENT, MAX_PRIORITY, conclude, environment, plan, rank
from tests.builders import digest, manifest, node, take


@given(st.data())
def test_any_graph_whose_inputs_come_from_earlier_nodes_is_planned(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    nodes = []
    for number in range(count):
        sources = data.draw(st.lists(st.integers(0, number - 1), max_size=4)) if number else []
        nodes.append(node(number, *(take(source) for source in sources)))
    planned = plan(manifest(nodes))
    for number in range(count):
        wanted = {item["node"] for item in nodes[number].args}
        assert planned.parents[number] == wanted
    assert planned.output_node == count - 1


@given(st.permutations(range(5)))
def test_nodes_may_stand_in_any_order(order: list[int]) -> None:
    chain = {number: node(number, *([take(number - 1)] if number else [])) for number in range(5)}
    planned = plan(manifest([chain[number] for number in order], output=take(4)))
    assert planned.parents[4] == {3}


def test_every_asset_is_mentioned_with_the_path_of_its_first_use() -> None:
    constant = digest(b"x")
    planned = plan(manifest([node(0, {"list": [{"asset": constant}]}), node(1, {"asset": constant})]))
    assert planned.assets[constant] == "graph.nodes[0].args[0]"


@pytest.mark.parametrize("keywords", [("b",), ("a", "b", "b"), ("a", "c"), ("a", "a")])
def test_an_order_of_keywords_names_each_of_them_once(keywords: tuple[str, ...]) -> None:
    given = {"a": {"value": 1}, "b": {"value": 2}}
    assert plan(manifest([node(0, kwargs=given, keywords=("b", "a"))])).parents == {0: frozenset()}
    with pytest.raises(WireError, match="each once, in their order") as raised:
        plan(manifest([node(0, kwargs=given, keywords=keywords)]))
    assert raised.value.path == "graph.nodes[0].keywords"


def test_a_long_chain_is_no_deep_recursion() -> None:
    nodes = [node(number, *([take(number - 1)] if number else [])) for number in range(20_000)]
    assert len(plan(manifest(nodes)).parents) == 20_000


def test_a_cycle_far_away_is_found() -> None:
    nodes = [node(number, *([take(number - 1)] if number else [])) for number in range(1000)]
    with pytest.raises(WireError, match="cycle"):
        plan(manifest(nodes, waits=[(999, 500)]))


def test_a_failure_weighs_more_than_a_cancellation() -> None:
    assert conclude(failed=0, cancelled=0) is Status.COMPLETED
    assert conclude(failed=0, cancelled=2) is Status.CANCELLED
    assert conclude(failed=1, cancelled=2) is Status.FAILED


def test_a_sublattices_own_variables_win_and_all_together_are_bounded() -> None:
    assert environment({"A": "1", "B": "2"}, {"B": "3"}) == {"A": "1", "B": "3"}
    assert environment({"A": "1"}, {"A": {"secret": "key"}}) == {"A": {"secret": "key"}}
    for wrong in ({"secret": "key", "more": ""}, {}, {"name": "key"}):
        with pytest.raises(WireError, match="expected a text, or an object that names a secret"):
            environment({}, {"A": wrong})
    half = "x" * (MAX_ENVIRONMENT // 2)
    environment({"A": half}, {})
    with pytest.raises(WireError, match="altogether"):
        environment({"A": half}, {"B": half})


@pytest.mark.parametrize("priority", [-MAX_PRIORITY, MAX_PRIORITY])
def test_a_rank_stays_a_number_of_32_bits_however_deep_sublattices_lie(priority: int) -> None:
    reached = 0
    for _ in range(5000):
        reached = rank(reached, priority)
    assert reached == -priority
