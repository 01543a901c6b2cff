"""Reasons that need rare circumstances, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest

from covalent.status import Status
from covalent_server.core.states import NodeState
from covalent_server.core.waiting import NodeFacts, explain


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
    ],
)
def test_a_reason_says_what_it_is(changes: dict[str, Any], code: str, words: str) -> None:
    known: dict[str, Any] = {"node_id": 3, "node_name": "f", "dispatch_status": Status.RUNNING}
    found = explain(NodeFacts(**(known | changes)), ())
    assert (found.code, str(found).startswith("f(3): ")) == (code, True)
    assert words in found.message
