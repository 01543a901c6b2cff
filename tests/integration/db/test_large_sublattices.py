"""A large sublattice is written in pieces, and other transactions come in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from covalent.status import Status
from covalent.wire import places
from covalent.wire.manifest import Kind, Manifest
from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.core.errors import ObsoleteSublatticeError
from covalent_server.core.states import NodeState
from covalent_server.db import Session, assets, dispatches, ending, reads, waking, work
from covalent_server.db.dispatches import Begun, NewDispatch
from covalent_server.db.tables import dispatch, node
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest, take
from tests.integration.db.conftest import Do
from tests.integration.engine.conftest import OWNER, submission

OUTER = manifest([builders.node(0, kind=Kind.SUBLATTICE), builders.node(1, take(0))])
INNER = manifest([builders.node(0), builders.node(1), builders.node(2, take(0)), builders.node(3, take(1))])


def prepared(made: Manifest, **changes: Any) -> NewDispatch:
    return prepare(replace(submission(made), **changes), Machine(host=places.host_identity()))


def whole(session: Session, new: NewDispatch) -> Begun:
    begun = dispatches.begin(session, new, 1.0)
    dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
    dispatches.add_links(session, begun, new, 0, len(new.links))
    dispatches.release(session, begun, new, 1.0)
    return begun


@pytest.fixture
def outer(do: Do) -> str:
    """A dispatch whose first node has been built and waits for its sublattice."""
    new = prepared(OUTER)
    begun: Begun = do(lambda session: whole(session, new))
    value = builders.asset("a manifest")
    stored = assets.NewAsset(digest=builders.digest(value), size=len(value), preview="{}", data=value)
    do(lambda session: work.report(session, work.Report(worker="w", owner=OWNER, pool=1, want=1), 1.0))
    completion = Completion(
        key=LeaseKey(node=begun.first, attempt=1, token=""), outcome=Outcome.COMPLETED, output=stored.digest
    )
    report = work.Report(worker="w", owner=OWNER, pool=1, want=0, assets=[stored], completions=[completion])
    do(lambda session: work.report(session, report, 1.0))
    assert len(do(lambda session: waking.unborn(session, 0, 9))) == 1
    return begun.id


def states(do: Do) -> set[str]:
    return set(do(lambda session: session.execute(select(node.c.state)).scalars().all()))


@pytest.mark.parametrize("written", range(4))
def test_a_sublattice_whose_node_is_cancelled_while_it_is_written_never_starts(
    do: Do, outer: str, written: int
) -> None:
    child = prepared(INNER, parent=(1, 1))
    begun: Begun = do(lambda session: dispatches.begin(session, child, 2.0))
    steps: list[Callable[[Session], Any]] = [
        lambda session: dispatches.add_nodes(session, begun, child, 0, 2),
        lambda session: dispatches.add_nodes(session, begun, child, 2, 4),
        lambda session: dispatches.add_links(session, begun, child, 0, 2),
    ]
    for step in steps[:written]:
        do(step)
    effects = do(lambda session: ending.cancel(session, OWNER, outer, None, 3.0))
    assert effects.ended == {outer}
    for step in steps[written:]:
        do(step)
    with pytest.raises(ObsoleteSublatticeError):
        do(lambda session: dispatches.release(session, begun, child, 4.0))
    do(lambda session: dispatches.discard(session, begun))
    assert do(lambda session: session.execute(select(dispatch.c.id)).scalars().all()) == [outer]
    assert states(do) == {NodeState.CANCELLED}
    assert do(lambda session: reads.dispatch_record(session, OWNER, outer)).status is Status.CANCELLED
