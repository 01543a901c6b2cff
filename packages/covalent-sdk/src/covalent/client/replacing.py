"""Other electrons in the place of those of a graph; nothing of what stays is opened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from covalent.electron import Build, Electron
from covalent.errors import ArgumentsError, GraphError
from covalent.graph import TransportGraph
from covalent.lattice import Lattice
from covalent.wire.manifest import Graph, Kind, Node

Replacements = Mapping[str, Electron[..., Any]]


def checked(given: Mapping[str, Callable[..., Any]] | None) -> Replacements:
    """The electrons that a user gave for ``replace_electrons``; functions and lattices become electrons."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(
            "replace_electrons is a dict of electrons by the names of those that they replace, "
            f"such as {{'fit': better_fit}}, not {given!r}"
        )
    for name, new in given.items():
        if not isinstance(name, str):
            raise TypeError(f"replace_electrons names electrons by text, as in {{'fit': better_fit}}, not by {name!r}")
        if not callable(new):
            raise TypeError(f"replace_electrons[{name!r}] is an electron, or a function to make one of, not {new!r}")
    return {name: getattr(new, "electron_object", None) or Electron(new) for name, new in given.items()}


def replace_electrons(graph: TransportGraph, replacements: Replacements, lattice: Lattice[...]) -> frozenset[int]:
    """Put other electrons where a graph has some of these names; returns the numbers of the changed nodes.

    A changed node keeps its name, its arguments and its place. Whatever else it is comes from the new electron, and
    from the lattice where that says nothing. Raises GraphError for a name that the graph does not have, and
    ArgumentsError when a new function does not take the arguments of a node.
    """
    if not replacements:
        return frozenset()
    nodes = [node for node in graph.nodes if node.name in replacements and not node.kind.postprocesses]
    _check_found(graph, replacements, {node.name for node in nodes})
    build = Build(graph.name, lattice.defaults, graph)
    names = {node.id: _accepting(build, node, replacements[node.name]) for node in nodes}
    graph.replace_nodes([_replaced(build, node, replacements[node.name]) for node in nodes], names)
    return frozenset(names)


def _accepting(build: Build, node: Node, new: Electron[..., Any]) -> list[str]:
    try:
        return build.accepting(new, node.args, node.kwargs)
    except ArgumentsError as error:
        raise ArgumentsError(f"{node.name}({node.id}) cannot be replaced by {new.name}: {error}") from None


def _replaced(build: Build, node: Node, new: Electron[..., Any]) -> Node:
    kind, function, metadata = build.declared(new)
    return replace(node, kind=kind, function=function, function_id="", metadata=metadata)


def carry_over(graph: TransportGraph, original: Graph, names: Collection[str]) -> frozenset[int]:
    """Put the electrons that an original graph has for some names into another; returns the numbers of those nodes."""
    by_name = {node.name: node for node in original.nodes if node.name in names and not node.kind.postprocesses}
    carried = [
        replace(node, kind=old.kind, function=old.function, function_id=old.function_id, metadata=old.metadata)
        for node in graph.nodes
        if (old := by_name.get(node.name)) is not None and not node.kind.postprocesses
    ]
    graph.replace_nodes(carried)
    return frozenset(node.id for node in carried)


def _check_found(graph: TransportGraph, replacements: Replacements, found: set[str]) -> None:
    missing = [name for name in replacements if name not in found]
    if not missing:
        return
    there = sorted({node.name for node in graph.nodes if not node.kind.postprocesses})
    sublattices = sorted({node.name for node in graph.nodes if node.kind is Kind.SUBLATTICE})
    inside = (
        f"; electrons inside a sublattice ({', '.join(sublattices)}) are replaced by replacing the whole sublattice"
        if sublattices
        else ""
    )
    raise GraphError(
        f"the workflow {graph.name} has no electron {', '.join(map(repr, missing))} to replace; "
        f"it has: {', '.join(there) or 'none'}{inside}"
    )
