"""A whole dispatch is cancelled as if each of its nodes were, however that is done."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from covalent.wire import places
from covalent.wire.manifest import Kind, Manifest, Node
from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.core.states import NodeState
from covalent_server.db import Session, assets, dispatches, ending, work
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest, node, take
from tests.databases import Databases
from tests.integration.db.conftest import opened
from tests.integration.engine.conftest import OWNER, submission


def tried(number: int, **metadata: Any) -> Node:
    made = node(number)
    return replace(made, metadata=replace(made.metadata, **metadata))


def every_state() -> Manifest:
    """A graph whose nodes can be brought into any state; see :func:`brought`."""
    last = node(10, {"list": [take(1), take(8)]}, kind=Kind.COLLECT, executor="client")
    return manifest(
        [
            *(node(0), node(1), node(2)),
            tried(3, retries=1, retry_delay=60.0),
            replace(node(4), kind=Kind.SUBLATTICE),
            tried(5, retries=1),
            *(node(6), node(7, take(6)), node(8, take(1)), node(9)),
            last,
        ]
    )


def brought(session: Session) -> None:
    """A dispatch with a node in every state."""
    new = replace(prepare(submission(every_state()), Machine(host=places.host_identity())), id="dispatch")
    begun = dispatches.begin(session, new, 1.0)
    dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
    dispatches.add_links(session, begun, new, 0, len(new.links))
    dispatches.release(session, begun, new, 1.0)
    value = builders.asset("value")
    stored = assets.NewAsset(digest=builders.digest(value), size=len(value), preview="{}", data=value)

    def key(number: int) -> LeaseKey:
        return LeaseKey(node=begun.first + number, attempt=1, token="")

    def ended(number: int, outcome: Outcome) -> Completion:
        return Completion(key=key(number), outcome=outcome, output=stored.digest, error="no")

    report = work.Report(worker="w", owner=OWNER, pool=1, want=8)
    work.report(session, report, 2.0)
    report = work.Report(
        worker="w",
        owner=OWNER,
        pool=1,
        want=0,
        assets=[stored],
        started=[key(2)],
        preparing=[key(9)],
        completions=[
            ended(0, Outcome.COMPLETED),
            ended(3, Outcome.FAILED),
            ended(4, Outcome.COMPLETED),
            ended(5, Outcome.TIMED_OUT),
            ended(6, Outcome.FAILED),
        ],
    )
    work.report(session, report, 3.0)


def rows(session: Session, table: str) -> list[tuple[Any, ...]]:
    found = session.exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608 - a name of ours
    return sorted((tuple(row)[table == "event" :] for row in found), key=repr)


def test_both_ways_of_cancelling_give_the_same_database(databases: Databases) -> None:
    found = []
    for numbers in (None, range(11)):
        with databases.migrated() as url, opened(url) as do:
            do(brought)
            states = {row[0] for row in do(lambda session: session.exec_driver_sql("SELECT state FROM node").all())}
            assert states == set(NodeState) - {NodeState.CANCELLED}
            effects = do(partial(ending.cancel, owner=OWNER, dispatch_id="dispatch", numbers=numbers, now=4.0))
            tables = do(lambda session: [rows(session, table) for table in ("node", "dispatch", "event")])
            found.append((effects, tables))
    assert found[0] == found[1]
