"""Dispatches take turns for a pool's workers, however many nodes each of them has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from covalent.wire import places
from covalent.wire.manifest import Kind, Manifest
from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.core.turns import Turn
from covalent_server.db import Session, assets, dispatches, turns, waking, work
from covalent_server.db.tables import dispatch, node
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest
from tests.databases import SqliteDatabases
from tests.integration.db.conftest import Do, opened
from tests.integration.engine.conftest import OWNER, submission

VALUE = builders.asset("value")
STORED = assets.NewAsset(digest=builders.digest(VALUE), size=len(VALUE), preview="{}", data=VALUE)
LARGE = 20_000


def fan(count: int) -> Manifest:
    return manifest([builders.node(number) for number in range(count)])


def write(made: Manifest, session: Session, **changes: Any) -> str:
    new = prepare(replace(submission(made), **changes), Machine(host=places.host_identity()))
    begun = dispatches.begin(session, new, 1.0)
    dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
    dispatches.add_links(session, begun, new, 0, len(new.links))
    dispatches.release(session, begun, new, 1.0)
    return new.id


def dispatched(do: Do, made: Manifest, **changes: Any) -> str:
    return str(do(partial(write, made, **changes)))


def poll(do: Do, want: int, after: Turn | None = None, **fields: Any) -> work.ReportOutcome:
    report = work.Report(worker="w0", owner=OWNER, pool=1, want=want, after=after, **fields)
    outcome: work.ReportOutcome = do(partial(work.report, incoming=report, now=2.0))
    return outcome


def shares(outcome: work.ReportOutcome) -> Counter[str]:
    return Counter(leased.root_dispatch_id for leased in outcome.leased)


@pytest.mark.parametrize("want", [1, 64])
def test_a_single_task_goes_next_whatever_number_of_others_waits(do: Do, want: int) -> None:
    large = dispatched(do, fan(LARGE))
    first = poll(do, want)
    assert shares(first) == {large: want}
    single = dispatched(do, fan(1))
    second = poll(do, want, first.turn or Turn(rank=0, root=1, given=1))
    assert shares(second)[single] == 1
    assert sum(shares(second).values()) == want


def test_fifty_dispatches_share_equally(do: Do) -> None:
    ids = {dispatched(do, fan(40)) for _ in range(50)}
    total: Counter[str] = Counter()
    turn = None
    for _ in range(20):
        outcome = poll(do, 33, turn)
        turn = outcome.turn
        assert sum(shares(outcome).values()) == 33
        total += shares(outcome)
        assert max(total[item] for item in ids) - min(total[item] for item in ids) <= 1


def test_everybodys_turn_comes_also_when_one_task_is_asked_for_at_a_time(do: Do) -> None:
    ids = {dispatched(do, fan(2)) for _ in range(20)}
    given: list[str] = []
    turn = None
    for _ in range(2 * len(ids)):
        outcome = poll(do, 1, turn)
        turn = outcome.turn
        given += shares(outcome)
    assert set(given[:20]) == set(given[20:]) == ids


def test_what_some_have_less_than_their_share_of_goes_to_others(do: Do) -> None:
    few = [dispatched(do, fan(2)) for _ in range(5)]
    large = dispatched(do, fan(100))
    assert shares(poll(do, 60)) == {**dict.fromkeys(few, 2), large: 50}


def test_sublattices_have_their_turns_with_their_dispatch(do: Do) -> None:
    nested = manifest([builders.node(number, kind=Kind.SUBLATTICE) for number in range(20)])
    parent = dispatched(do, nested)
    for leased in poll(do, 20).leased:
        key = LeaseKey(node=leased.key, attempt=leased.attempt, token="")
        done = Completion(key=key, outcome=Outcome.COMPLETED, output=STORED.digest)
        poll(do, 0, completions=[done], assets=[STORED])
    unborn = do(partial(waking.unborn, after=0, limit=100))
    for item in unborn:
        dispatched(do, fan(5), parent=(item.node, item.attempt), idempotency_key=f"§{item.node}", body_digest="")
    assert len(unborn) == 20
    other = dispatched(do, fan(50))
    assert shares(poll(do, 40)) == {parent: 20, other: 20}
    roots = do(lambda session: {row.root for row in session.execute(select(node.c.root))})
    known = do(lambda session: dict(session.execute(select(dispatch.c.id, dispatch.c.key)).all()))
    assert roots == {known[parent], known[other]}


def test_a_higher_priority_gets_more_and_not_all(do: Do) -> None:
    low = dispatched(do, fan(1000))
    high = dispatched(do, replace(fan(1000), priority=4))
    assert shares(poll(do, 60)) == {high: 50, low: 10}


def test_a_worker_that_lacks_a_feature_gets_what_is_behind_many_others(do: Do) -> None:
    for _ in range(200):
        dispatched(do, replace(fan(2), requires=("variables",)))
    able = [dispatched(do, fan(3)) for _ in range(2)]
    outcome = poll(do, 4, lacks=frozenset({"variables"}))
    assert shares(outcome) == dict.fromkeys(able, 2)


def steps(session: Session, doing: Callable[[Session], Any]) -> int:
    """How far SQLite's machine runs meanwhile."""
    driver: Any = session.connection.driver_connection
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    driver.set_progress_handler(count, 100)
    try:
        doing(session)
    finally:
        driver.set_progress_handler(None, 0)
    return counted


def look(session: Session) -> None:
    turns.following(session, turns.Wanted(owner=OWNER, pool=1, want=16))


def test_a_look_finds_many_dispatches_by_one_step_each(sqlite_databases: SqliteDatabases) -> None:
    """Told by how far SQLite's machine runs: as far for dispatches of five hundred nodes as for those of two."""
    counted = []
    for size in (2, 500):
        with sqlite_databases.migrated() as url, opened(url) as do:
            for _ in range(40):
                dispatched(do, fan(size))
            counted.append(do(partial(steps, doing=look)))
    assert counted[1] <= 1.5 * counted[0]
