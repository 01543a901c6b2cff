"""A workflow evaluated in this process from its graph and assets alone, as workers would do it together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import covalent as ct
from covalent.graph import TransportGraph
from covalent.hooks import settled
from covalent.lattice import Lattice
from covalent.transportable import TransportableObject


def built(workflow: Callable[..., Any], *args: Any, **kwargs: Any) -> Lattice[...]:
    """A lattice of a function, with its graph."""
    lattice = workflow if isinstance(workflow, Lattice) else ct.lattice(workflow)
    lattice.build_graph(*args, **kwargs)
    return lattice


def graph_of(workflow: Callable[..., Any], *args: Any, **kwargs: Any) -> TransportGraph:
    return built(workflow, *args, **kwargs).transport_graph


def evaluated(workflow: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The value of a workflow, worked out node by node."""
    graph = graph_of(workflow, *args, **kwargs)
    return evaluate(graph, {digest: asset.serialize() for digest, asset in graph.assets.items()})


def evaluate(graph: TransportGraph, assets: Mapping[str, bytes]) -> Any:
    outputs: dict[int, bytes] = {}
    for node in TransportGraph.deserialize_from_json(graph.serialize_to_json()).nodes:
        function = TransportableObject.deserialize(assets[node.function]).get_deserialized()
        args = [_value(item, outputs, assets) for item in node.args]
        kwargs = {name: _value(item, outputs, assets) for name, item in node.kwargs.items()}
        outputs[node.id] = TransportableObject(settled(function(*args, **kwargs))).serialize()
    return _value(graph.output, outputs, assets)


def _value(template: Any, outputs: Mapping[int, bytes], assets: Mapping[str, bytes]) -> Any:
    if "value" in template:
        return template["value"]
    if "asset" in template:
        return TransportableObject.deserialize(assets[template["asset"]]).get_deserialized()
    if "node" in template:
        value = TransportableObject.deserialize(outputs[template["node"]]).get_deserialized()
        for step in template.get("path", []):
            value = _step(value, step, outputs, assets)
        return value
    ((kind, content),) = template.items()
    if kind == "dict":
        return {_value(key, outputs, assets): _value(item, outputs, assets) for key, item in content}
    return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](
        _value(item, outputs, assets) for item in content
    )


def _step(value: Any, step: list[Any], outputs: Mapping[int, bytes], assets: Mapping[str, bytes]) -> Any:
    match step:
        case ["attr", name]:
            return getattr(value, name)
        case ["item", dict() as key]:
            return value[_value(key, outputs, assets)]
        case ["item", key]:
            return value[key]
        case ["unpack", index, count]:
            items = list(value)
            assert len(items) == count
            return items[index]
    raise AssertionError(step)
