"""Manifests and assets made by hand, without the SDK's tracing, for tests of the server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from covalent.wire import codec, container
from covalent.wire.links import order, pairs
from covalent.wire.manifest import Graph, GraphAttributes, Link, Manifest, Metadata, Node
from covalent.wire.places import host_identity


def asset(value: Any, *, object_string: str | None = None) -> bytes:
    """A small asset in the ``json`` codec."""
    text = json.dumps(value).encode()
    shown = str(value) if object_string is None else object_string
    header = container.Header(
        codec="json", type_name=type(value).__name__, object_string=shown, json=text.decode(), sizes=(len(text),)
    )
    return b"".join(bytes(chunk) for chunk in container.pack(header, [text]))


def value_of(data: bytes | memoryview) -> Any:
    """What :func:`asset` wrote."""
    header = container.read_header(data)
    ((start, end),) = container.part_spans(data, header)
    return json.loads(bytes(data[start:end]))


def digest(data: bytes) -> str:
    return container.digest([data])


FUNCTION = asset("a function")


def node(number: int, *args: Any, name: str = "task", executor: str = "local", **changes: Any) -> Node:
    """A node whose positional arguments are templates."""
    python = "/nowhere/python3"
    metadata = Metadata(executor=executor, executor_data={"python": python, "host": host_identity()})
    return replace(Node(id=number, name=name, function=digest(FUNCTION), args=args, metadata=metadata), **changes)


def take(number: int) -> dict[str, Any]:
    """The template of a node's whole output."""
    return {"node": number}


def manifest(nodes: Sequence[Node], *, output: Any = None, waits: Sequence[tuple[int, int]] = ()) -> Manifest:
    """A manifest whose links fit its nodes; its value is the last node's output unless told otherwise."""
    links = [
        Link(source=source, target=target, edge_name="x", param_type="arg", arg_index=0)
        for item in nodes
        for source, target in sorted(pairs(item))
    ]
    links += [Link(source=source, target=target, param_type="wait") for source, target in waits]
    attributes = GraphAttributes(name="workflow", output=take(nodes[-1].id) if output is None else output)
    return Manifest(graph=Graph(graph=attributes, nodes=tuple(nodes), links=tuple(sorted(links, key=order))))


def text(made: Manifest) -> bytes:
    return codec.dumps(made)
