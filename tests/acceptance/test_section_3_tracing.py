"""Inside a lattice: what a user may do with an electron's value-to-be, and what arrives where tasks run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.programs import Project

#: Many lattices, all dispatched before the first is waited for.
_SCRIPT = """
import os
import time


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


@ct.electron
def one():
    return 1


@ct.electron
def takes(a, /, b, c=3, *rest, d, e=5, **others):
    return [a, b, c, list(rest), d, e, others]


@ct.electron
def described(*values):
    return [repr(value) for value in values]


@ct.electron
def pair():
    print("pair is running")
    return [10, 20]


@ct.electron
def table():
    return {"key": "value", "list": [0, 1, 2, 3], "index": 2, 1: "by number", (1, 2): "by tuple"}


@ct.electron
def point():
    return Point(3, [4, 5])


@ct.lattice
def arguments():
    e = one()
    return [takes(e, 2, d=4), takes(e, e, e, e, 7, d=e, e=e, f=e), takes(1, b=2, d=3)]


@ct.lattice
def containers():
    e = one()
    return described(
        [e, [e]], (e, (2, e)), {e, 2}, frozenset({e}), {"a": e, e: "key", (e, 2): 0, "deep": {"deeper": (e, [e])}}
    )


@ct.lattice
def paths():
    t, p = table(), point()
    a, b = pair()
    return [t["key"], t["list"][1:3], t["list"][t["index"]], t[1], t[1, 2], p.x, p.y[1], a, b]


@ct.lattice
def operators():
    a, b = 7, one()
    b = b + 1
    made = [a + b, b + a, a - b, b - a, a * b, a / b, b / a, a // b, b // a, a % b, b % a, a**b, b**a, -b]
    return [*made, b < 2, b <= 2, b > 2, b >= 2, 1 < b, {b: "key"}, len({b, b})]


@ct.lattice
def finishes_all(path):
    one()
    write(path)
    return "a constant"


@ct.electron
def write(path):
    time.sleep(0.2)
    with open(path, "w") as file:
        file.write("written")


@ct.lattice
def gives_none():
    one()


@ct.lattice
def gives_nested():
    return {"constant": [1, (2, None)], "electron": (one(), {"deep": [one()]})}


@ct.electron
def where():
    return os.getcwd()


@ct.lattice(executor=ct.executor.LocalExecutor(workdir="first"))
def in_the_first():
    return where()


@ct.lattice(executor=ct.executor.LocalExecutor(workdir="second"))
def in_the_second():
    return where()


@ct.lattice
def inner(x):
    return [one(), x]


@ct.lattice
def inline():
    return inner(5)[0] + inner(one())[1]


@ct.electron
def waits(path):
    return os.path.exists(path)


@ct.lattice
def ordered(path):
    return ct.wait(waits(path), [write(path)])


@ct.lattice
def looks_up():
    return [defined_below(), GLOBAL]


@ct.electron
def defined_below():
    return GLOBAL


@ct.electron
def awaited():
    return None


@ct.electron
async def asynchronous(x):
    return x + 1


@ct.electron
def generating(n):
    yield from range(n)


class Counter:
    def __init__(self, start):
        self.start = start

    @ct.electron
    def counted(self, by):
        return self.start + by


def adder(n):
    return ct.electron(lambda x: x + n)


@ct.lattice
def kinds():
    import functools

    return [
        asynchronous(1), generating(3), Counter(10).counted(one()), adder(5)(one()), ct.electron(len)([1, one()]),
        functools.partial(takes, 1, 2)(d=one()),
    ]


@ct.lattice
def given_an_electron(electron):
    return electron(d=1, b=2)


GLOBAL = "first"
dispatched = {
    "arguments": ct.dispatch(arguments)(),
    "containers": ct.dispatch(containers)(),
    "paths": ct.dispatch(paths)(),
    "operators": ct.dispatch(operators)(),
    "finishes_all": ct.dispatch(finishes_all)(os.path.abspath("unused")),
    "gives_none": ct.dispatch(gives_none)(),
    "gives_nested": ct.dispatch(gives_nested)(),
    "in_the_first": ct.dispatch(in_the_first)(),
    "in_the_second": ct.dispatch(in_the_second)(),
    "inline": ct.dispatch(inline)(),
    "ordered": ct.dispatch(ordered)(os.path.abspath("ordered")),
    "looks_up": ct.dispatch(looks_up)(),
    "kinds": ct.dispatch(kinds)(),
    "given_an_electron": ct.dispatch(given_an_electron)(ct.electron(lambda b, d: [b, d])),
}
GLOBAL = "second"
dispatched["looks_up_later"] = ct.dispatch(looks_up)()

for name, dispatch_id in dispatched.items():
    result = ct.get_result(dispatch_id, wait=True)
    facts[name] = {
        "id": dispatch_id,
        "status": result.status,
        "value": repr(result.result),
        "nodes": [node["node_name"] for node in result.get_all_node_results()],
        "error": result.error,
    }
facts["ran"] = [node["stdout"] for node in ct.get_result(dispatched["paths"]).get_all_node_results() if node["stdout"]]
facts["unused"] = os.path.exists("unused")
"""

#: What each gives, as its ``repr``.
_VALUES = {
    "arguments": repr([[1, 2, 3, [], 4, 5, {}], [1, 1, 1, [1, 7], 1, 1, {"f": 1}], [1, 2, 3, [], 3, 5, {}]]),
    "containers": repr(
        [
            "[1, [1]]",
            "(1, (2, 1))",
            "{1, 2}",
            "frozenset({1})",
            "{'a': 1, 1: 'key', (1, 2): 0, 'deep': {'deeper': (1, [1])}}",
        ]
    ),
    "paths": repr(["value", [1, 2], 2, "by number", "by tuple", 3, 5, 10, 20]),
    "operators": repr(
        [9, 9, 5, -5, 14, 3.5, 2 / 7, 3, 0, 1, 2, 49, 128, -2, False, True, False, True, True, {2: "key"}, 1]
    ),
    "finishes_all": "'a constant'",
    "gives_none": "None",
    "gives_nested": repr({"constant": [1, (2, None)], "electron": (1, {"deep": [1]})}),
    "inline": "2",
    "ordered": "True",
    "looks_up": repr(["first", "first"]),
    "looks_up_later": repr(["second", "second"]),
    "kinds": repr([2, [0, 1, 2], 11, 6, 2, [1, 2, 3, [], 1, 5, {}]]),
    "given_an_electron": "[2, 1]",
}


@pytest.fixture(scope="module")
def told(user: Project) -> dict[str, Any]:
    return user.facts(_SCRIPT)


@pytest.mark.parametrize("name", _VALUES)
def test_a_dispatch_gives_what_the_workflow_says(told: dict[str, Any], name: str) -> None:
    assert (told[name]["status"], told[name]["error"]) == ("COMPLETED", None)
    assert told[name]["value"] == _VALUES[name]


def test_parameters_containers_items_and_attributes_are_no_tasks(told: dict[str, Any]) -> None:
    assert told["containers"]["nodes"] == ["one", "described"]
    assert told["paths"]["nodes"] == ["table", "point", "pair", "collect"]
    assert told["inline"]["nodes"] == ["one", "one", "one", "add"]


def test_taking_an_output_apart_never_runs_its_task_again(told: dict[str, Any]) -> None:
    assert told["ran"] == ["pair is running\n"]


def test_every_node_finishes_before_the_dispatch_does_used_or_not(told: dict[str, Any]) -> None:
    assert told["finishes_all"]["nodes"] == ["one", "write"]
    assert told["unused"] is True


def test_an_electron_in_two_lattices_takes_the_defaults_of_each(told: dict[str, Any], user: Project) -> None:
    assert told["in_the_first"]["value"] == repr(str(user.directory / "first"))
    assert told["in_the_second"]["value"] == repr(str(user.directory / "second"))


#: What goes wrong goes wrong here, in the client, and before anything is stored.
_MISTAKES = """
import threading


@ct.electron
def add(a, b):
    return a + b


@ct.electron
def same(x):
    return x


def of(body):
    body.__name__ = "mistaken"
    return raised(ct.dispatch(ct.lattice(body)))


facts["arguments"] = [
    of(lambda: add(1, 2, 3)), of(lambda: add(1, b=2, c=3, d=4)), of(lambda: add(1)), of(lambda: add(1, a=1))
]
facts["lattice"] = [raised(ct.dispatch(ct.lattice(lambda n: n)), 1, 2), raised(ct.dispatch(ct.lattice(lambda n: n)))]


def conditional():
    if same(1):
        return 1


def looped():
    return [x for x in same([1])]


class Hidden:
    def __init__(self, held):
        self.held = held


for name, body in {
    "if": conditional,
    "bool": lambda: bool(same(1)),
    "int": lambda: int(same(1)),
    "float": lambda: float(same(1)),
    "len": lambda: len(same([1])),
    "for": looped,
    "==": lambda: same(1) == 1,
    "!=": lambda: same(1) != 1,
    "f-string": lambda: f"{same(1)}",
    "in": lambda: 1 in same([1]),
    "hidden": lambda: same(Hidden(same(1))),
}.items():
    facts[name] = of(body)


def fails():
    raise LookupError("as it was")


facts["body"] = of(fails)
facts["lock"] = [
    of(lambda: add(1, threading.Lock())), raised(ct.dispatch(ct.lattice(lambda lock: 1)), threading.Lock())
]
facts["not a lattice"] = [raised(ct.dispatch, value) for value in (add, len, 5)]


def looked_at():
    names = ("__array__", "__len_hint__", "_repr_html_", "_ipython_display_")
    raise LookupError([name for name in names if hasattr(same(1), name)])


facts["looked at"] = of(looked_at)
facts["stored"] = len(ct.dispatches(name="mistaken"))
facts["without mistakes"] = [of(lambda: add(1, 2)), len(ct.dispatches(name="mistaken"))]
"""


@pytest.fixture(scope="module")
def mistakes(user: Project) -> dict[str, Any]:
    return user.facts(_MISTAKES, "mistakes.py")


def test_wrong_arguments_are_told_in_the_client_by_their_names(mistakes: dict[str, Any]) -> None:
    too_many, unknown, missing, twice = mistakes["arguments"]
    assert "Too many positional arguments given, expected 2, received 3" in too_many
    assert "Unexpected keyword arguments: c, d" in unknown
    assert "Missing arguments: b" in missing
    assert "by position and by keyword: a" in twice
    too_many, missing = mistakes["lattice"]
    assert "Too many positional arguments given, expected 1, received 2" in too_many
    assert "Missing arguments: n" in missing


@pytest.mark.parametrize("use", ["if", "bool", "int", "float", "len", "for", "==", "!=", "f-string", "in", "hidden"])
def test_what_needs_a_value_that_does_not_exist_yet_says_what_to_write_instead(
    mistakes: dict[str, Any], use: str
) -> None:
    assert mistakes[use].startswith("BoundElectronError: ")
    assert "ct.electron" in mistakes[use]


def test_an_error_of_the_workflow_function_comes_out_as_it_is(mistakes: dict[str, Any]) -> None:
    assert mistakes["body"] == "LookupError: as it was"


def test_what_cannot_be_serialised_is_a_type_error_that_names_the_argument(mistakes: dict[str, Any]) -> None:
    of_an_electron, of_the_lattice = mistakes["lock"]
    assert of_an_electron.startswith("TypeError: ")
    assert "'b' of add" in of_an_electron
    assert of_the_lattice.startswith("TypeError: ")
    assert "'lock'" in of_the_lattice


def test_what_is_no_lattice_is_told_with_how_to_make_one(mistakes: dict[str, Any]) -> None:
    an_electron, a_function, a_number = mistakes["not a lattice"]
    assert an_electron.startswith("TypeError: ct.dispatch takes a lattice, but got the electron 'add'")
    assert "ct.dispatch(ct.lattice(len))(...)" in a_function
    assert "an object of type 'int'" in a_number


def test_what_python_and_notebooks_look_for_is_not_there(mistakes: dict[str, Any]) -> None:
    assert mistakes["looked at"] == "LookupError: []"


def test_nothing_is_stored_of_a_workflow_that_cannot_be_built(mistakes: dict[str, Any]) -> None:
    assert mistakes["stored"] == 0
    assert mistakes["without mistakes"] == [None, 1]


_GRAPHS = """
import time

from covalent import TransportGraph


@ct.electron
def same(x):
    return x


@ct.lattice
def large():
    for number in range(10_000):
        same(number)


@ct.lattice
def small(n):
    return same.map(range(n))


began = time.process_time()
large.build_graph()
facts["seconds"] = time.process_time() - began
text = large.transport_graph.serialize_to_json()
facts["functions"] = len({node["function"] for node in json.loads(text)["nodes"]})

small.build_graph(3)
text = small.transport_graph.serialize_to_json()
facts["graph"] = TransportGraph.deserialize_from_json(text).serialize_to_json() == text
whole = small.serialize_to_json()
facts["lattice"] = json.dumps(json.loads(ct.Lattice.deserialize_from_json(whole).serialize_to_json())) == json.dumps(
    json.loads(whole)
)
facts["links"] = sorted(json.loads(text))
facts["drawn"] = small.draw(3).svg.count(">same<")
facts["again"] = ct.dispatch_sync(ct.Lattice.deserialize_from_json(whole))(4).result
"""


@pytest.fixture(scope="module")
def graphs(user: Project) -> dict[str, Any]:
    return user.facts(_GRAPHS, "graphs.py")


def test_ten_thousand_calls_are_built_within_a_second_and_their_function_is_stored_once(graphs: dict[str, Any]) -> None:
    assert graphs["seconds"] < 1
    assert graphs["functions"] == 1


def test_graphs_and_lattices_come_back_from_json_as_they_were(graphs: dict[str, Any]) -> None:
    assert (graphs["graph"], graphs["lattice"]) == (True, True)
    assert graphs["links"] == ["directed", "graph", "links", "multigraph", "nodes"]
    assert graphs["again"] == [0, 1, 2, 3]


def test_a_graph_is_drawn_without_the_server_package(graphs: dict[str, Any]) -> None:
    assert graphs["drawn"] == 3


def test_the_stored_graph_is_node_link_json_that_needs_no_covalent_to_be_read(
    told: dict[str, Any], user: Project
) -> None:
    graph = json.loads(user.installation.request("GET", f"/api/v1/dispatches/{told['paths']['id']}/graph").body)
    assert [node["name"] for node in graph["nodes"]] == ["table", "point", "pair", "collect"]
    assert {(link["source"], link["target"]) for link in graph["links"]} == {(0, 3), (1, 3), (2, 3)}
