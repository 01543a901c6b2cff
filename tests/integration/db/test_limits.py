"""Limits on a database: never exceeded, never leaked, kept, and let go of at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from covalent.wire import places
from covalent.wire.limits import Limit, LimitKind, LimitName
from covalent.wire.manifest import Kind, Manifest, Node
from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.core.errors import UnknownLimitError, UnknownNodeError
from covalent_server.core.events import LeaseEnd
from covalent_server.core.states import NodeState
from covalent_server.db import Session, dispatches, ending, identity, limits, waking, work
from covalent_server.db.moves import Effects
from covalent_server.db.tables import dispatch, node, pool
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest
from tests.databases import SqliteDatabases
from tests.integration.db.conftest import Do, opened
from tests.integration.db.test_turns import STORED, dispatched, steps, write
from tests.integration.engine.conftest import OWNER, submission

VASP = LimitName(name="vasp")


def tagged(number: int, *tags: str, executor: str = "local", **changes: Any) -> Node:
    made = builders.node(number, executor=executor, **changes)
    return replace(made, metadata=replace(made.metadata, tags=tags or None))


def fan(count: int, *tags: str, executor: str = "local") -> Manifest:
    return manifest([tagged(number, *tags, executor=executor) for number in range(count)])


def put(do: Do, name: str, slots: int, kind: LimitKind = LimitKind.TAG) -> Effects:
    effects: Effects = do(partial(limits.put, owner=OWNER, limit=Limit(kind=kind, name=name, slots=slots)))
    return effects


def poll(do: Do, want: int, number: int = 1, **fields: Any) -> work.ReportOutcome:
    report = work.Report(worker="w0", owner=OWNER, pool=number, want=want, **fields)
    outcome: work.ReportOutcome = do(partial(work.report, incoming=report, now=2.0))
    return outcome


def key_of(leased: work.LeasedNode) -> LeaseKey:
    return LeaseKey(node=leased.key, attempt=leased.attempt, token="")


def ended(do: Do, leased: Sequence[work.LeasedNode], outcome: Outcome = Outcome.COMPLETED) -> Effects:
    completions = [Completion(key=key_of(item), outcome=outcome, output=STORED.digest, error="no") for item in leased]
    return poll(do, 0, completions=completions, assets=[STORED]).effects


def held(do: Do) -> dict[str, int]:
    return {item.name: item.held for item in do(partial(limits.records, owner=OWNER))}


def test_so_many_are_out_and_no_more(do: Do) -> None:
    put(do, "vasp", 4)
    dispatched(do, fan(10, "vasp"))
    first = poll(do, 64).leased
    assert len(first) == 4
    assert poll(do, 64).leased == []
    assert held(do) == {"vasp": 4}
    ended(do, first[:3])
    assert len(poll(do, 64).leased) == 3


def test_who_ends_tasks_is_given_others_in_the_same_poll(do: Do) -> None:
    put(do, "vasp", 4)
    dispatched(do, fan(10, "vasp"))
    first = poll(do, 64).leased
    completions = [Completion(key=key_of(item), outcome=Outcome.COMPLETED, output=STORED.digest) for item in first]
    assert len(poll(do, 64, completions=completions, assets=[STORED]).leased) == 4


def test_two_polls_in_one_transaction_do_not_exceed_it(do: Do) -> None:
    put(do, "vasp", 4)
    dispatched(do, fan(10, "vasp"))
    report = work.Report(worker="w0", owner=OWNER, pool=1, want=3)
    given = do(lambda session: [len(work.report(session, report, 2.0).leased) for _ in range(3)])
    assert given == [3, 1, 0]


def test_others_pass_by(do: Do) -> None:
    put(do, "vasp", 1)
    dispatched(do, fan(10, "vasp"))
    other = dispatched(do, fan(3))
    leased = poll(do, 64).leased
    assert Counter(item.dispatch_id == other for item in leased) == {True: 3, False: 1}


def test_a_node_falls_under_the_limit_of_each_of_its_tags_and_of_its_executor(do: Do) -> None:
    put(do, "a", 3)
    put(do, "b", 2)
    put(do, "local", 4, LimitKind.EXECUTOR)
    dispatched(do, manifest([*(tagged(n, "a", "b") for n in range(5)), *(tagged(n, "a") for n in range(5, 9))]))
    dispatched(do, fan(9))
    assert len(poll(do, 64).leased) == 4
    records = do(partial(limits.records, owner=OWNER))
    assert [(item.kind, item.name, item.slots) for item in records] == [
        ("executor", "local", 4),
        ("tag", "a", 3),
        ("tag", "b", 2),
    ]
    assert records[0].held == 4
    assert records[1].held <= 3
    assert records[2].held <= 2


@pytest.mark.parametrize("how", list(LeaseEnd))
def test_a_lost_lease_holds_nothing(do: Do, how: LeaseEnd) -> None:
    put(do, "vasp", 2)
    dispatched(do, fan(9, "vasp"))
    out = [(item.key, item.attempt) for item in poll(do, 9).leased]
    effects = do(partial(work.end_leases, leases=out, how=how, now=3.0))
    assert effects.pools == {1}
    assert held(do) == {"vasp": 0}
    assert len(poll(do, 9).leased) == 2


def test_a_cancelled_dispatch_holds_nothing(do: Do) -> None:
    put(do, "vasp", 2)
    first = dispatched(do, fan(9, "vasp"))
    poll(do, 9)
    second = dispatched(do, fan(9, "vasp"))
    effects = do(partial(ending.cancel, owner=OWNER, dispatch_id=first, numbers=None, now=3.0))
    assert effects.pools == {1}
    assert {item.dispatch_id for item in poll(do, 9).leased} == {second}


def test_a_retry_holds_nothing_while_it_waits(do: Do) -> None:
    put(do, "vasp", 1)
    made = tagged(0, "vasp")
    made = replace(made, metadata=replace(made.metadata, retries=1, retry_delay=1000.0))
    dispatched(do, manifest([made, tagged(1, "vasp")]))
    assert ended(do, poll(do, 9).leased, Outcome.FAILED).pools == {1}
    assert [item.number for item in poll(do, 9).leased] == [1]


def test_a_sublattice_holds_a_place_only_while_it_is_built(do: Do) -> None:
    """Else it would wait for ever for tasks of its own that fall under the same limit."""
    put(do, "vasp", 1)
    parent = dispatched(do, manifest([tagged(0, "vasp", kind=Kind.SUBLATTICE)]))
    ended(do, poll(do, 9).leased)
    assert held(do) == {"vasp": 0}
    (item,) = do(partial(waking.unborn, after=0, limit=9))
    dispatched(do, fan(3, "vasp"), parent=(item.node, item.attempt), idempotency_key="§1", body_digest="")
    (inner,) = poll(do, 9).leased
    assert (inner.root_dispatch_id, inner.dispatch_id != parent) == (parent, True)


def test_what_looks_at_a_directory_falls_under_no_limit(do: Do) -> None:
    put(do, "local", 0, LimitKind.EXECUTOR)
    do(partial(observe, made=fan(1)))
    assert len(poll(do, 9).leased) == 1


def observe(session: Session, made: Manifest) -> None:
    new = replace(prepare(submission(made), Machine(host=places.host_identity())), observes=1)
    begun = dispatches.begin(session, new, 1.0)
    dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
    dispatches.release(session, begun, new, 1.0)


def test_a_limit_counts_for_what_was_there_before_it(do: Do) -> None:
    dispatched(do, fan(9, "vasp"))
    first = poll(do, 3).leased
    put(do, "vasp", 4)
    assert held(do) == {"vasp": 3}
    assert len(poll(do, 9).leased) == 1
    ended(do, first)
    assert len(poll(do, 9).leased) == 3


def test_a_limit_goes_by_the_whole_tag(do: Do) -> None:
    dispatched(do, fan(2, "vasp-gpu", 'qu"ote%', "VASP"))
    put(do, "vasp", 0)
    put(do, "gpu", 0)
    put(do, "%", 0)
    assert len(poll(do, 9).leased) == 2


@pytest.mark.parametrize("name", ['qu"ote%', "größe", "a\\b", "_"])
def test_any_word_may_be_a_tag(do: Do, name: str) -> None:
    before = dispatched(do, fan(2, name))
    put(do, name, 1)
    dispatched(do, fan(2, name))
    assert [item.dispatch_id for item in poll(do, 9).leased] == [before]


def test_a_limit_that_is_lowered_stops_further_ones_only(do: Do) -> None:
    put(do, "vasp", 4)
    dispatched(do, fan(9, "vasp"))
    out = poll(do, 9).leased
    put(do, "vasp", 1)
    assert held(do) == {"vasp": 4}
    ended(do, out[:3])
    assert poll(do, 9).leased == []
    ended(do, out[3:])
    assert len(poll(do, 9).leased) == 1


def test_raising_and_removing_a_limit_wakes_those_who_wait(do: Do) -> None:
    put(do, "vasp", 1)
    dispatched(do, fan(9, "vasp"))
    poll(do, 9)
    assert put(do, "vasp", 2).pools == {1}
    assert len(poll(do, 9).leased) == 1
    effects = do(partial(limits.remove, owner=OWNER, which=VASP))
    assert effects.pools == {1}
    assert len(poll(do, 9).leased) == 7
    with pytest.raises(UnknownLimitError, match="no limit 'vasp'"):
        do(partial(limits.remove, owner=OWNER, which=VASP))


def test_a_limit_that_is_set_again_counts_for_what_came_meanwhile(do: Do) -> None:
    put(do, "vasp", 1)
    dispatched(do, fan(2, "vasp"))
    do(partial(limits.remove, owner=OWNER, which=VASP))
    dispatched(do, fan(2, "vasp"))
    put(do, "vasp", 3)
    assert len(poll(do, 9).leased) == 3


def test_a_place_that_falls_free_wakes_the_other_pools_that_wait_for_it(do: Do) -> None:
    put(do, "vasp", 1)
    dispatched(do, fan(2, "vasp"))
    dispatched(do, fan(2, "vasp", executor="slurm"))
    dispatched(do, fan(2, executor="elsewhere"))
    out = poll(do, 9).leased
    assert poll(do, 9, 2).leased == []
    assert ended(do, out).pools == {1, 2}
    assert len(poll(do, 9, 2).leased) == 1


def test_who_ends_a_task_lets_those_go_first_who_wait_for_its_limit_in_other_pools(do: Do) -> None:
    put(do, "vasp", 1)
    dispatched(do, fan(100, "vasp"))
    single = dispatched(do, fan(1, "vasp", executor="slurm"))
    free = dispatched(do, fan(1))
    out = [item for item in poll(do, 9).leased if item.dispatch_id != free]

    def again(leased: Sequence[work.LeasedNode]) -> work.ReportOutcome:
        done = [Completion(key=key_of(item), outcome=Outcome.COMPLETED, output=STORED.digest) for item in leased]
        return poll(do, 9, completions=done, assets=[STORED])

    outcome = again(out)
    assert (outcome.leased, outcome.yielded, outcome.effects.pools) == ([], True, {1, 2})
    out = poll(do, 9, 2).leased
    assert [item.dispatch_id for item in out] == [single]
    ended(do, out)
    out = poll(do, 9).leased
    assert len(out) == 1
    # Nobody else waits any more: then it goes on at once.
    outcome = again(out)
    assert (len(outcome.leased), outcome.yielded) == (1, False)


def test_who_let_others_go_first_is_given_what_they_did_not_take(do: Do) -> None:
    put(do, "vasp", 1)
    dispatched(do, fan(9, "vasp"))
    dispatched(do, fan(1, "vasp", executor="nobody-there"))
    done = [
        Completion(key=key_of(item), outcome=Outcome.COMPLETED, output=STORED.digest) for item in poll(do, 9).leased
    ]
    assert poll(do, 9, completions=done, assets=[STORED]).leased == []
    assert len(poll(do, 9).leased) == 1


def test_limits_of_one_owner_are_not_anothers(do: Do) -> None:
    put(do, "vasp", 0)
    dispatched(do, fan(1, "vasp"), owner="stranger")
    report = work.Report(worker="w1", owner="stranger", pool=1, want=9)
    assert len(do(partial(work.report, incoming=report, now=2.0)).leased) == 1


def test_a_restart_keeps_limits_and_who_holds_them(database_url: str) -> None:
    with opened(database_url) as do:
        put(do, "vasp", 3)
        dispatched(do, fan(9, "vasp"))
        poll(do, 2)
    with opened(database_url) as do:
        assert held(do) == {"vasp": 2}
        assert len(poll(do, 9).leased) == 1


def test_sets_of_limits_that_nobody_waits_for_cost_a_look_nothing(sqlite_databases: SqliteDatabases) -> None:
    """Told by how far SQLite's machine runs: as far for a hundred sets of limits as for one."""
    counted = []
    for sets in (1, 100):
        with sqlite_databases.migrated() as url, opened(url) as do:
            for number in range(sets):
                put(do, f"tag-{number}", 1)
                dispatched(do, fan(1, f"tag-{number}"))
            ended(do, poll(do, sets).leased)
            for number in range(sets):
                do(partial(limits.remove, owner=OWNER, which=LimitName(name=f"tag-{number}")))
            put(do, "vasp", 2)
            dispatched(do, fan(9, "vasp"))
            counted.append(do(partial(steps, doing=partial(work.report, incoming=TAKES_ONE, now=2.0))))
            assert held(do) == {"vasp": 1}
            done = Completion(key=key_of(poll(do, 1).leased[0]), outcome=Outcome.FAILED, error="no")
            report = replace(TAKES_ONE, want=0, completions=[done])
            counted.append(do(partial(steps, doing=partial(work.report, incoming=report, now=2.0))))
            assert held(do) == {"vasp": 1}
    assert counted[2] <= 1.2 * counted[0]
    assert counted[3] <= 1.2 * counted[1]


TAKES_ONE = work.Report(worker="w0", owner=OWNER, pool=1, want=1)


def test_no_worker_is_wanted_where_all_wait_for_limits_of_no_slots(do: Do) -> None:
    def ready() -> tuple[set[int], set[int]]:
        pools, shut = do(limits.ready_pools)
        return {item.id for item in pools}, shut

    put(do, "vasp", 1)
    dispatched(do, fan(3, "vasp"))
    dispatched(do, fan(1, "vasp", "other", executor="slurm"))
    assert ready() == ({1, 2}, set())
    out = poll(do, 1).leased
    # Full is not shut: who waits for it elsewhere is to be there when its place falls free.
    assert ready() == ({1, 2}, set())
    put(do, "other", 0)
    assert ready() == ({1, 2}, {2})
    put(do, "vasp", 0)
    assert ready() == ({1, 2}, {1, 2})
    dispatched(do, fan(1))
    assert ready() == ({1, 2}, {2})
    ended(do, out)
    put(do, "other", 1)
    assert ready() == ({1, 2}, {2})
    put(do, "vasp", 1)
    assert ready() == ({1, 2}, set())


# Whatever happens in whatever order.

_NAMES = (("tag", "a"), ("tag", "b"), ("executor", "local"), ("executor", "slurm"))
_FANS = (
    fan(3, "a"),
    fan(3, "a", "b"),
    fan(2),
    fan(3, "b", executor="slurm"),
    manifest([tagged(0, "a"), tagged(1, "b", executor="slurm"), tagged(2, "a", "b")]),
    manifest([tagged(0, "a", kind=Kind.SUBLATTICE), tagged(1, "b")]),
)


@dataclass(frozen=True, slots=True)
class Happening:
    what: str
    which: int
    how: int


def take(session: Session, item: Happening, at: float) -> Effects:
    report = work.Report(worker=f"w{item.which % 3}", owner=OWNER, pool=item.which % 2 + 1, want=item.how % 5 + 1)
    return work.report(session, report, at).effects


def report(session: Session, item: Happening, at: float) -> Effects:
    """A worker brings up to three results and takes others; some began before, some are lost again."""
    out = identity.held_leases(session)
    chosen = {out[(item.which + index) % len(out)] for index in range(item.how % 3 + 1)} if out else set()
    keys = [LeaseKey(node=lease.node, attempt=lease.attempt, token="") for lease in chosen]
    outcomes = [*[Outcome.COMPLETED] * 3, *Outcome]
    outcome = outcomes[item.how % len(outcomes)]
    completions = [Completion(key=key, outcome=outcome, output=STORED.digest, error="no") for key in keys]
    incoming = work.Report(
        worker="w0", owner=OWNER, pool=item.which % 2 + 1, want=item.how % 4, assets=[STORED], completions=completions
    )
    return work.report(session, incoming, at).effects


def begin(session: Session, item: Happening, at: float) -> Effects:
    out = identity.held_leases(session)
    keys = [LeaseKey(node=lease.node, attempt=lease.attempt, token="") for lease in out[: item.how % 4]]
    changes: dict[str, Any] = {"started": keys} if item.which % 2 else {"preparing": keys}
    return work.report(session, work.Report(worker="w0", owner=OWNER, pool=1, want=0, **changes), at).effects


def lose(session: Session, item: Happening, at: float) -> Effects:
    out = identity.held_leases(session)[: item.which % 4]
    how = list(LeaseEnd)[item.how % len(LeaseEnd)]
    return work.end_leases(session, [(lease.node, lease.attempt) for lease in out], how, at)


def cancel(session: Session, item: Happening, at: float) -> Effects:
    ids = session.execute(select(dispatch.c.id).order_by(dispatch.c.key)).scalars().all()
    if not ids:
        return Effects()
    try:
        numbers = [item.how % 3] if item.how % 2 else None
        return ending.cancel(session, OWNER, ids[item.which % len(ids)], numbers, at)
    except UnknownNodeError:
        return Effects()


def submit(session: Session, item: Happening, _: float) -> Effects:
    write(_FANS[item.which % len(_FANS)], session)
    return Effects(pools={1, 2})


def spawn(session: Session, item: Happening, _: float) -> Effects:
    for unborn in waking.unborn(session, 0, 1):
        changes = {"parent": (unborn.node, unborn.attempt), "idempotency_key": f"§{unborn.node}.{unborn.attempt}"}
        write(_FANS[item.which % len(_FANS)], session, **changes)
    return Effects(pools={1, 2})


def wake(session: Session, _: Happening, at: float) -> Effects:
    return waking.wake(session, at)


def change(session: Session, item: Happening, _: float) -> Effects:
    kind, name = _NAMES[item.which % len(_NAMES)]
    return limits.put(session, OWNER, Limit(kind=LimitKind(kind), name=name, slots=item.how % 5))


def take_away(session: Session, item: Happening, _: float) -> Effects:
    kind, name = _NAMES[item.which % len(_NAMES)]
    try:
        return limits.remove(session, OWNER, LimitName(kind=LimitKind(kind), name=name))
    except UnknownLimitError:
        return Effects()


_DO = {
    "take": take,
    "report": report,
    "begin": begin,
    "lose": lose,
    "cancel": cancel,
    "submit": submit,
    "spawn": spawn,
    "wake": wake,
    "change": change,
    "take away": take_away,
}
_OFTEN = [*_DO, *["take"] * 4, *["report"] * 5, "submit", "begin"]


def perform(session: Session, item: Happening, at: float) -> None:
    _DO[item.what](session, item, at)


HAPPENINGS = st.lists(
    st.builds(Happening, st.sampled_from(_OFTEN), st.integers(0, 11), st.integers(0, 11)), min_size=10, max_size=50
)


def out_by_hand(session: Session) -> Counter[tuple[str, str]]:
    """Who is out, told from the nodes' records alone."""
    counted: Counter[tuple[str, str]] = Counter()
    rows = session.execute(select(node.c.state, node.c.record, pool.c.executor).join(pool, pool.c.id == node.c.pool))
    for row in rows:
        if NodeState(row.state).leased:
            metadata = json.loads(row.record)["metadata"]
            counted["executor", row.executor] += 1
            counted.update(("tag", tag) for tag in metadata.get("tags") or ())
    return counted


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happened=HAPPENINGS)
def test_no_limit_is_exceeded_or_leaks_and_nobody_waits_for_what_is_free(
    sqlite_databases: SqliteDatabases, happened: list[Happening]
) -> None:
    with sqlite_databases.migrated() as url, opened(url) as do:
        dispatched(do, _FANS[4])  # it makes both pools
        for at, item in enumerate(happened):
            before = do(out_by_hand)
            do(partial(perform, item=item, at=at))
            after = do(out_by_hand)
            known = {(str(limit.kind), limit.name): limit for limit in do(partial(limits.records, owner=OWNER))}
            for member, limit in known.items():
                assert limit.held == after[member]
                assert after[member] <= max(limit.slots, before[member])
        settle(do)


def settle(do: Do) -> None:
    """With one place under each limit all that is left goes well to its end."""
    for kind, name in _NAMES:
        put(do, name, 1, LimitKind(kind))
    for _ in range(400):
        do(lambda session: wake(session, Happening("", 0, 0), 1e9))
        do(lambda session: spawn(session, Happening("", 2, 0), 1e9))
        for number in (1, 2):
            poll(do, 5, number)
        out = do(identity.held_leases)
        completions = [
            Completion(
                key=LeaseKey(node=lease.node, attempt=lease.attempt, token=""),
                outcome=Outcome.COMPLETED,
                output=STORED.digest,
            )
            for lease in out
        ]
        poll(do, 0, completions=completions, assets=[STORED])
        if not out and not do(partial(waking.unborn, after=0, limit=1)):
            break
    waiting = do(lambda session: session.execute(select(node.c.key).where(node.c.state == "READY")).all())
    assert waiting == []
