"""Reasons that need rare circumstances, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest

from covalent.status import Status
from covalent.wire.limits import LimitKind
from covalent_server.core.states import NodeState
from covalent_server.core.waiting import FullLimit, NodeFacts, WorkerFacts, explain


@pytest.mark.parametrize("state", NodeState)
def test_every_state_has_a_reason(state: NodeState) -> None:
    facts = NodeFacts(node_id=3, node_name="f", state=state, dispatch_status=Status.RUNNING)
    assert explain(facts, ()).message


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"state": NodeState.DISPATCHING, "child": "it"}, "sublattice", "the dispatch it, which has not ended"),
        ({"state": NodeState.DISPATCHING}, "sublattice", "is being made"),
        (
            {"state": NodeState.LEFT_TO_CLIENT, "dispatch_status": Status.PENDING_POSTPROCESSING},
            "client",
            "post_process()",
        ),
        ({"state": NodeState.WAITING, "parents": (1, 2), "remaining": 9}, "nodes", "nodes 1, 2 and 7 others"),
        ({"state": NodeState.LEASED, "worker": "w", "host": "h"}, "unreachable", "worker w on h holds it"),
        (
            {"state": NodeState.READY, "executor": "dask", "place": "tcp://h:1"},
            "no-worker",
            "no bridge leads to the Dask cluster at tcp://h:1",
        ),
    ],
)
def test_a_reason_says_what_it_is(changes: dict[str, Any], code: str, words: str) -> None:
    known: dict[str, Any] = {"node_id": 3, "node_name": "f", "dispatch_status": Status.RUNNING}
    found = explain(NodeFacts(**(known | changes)), ())
    assert (found.code, str(found).startswith("f(3): ")) == (code, True)
    assert words in found.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": NodeState.RUNNING}, "w may begin it since an unknown time, once and for all"),
        ({"state": NodeState.LEASED}, "asks to begin it when a slot is free"),
        ({"state": NodeState.RUNNING, "worker": "gone"}, "the node has failed then, because it has at_most_once=True"),
        ({"state": NodeState.LEASED, "worker": "gone"}, "the node goes on with another worker"),
    ],
)
def test_of_what_is_never_begun_twice_nothing_is_said_that_is_not_known(changes: dict[str, Any], words: str) -> None:
    known: dict[str, Any] = {"node_id": 3, "node_name": "f", "dispatch_status": Status.RUNNING, "worker": "w"}
    facts = NodeFacts(**(known | changes), at_most_once=True)
    assert words in explain(facts, [WorkerFacts(worker="w")]).message


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (
            FullLimit(kind=LimitKind.TAG, name="vasp", slots=3, held=3, holders=(("d", 1), ("d", 2), ("e", 0))),
            (
                "the limit of the tag 'vasp' is full: 3 of 3, held by nodes 1, 2 of the dispatch d and node 0 of the "
                "dispatch e; wait, or let more run at a time: covalent limit set NAME SLOTS"
            ),
        ),
        (
            FullLimit(kind=LimitKind.EXECUTOR, name="slurm", slots=1, held=2, holders=(("d", 1),)),
            (
                "the limit of the executor 'slurm' is full: 2 of 1, held by node 1 of the dispatch d and 1 more; wait, "
                "or let more run at a time: covalent limit set NAME SLOTS --executor"
            ),
        ),
        (
            FullLimit(kind=LimitKind.TAG, name="none", slots=0, held=0),
            (
                "the limit of the tag 'none' is full: 0 of 0; wait, or let more run at a time: covalent limit set "
                "NAME SLOTS"
            ),
        ),
    ],
)
def test_a_full_limit_is_named_with_those_who_hold_it(limit: FullLimit, words: str) -> None:
    facts = NodeFacts(node_id=3, node_name="f", state=NodeState.READY, dispatch_status=Status.RUNNING, limit=limit)
    found = explain(facts, [WorkerFacts(worker="w")])
    assert (found.code, found.limit, found.message) == ("limit", limit.name, words)
