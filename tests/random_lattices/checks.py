"""What has to hold of every program, in this process: no server, no worker."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

import covalent as ct
from covalent.lattice import Lattice
from tests.random_lattices.description import described
from tests.random_lattices.language import Program
from tests.random_lattices.model import Dispatch, Outcome, dispatched
from tests.random_lattices.script import PLAIN, evaluated, opened, run, with_electrons

_PRELUDE: Final = opened()
_PLAIN: Final = with_electrons(opened(), PLAIN)
_ELECTRONS: Final = with_electrons(_PRELUDE, ct)


def lattice_of(program: Program) -> Lattice[...]:
    """The workflow of a program."""
    made: Lattice[...] = run(str(program), _ELECTRONS)
    return made


def arguments_of(program: Program) -> list[Any]:
    """What it is dispatched with; made anew, since plain Python may change it."""
    return [evaluated(constant.text, _PRELUDE) for constant in program.arguments]


def expected_of(program: Program, replaced: frozenset[str] = frozenset()) -> Dispatch:
    """What the model says of it, when some functions are replaced by others."""
    return dispatched(program, _PRELUDE, replaced)


def plainly(program: Program) -> str:
    """The value that plain Python gives, described."""
    return described(run(str(program), _PLAIN)(*arguments_of(program)))


def check_value(program: Program) -> None:
    """Task by task it gives what plain Python gives, or fails when the model says so."""
    lattice, expected = lattice_of(program), expected_of(program)
    if expected.ended is Outcome.COMPLETED:
        value = described(ct.testing.run(lattice)(*arguments_of(program)))
        assert value == described(expected.result())
    else:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever the failed task raises
            ct.testing.run(lattice)(*arguments_of(program))
        assert any("in the task" in note for note in raised.value.__notes__), raised.value
    if program.flawless:
        assert expected.ended is Outcome.COMPLETED
        assert plainly(program) == described(lattice(*arguments_of(program))) == described(expected.result())


def check_graph(program: Program) -> None:
    """Its graph has the tasks of the model, each linked to those that it takes values from or waits for."""
    lattice, expected = lattice_of(program), expected_of(program)
    lattice.build_graph(*arguments_of(program))
    graph = lattice.transport_graph
    parents: dict[int, set[int]] = {node.id: set() for node in graph.nodes}
    for link in graph.links:
        parents[link.target].add(link.source)
    found = [(node.name, parents[node.id]) for node in graph.nodes]
    assert found == [(task.name, set(task.needs | task.waits)) for task in expected.tasks]


def check_json(program: Program) -> None:
    """Graph and lattice are the same after they were JSON, and the lattice builds the same graph again."""
    lattice = lattice_of(program)
    lattice.build_graph(*arguments_of(program))
    graph = lattice.transport_graph
    text = graph.serialize_to_json()
    assert ct.TransportGraph.deserialize_from_json(text) == graph
    assert ct.TransportGraph.deserialize_from_json(text).serialize_to_json() == text

    whole = lattice.serialize_to_json()
    back: Lattice[...] = ct.Lattice.deserialize_from_json(json.dumps(json.loads(whole)))
    assert back.serialize_to_json() == whole
    assert back.transport_graph == graph
    assert back.inputs == lattice.inputs

    back.build_graph(*arguments_of(program))
    again = back.transport_graph
    assert [(node.name, node.kind) for node in again.nodes] == [(node.name, node.kind) for node in graph.nodes]
    assert again.links == graph.links
