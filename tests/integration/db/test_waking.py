"""Nodes that wait for their time."""

from __future__ import annotations

from functools import partial

import pytest

from covalent_server.core.states import NodeState
from covalent_server.db import Session, waking
from covalent_server.db.tables import node
from tests.integration.db.conftest import Do
from tests.integration.db.test_events import failed
from tests.integration.db.test_owners import leased, submitted


def states(session: Session) -> list[NodeState]:
    return [NodeState(row.state) for row in session.execute(node.select().order_by(node.c.key))]


def delayed(session: Session, policies: list[str]) -> None:
    for key, policy in enumerate(policies, start=1):
        session.execute(node.update().where(node.c.key == key).values(policy=policy))


@pytest.mark.parametrize("first", [0, 1])
def test_a_retry_is_let_go_when_its_time_has_come_and_no_earlier(do: Do, first: int) -> None:
    pauses = [100.0, 1000.0]
    for _ in pauses:
        do(submitted)
    policies = [f'{{"retries": 1, "retry_delay": {pause}}}' for pause in (pauses if first == 0 else pauses[::-1])]
    do(partial(delayed, policies=policies))
    for key in (do(leased), do(leased)):
        do(partial(failed, key=key))
    assert do(states) == [NodeState.DELAYED, NodeState.DELAYED]
    # It failed at 3; chance lengthens a pause by a quarter at most.
    for now, awake in ((3.0, 0), (102.0, 0), (129.0, 1), (1002.0, 1), (1254.0, 2)):
        assert do(partial(waking.any_due, now=now)) == (awake > do(states).count(NodeState.READY))
        do(partial(waking.wake, now=now))
        assert do(states).count(NodeState.READY) == awake
    assert not do(partial(waking.any_due, now=1e9))
