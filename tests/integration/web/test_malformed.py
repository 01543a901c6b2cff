"""What arrives broken: answered with 4xx and the path of the fault, nothing stored, neighbours unharmed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest

from covalent.wire import FRAMES_CONTENT_TYPE, frames
from covalent.wire.manifest import (
    Client,
    Deps,
    Graph,
    GraphAttributes,
    Hooks,
    LatticeRecord,
    Link,
    Manifest,
    Metadata,
    Node,
)
from covalent.wire.template import MAX_DEPTH
from tests import builders
from tests.builders import manifest, node, take
from tests.installation import Installation

DISPATCHES = "/api/v1/dispatches"
Change = Callable[[dict[str, Any]], object]


def plain() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(builders.text(manifest([node(0), node(1, take(0))])))
    return made


def framed(document: Any) -> bytes:
    return frames.pack(json.dumps(document).encode(), [builders.FUNCTION])


def send(server: Installation, body: bytes, content_type: str = FRAMES_CONTENT_TYPE) -> Any:
    return server.request("POST", DISPATCHES, body, headers={"Content-Type": content_type})


def count(server: Installation) -> int:
    return len(server.request("GET", f"{DISPATCHES}?limit=1000").plain["dispatches"])


def first_node(name: str, value: Any) -> Change:
    return lambda document: document["graph"]["nodes"][0].update({name: value})


def first_link(name: str, value: Any) -> Change:
    return lambda document: document["graph"]["links"][0].update({name: value})


def top(name: str, value: Any) -> Change:
    return lambda document: document.update({name: value})


def graph(name: str, value: Any) -> Change:
    return lambda document: document["graph"].update({name: value})


def without(name: str) -> Change:
    return lambda document: document["graph"]["nodes"][0].pop(name)


def metadata(name: str, value: Any) -> Change:
    return lambda document: document["graph"]["nodes"][0]["metadata"].update({name: value})


def last_node(**changes: Any) -> Change:
    return lambda document: document["graph"]["nodes"][1].update(changes)


def deep(depth: int) -> Any:
    item: Any = 1
    for _ in range(depth):
        item = [item]
    return item


def nested(depth: int) -> Any:
    item: Any = {"value": 1}
    for _ in range(depth):
        item = {"list": [item]}
    return item


FAULTS: dict[str, tuple[Change, str]] = {
    "a cycle": (
        lambda document: (
            document["graph"]["nodes"][0].update(args=[take(1)]),
            document["graph"]["links"].append(
                {"source": 1, "target": 0, "edge_name": "x", "param_type": "arg", "arg_index": 0}
            ),
        )[0],
        "graph.links",
    ),
    "a node of itself": (first_node("args", [take(0)]), "graph.links"),
    "a dangling source": (first_link("source", 7), "graph.links[0].source"),
    "a dangling target": (first_link("target", -1), "graph.links[0].target"),
    "a link without a use": (graph("links", [{"source": 0, "target": 1}, {"source": 1, "target": 0}]), "graph.links"),
    "a use without a link": (graph("links", []), "graph.links"),
    "an unknown kind of link": (first_link("param_type", "magic"), "graph.links[0].param_type"),
    "an input from nowhere": (first_node("args", [take(9)]), "graph.links"),
    "the same node twice": (first_node("id", 1), "graph.nodes[1].id"),
    "a negative node": (first_node("id", -5), "graph.nodes[0].id"),
    "a node beyond 64 bits": (first_node("id", 2**70), "nodes[0].id"),
    "a node that is a string": (first_node("id", "0"), "$.graph.nodes[0].id"),
    "a node without a function": (without("function"), "$.graph.nodes[0]"),
    "a function that is no digest": (first_node("function", "../../etc/passwd"), "graph.nodes[0].function"),
    "a function that is a file": (first_node("function", "file:///etc/passwd"), "graph.nodes[0].function"),
    "a function of nobody": (first_node("function", "0" * 64), "graph.nodes[0].function"),
    "inputs of nobody": (top("inputs", "1" * 64), "inputs"),
    "a project of nobody": (top("project", "2" * 64), "project"),
    "a hook of nobody": (first_node("metadata", {"hooks": {"call_before": ["3" * 64]}}), "metadata"),
    "a constant of nobody": (first_node("args", [{"asset": "4" * 64}]), "graph.nodes[0].args[0]"),
    "a name with NUL": (first_node("name", "a\0b"), "graph.nodes[0].name"),
    "half a surrogate in a name": (first_node("name", "\ud800"), "$"),
    "half a surrogate in a value": (first_node("args", [{"value": "\udfff"}]), ""),
    "a very long name": (first_node("name", "x" * 5000), "graph.nodes[0].name"),
    "no template": (first_node("args", [3]), "graph.nodes[0].args[0]"),
    "a template of two kinds": (first_node("args", [{"value": 1, "asset": "0" * 64}]), "graph.nodes[0].args[0]"),
    "an unknown template": (first_node("args", [{"eval": "1"}]), "graph.nodes[0].args[0]"),
    "an integer beyond 64 bits": (first_node("args", [{"value": 2**64}]), "args[0]"),
    "an integer of 5,000 digits": (first_node("args", [{"value": 10**4000}]), ""),
    "a template too deep": (first_node("args", [nested(MAX_DEPTH + 1)]), "graph.nodes[0].args[0]"),
    "a bad step": (first_node("args", [{"node": 1, "path": [["call", "x"]]}]), "graph.nodes[0].args[0].path[0]"),
    "a bad pair": (first_node("args", [{"dict": [[1]]}]), "graph.nodes[0].args[0].dict[0]"),
    "an output of nowhere": (graph("graph", {"output": take(44)}), "graph.graph.output"),
    "no output": (graph("graph", {}), "graph.graph.output"),
    "a graph that is a list": (top("graph", []), "$.graph"),
    "an undirected graph": (graph("directed", value=False), "graph.directed"),
    "another protocol": (top("protocol", 99), ""),
    "an unknown feature": (top("requires", ["time-travel"]), "requires"),
    "an integer beyond 64 bits in the metadata": (
        first_node("metadata", {"executor": "elsewhere", "executor_data": {"a": [{"x": 2**70}]}}),
        "graph.nodes[0].metadata.executor_data.a[0].x",
    ),
    "an integer beyond 64 bits in an unknown field": (top("unknown", {"x": -(10**40)}), "$.unknown.x"),
    **{
        f"a working directory that is {what}": (
            first_node("metadata", {"executor_data": {"python": "/nowhere/python3", "workdir": workdir}}),
            "graph.nodes[0].metadata.executor_data.workdir",
        )
        for what, workdir in {"a number": 5, "a list": ["/x"], "of somebody's": "~x/y", "with NUL": "/a\0b"}.items()
    },
    "a unique working directory that is a string": (
        first_node("metadata", {"executor_data": {"python": "/nowhere/python3", "create_unique_workdir": "no"}}),
        "graph.nodes[0].metadata.executor_data.create_unique_workdir",
    ),
    "an interpreter that is relative": (
        first_node("metadata", {"executor": "local", "executor_data": {"python": "python"}}),
        "graph.nodes[0].metadata.executor_data.python",
    ),
    "a task that waits for the workflow's value": (
        lambda document: (
            document["graph"]["nodes"][0].update(kind="collect"),
            document["graph"]["nodes"][0]["metadata"].update(executor="client"),
            document["graph"]["graph"].update(output=take(0)),
        )[0],
        "graph.links",
    ),
    "two nodes that put the value together": (
        lambda document: [item.update(kind="collect") for item in document["graph"]["nodes"]],
        "graph.nodes[0].kind",
    ),
    "an unknown kind of node": (last_node(kind="magic"), "$.graph.nodes[1].kind"),
    **{
        f"retries that are {what}": (metadata("retries", value), "graph.nodes[0].metadata.retries")
        for what, value in {"negative": -1, "endless": 2**31, "text": "3", "half": 1.5, "true": True}.items()
    },
    **{
        f"a number of seconds that is {what}": (metadata(name, value), f"graph.nodes[0].metadata.{name}")
        for name in ("retry_delay", "timeout")
        for what, value in {"negative": -0.5, "text": "soon", "true": True}.items()
    },
    "a cache that is a number": (metadata("cache", 1), "$.graph.nodes[0].metadata.cache"),
    "commands that are text": (metadata("hooks", {"deps": {"bash": "ls"}}), "hooks.deps.bash"),
    "a command with NUL": (metadata("hooks", {"deps": {"bash": ["a\0b"]}}), "hooks.deps.bash[0]"),
    "a very long command": (metadata("hooks", {"deps": {"bash": ["", "x" * 70_000]}}), "hooks.deps.bash[1]"),
    "metadata too deep": (metadata("executor_data", {"python": "/p", "x": deep(300)}), "graph.nodes[0]"),
    "metadata of a large manifest far too deep": (
        lambda document: (
            document.update(unknown="x" * 200_000),
            document["graph"]["nodes"][0]["metadata"]["executor_data"].update(x=deep(850)),
        )[0],
        "graph.nodes[0]",
    ),
    "an unknown field too deep": (top("unknown", deep(300)), "$"),
    "a name that is a number": (top("name", 5), "$.name"),
    "a name of the dispatch with NUL": (top("name", "a\0"), "name"),
    "tags that are text": (top("tags", "abc"), "$.tags"),
    "too many tags": (top("tags", ["x"] * 101), "tags"),
    "a very long tag": (top("tags", ["x", "x" * 201]), "tags[1]"),
    "a tag with NUL": (top("tags", ["\0"]), "tags[0]"),
    "tags of a task that are text": (metadata("tags", "abc"), "$.graph.nodes[0].metadata.tags"),
    "too many tags of a task": (metadata("tags", ["x"] * 101), "graph.nodes[0].metadata.tags"),
    "a tag of a task with NUL": (metadata("tags", ["x", "\0"]), "graph.nodes[0].metadata.tags[1]"),
    "a priority beyond the limit": (top("priority", -1_000_001), "priority"),
    "a priority that is half": (top("priority", 0.5), "$.priority"),
    "a hold that is a number": (top("hold", 1), "$.hold"),
    "a dispatch of nobody's to reuse": (top("reuse", "nothing"), ""),
    "a reuse that is a number": (top("reuse", 1), "$.reuse"),
    "a very long reuse": (top("reuse", "x" * 5000), "reuse"),
    "a redispatch of a text with NUL": (top("redispatch_of", "\0"), "redispatch_of"),
    "a redispatch of a very long text": (top("redispatch_of", "x" * 5000), "redispatch_of"),
    "variables that are a list": (top("env", ["A=1"]), "$.env"),
    "a variable that is a number": (top("env", {"A": 1}), "$.env"),
    **{
        f"the variable {name!r}": (top("env", {name: "x"}), "env")
        for name in ("", "A=B", "A\0", "LD_PRELOAD", "PYTHONPATH", "COVALENT_API_TOKEN", "x" * 5000)
    },
    "a variable with NUL": (top("env", {"A": "x\0"}), "env.A"),
    "variables too long altogether": (top("env", {str(index): "x" * 1000 for index in range(66)}), "env"),
    "another host": (
        first_node("metadata", {"executor": "local", "executor_data": {"python": "/usr/bin/python3", "host": "moon"}}),
        "graph.nodes[0].metadata.executor_data.host",
    ),
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_malformed_manifest_is_refused_with_the_path_of_the_fault(server: Installation, fault: str) -> None:
    change, path = FAULTS[fault]
    document = plain()
    change(document)
    before = count(server)
    answer = send(server, framed(document))
    assert 400 <= answer.status < 500, answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert path in (answer.plain.get("path") or "")
    assert answer.plain["detail"]
    assert count(server) == before


#: Where the records of a manifest are found in one.
PLACES: dict[type, tuple[str | int, ...]] = {
    Manifest: (),
    Client: ("client",),
    LatticeRecord: ("lattice",),
    Graph: ("graph",),
    GraphAttributes: ("graph", "graph"),
    Node: ("graph", "nodes", 0),
    Metadata: ("graph", "nodes", 0, "metadata"),
    Hooks: ("graph", "nodes", 0, "metadata", "hooks"),
    Deps: ("graph", "nodes", 0, "metadata", "hooks", "deps"),
    Link: ("graph", "links", 0),
}
FIELDS = [
    (cls, name)
    for cls in PLACES
    for name, hint in get_type_hints(cls).items()
    if hint is not Any  # a template, or what only its executor understands
]


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=lambda item: item if isinstance(item, str) else item.__name__)
def test_a_field_of_another_type_is_refused_with_its_path(server: Installation, cls: type, name: str) -> None:
    document: Any = plain()
    document |= {"client": {}, "lattice": {"metadata": {}}}
    place = document
    for step in PLACES[cls]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    place[name] = "text" if float in get_args(get_type_hints(cls)[name]) else 5.5
    answer = send(server, framed(document))
    assert answer.status == 400, answer.body
    assert answer.plain["path"].endswith(f".{name}")


def raw(text: bytes) -> bytes:
    return frames.pack(text, [builders.FUNCTION])


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{nope",
    "invalid UTF-8": b'{"graph": "\xff\xfe"}',
    "a hundred thousand lists": b"[" * 100_000,
    "a hundred thousand objects": b'{"graph":' * 100_000,
    "a deep value that is whole": b'{"graph":{"graph":{"output":' + b"[" * 100_000 + b"]" * 100_000 + b"}}}",
    "a deep unknown field": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"graph":{}}',
    "NaN": b'{"protocol": NaN}',
    "an endless integer": b'{"protocol": ' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "NUL": b"\0" * 10,
    "half a surrogate": b'{"requires": ["\\ud800"], "graph": {}}',
    "keys twice": b'{"protocol": 1, "protocol": 2, "graph": {}}',
    "a number": b"1e999",
}


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.parametrize("framing", ["json", "frames"])
def test_a_body_that_is_no_manifest_is_refused(server: Installation, body: str, framing: str) -> None:
    before = count(server)
    content_type = "application/json" if framing == "json" else FRAMES_CONTENT_TYPE
    answer = send(server, BODIES[body] if framing == "json" else raw(BODIES[body]), content_type)
    assert 400 <= answer.status < 500, answer.body
    assert count(server) == before


FRAMES: dict[str, bytes] = {
    "nothing": b"",
    "another magic": b"XXXX" + bytes(20),
    "a short prefix": b"CVF1\0",
    "more blobs than bytes": b"CVF1" + (0).to_bytes(4, "big") + (2**32 - 1).to_bytes(4, "big"),
    "a text beyond the end": b"CVF1" + (2**32 - 1).to_bytes(4, "big") + (0).to_bytes(4, "big"),
    "a blob beyond the end": b"CVF1" + (0).to_bytes(4, "big") + (1).to_bytes(4, "big") + (2**64 - 1).to_bytes(8, "big"),
    "bytes behind the end": frames.pack(b"{}") + b"more",
    "a large asset inline": frames.pack(builders.text(manifest([node(0)])), [builders.asset("x" * 70_000)]),
    "a blob that is no asset": frames.pack(builders.text(manifest([node(0)])), [b"cos\nsystem\n(S'true'\ntR."]),
    "an asset cut short": frames.pack(builders.text(manifest([node(0)])), [builders.FUNCTION[:-1]]),
    "an asset with more behind": frames.pack(builders.text(manifest([node(0)])), [builders.FUNCTION + b"x"]),
    "a header that is no object": frames.pack(
        builders.text(manifest([node(0)])), [b"CVA1" + (2).to_bytes(4, "big") + b"[]"]
    ),
    "a header too deep": frames.pack(
        builders.text(manifest([node(0)])), [b"CVA1" + (100_000).to_bytes(4, "big") + b"[" * 100_000]
    ),
    "a header of a gigabyte": frames.pack(builders.text(manifest([node(0)])), [b"CVA1" + (2**30).to_bytes(4, "big")]),
}


@pytest.mark.parametrize("frame", FRAMES, ids=str)
def test_a_broken_frame_is_refused(server: Installation, frame: str) -> None:
    before = count(server)
    answer = send(server, FRAMES[frame])
    assert 400 <= answer.status < 500, answer.body
    assert count(server) == before


HEADERS: dict[str, dict[str, str]] = {
    "an origin that is no address": {"Origin": "http://["},
    "a key that is no text": {"Idempotency-Key": "\xff"},
    "a key with a tab": {"Idempotency-Key": "a\tb"},
    "a very long key": {"Idempotency-Key": "x" * 300},
    "a compressed body that is none": {"Content-Encoding": "gzip"},
    "an unknown encoding": {"Content-Encoding": "zstd"},
}


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_a_broken_header_is_refused(server: Installation, header: str) -> None:
    before = count(server)
    headers = {"Content-Type": FRAMES_CONTENT_TYPE} | HEADERS[header]
    answer = server.request("POST", DISPATCHES, framed(plain()), headers=headers)
    assert 400 <= answer.status < 500, answer.body
    assert count(server) == before


def test_a_body_beyond_the_limit_is_refused(server: Installation) -> None:
    answer = server.request("POST", DISPATCHES, b"{}", headers={"Content-Length": str(2**40)})
    assert answer.status == 413


def test_good_neighbours_in_the_same_batch_are_unharmed(server: Installation) -> None:
    before = count(server)
    statuses: list[int] = []
    bad = plain()
    bad["inputs"] = "5" * 64
    bodies = [framed(bad) if index % 2 else framed(plain()) for index in range(40)]

    def post(body: bytes) -> None:
        statuses.append(send(server, body).status)

    threads = [threading.Thread(target=post, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] * 20 + [422] * 20
    assert count(server) == before + 20


def test_after_all_that_the_server_is_healthy(server: Installation) -> None:
    assert server.request("GET", "/healthz", token=None).status == 200
    assert "request failed" not in server.log()
