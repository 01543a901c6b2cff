"""Whatever may happen to a database, in any order: dispatches of every kind, and workers, users and time.

A step is plain data. What it does is worked out from the database alone, so that the same steps give the same database
however they are put into transactions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import select

from covalent.status import Status
from covalent.wire import places
from covalent.wire.manifest import Kind, Manifest, Node
from covalent.wire.work import Completion, Environment, LeaseKey, Outcome
from covalent_server.core.errors import ObsoleteSublatticeError
from covalent_server.core.events import LeaseEnd
from covalent_server.db import Session, assets, dispatches, ending, identity, reusing, waking, work
from covalent_server.db.dispatches import Begun, NewDispatch
from covalent_server.db.tables import dispatch, event, node
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest, take
from tests.integration.engine.conftest import OWNER, submission

_VALUE = builders.asset("value")
_STORED = assets.NewAsset(digest=builders.digest(_VALUE), size=len(_VALUE), preview="{}", data=_VALUE)
#: Seconds between two steps.
_PACE = 10.0


def _node(number: int, *args: Any, kind: Kind = Kind.TASK, executor: str = "local", **metadata: Any) -> Node:
    made = builders.node(number, *args, kind=kind, executor=executor, function_id="f")
    return replace(made, metadata=replace(made.metadata, **metadata))


_MANIFESTS: tuple[Manifest, ...] = (
    manifest([_node(0), _node(1), _node(2, take(0), take(1)), _node(3, take(2))]),
    manifest([_node(0, retries=1), _node(1, take(0), retries=2, retry_delay=15.0), _node(2)]),
    manifest([_node(0, kind=Kind.SUBLATTICE), _node(1, take(0))]),
    manifest([_node(0, kind=Kind.SUBLATTICE, retries=1), _node(1, kind=Kind.SUBLATTICE), _node(2, take(0), take(1))]),
    manifest([_node(0, {"value": 1}, cache=True), _node(1, take(0), cache=True), _node(2, {"value": 1}, cache=True)]),
    manifest([_node(0), _node(1, {"list": [take(0)]}, kind=Kind.COLLECT)]),
    manifest([], output={"asset": builders.digest(builders.FUNCTION)}),
    manifest([_node(0), _node(1), _node(2, {"list": [take(0), take(1)]}, kind=Kind.COLLECT, executor="client")]),
    replace(manifest([_node(0), _node(1, take(0))]), hold=True),
)
#: What sublattices may become: nothing of it is left to the client or held.
_CHILDREN = _MANIFESTS[:7]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that happens; ``which`` and ``how`` choose among what there is at that time."""

    what: str
    which: int = 0
    how: int = 0
    #: The place among the steps.
    at: int = 0


def steps(least: int, most: int) -> st.SearchStrategy[list[Step]]:
    """Any happenings, after three dispatches of some kinds were submitted."""
    choice = st.integers(0, 20)
    often = [what for what, (_, weight) in _DO.items() for _ in range(weight)]
    one = st.builds(Step, what=st.sampled_from(often), which=choice, how=choice)
    begins = st.lists(st.builds(Step, what=st.just("submit"), which=choice), min_size=3, max_size=3)
    listed = st.builds(list.__add__, begins, st.lists(one, min_size=least, max_size=most))
    return listed.map(lambda found: [replace(step, at=index) for index, step in enumerate(found)])


def perform(session: Session, step: Step) -> None:
    """Let a step happen."""
    random.seed(step.at)  # retries are spread by chance: the same in every transaction
    happens, _ = _DO[step.what]
    happens(session, step)


def _now(step: Step) -> float:
    return step.at * _PACE + 1.0


def _prepared(made: Manifest, step: Step, **changes: Any) -> NewDispatch:
    new = prepare(replace(submission(made), **changes), Machine(host=places.host_identity()))
    return replace(new, id=f"dispatch-{step.at}-{step.how}")


def _written(session: Session, new: NewDispatch, now: float) -> Begun:
    begun = dispatches.begin(session, new, now)
    dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
    return begun


def _released(session: Session, begun: Begun, new: NewDispatch, now: float) -> None:
    dispatches.add_links(session, begun, new, 0, len(new.links))
    dispatches.release(session, begun, new, now)


def _submit(session: Session, step: Step) -> None:
    new = _prepared(_MANIFESTS[step.which % len(_MANIFESTS)], step)
    _released(session, _written(session, new, _now(step)), new, _now(step))


def _repeat(session: Session, step: Step) -> None:
    """A dispatch takes over what an earlier one has done."""
    known = _ids(session)
    if known:
        made = _MANIFESTS[step.how % (len(_MANIFESTS) - 1)]
        made = replace(made, reuse=known[step.which % len(known)])
        new = reusing.taken_over(session, _prepared(made, step), made)
        _released(session, _written(session, new, _now(step)), new, _now(step))


def _ids(session: Session) -> list[str]:
    return list(
        session.execute(select(dispatch.c.id).where(dispatch.c.complete == 1).order_by(dispatch.c.key)).scalars()
    )


def _take(session: Session, step: Step) -> None:
    report = work.Report(worker=f"w{step.which % 3}", owner=OWNER, pool=1, want=step.how % 4 + 1)
    work.report(session, report, _now(step))


def _leases(session: Session) -> list[tuple[int, int]]:
    """Every attempt that was ever leased, those that are long over too."""
    found = select(event.c.node, event.c.attempt).where(event.c.kind == "node.leased").order_by(event.c.sequence)
    return [(row.node, row.attempt) for row in session.execute(found)]


def _report(session: Session, step: Step) -> None:
    """A worker tells of up to three attempts at once, prepared, begun, ended or all of it; mostly of late ones."""
    known = _leases(session)
    chosen = [known[-1 - (step.which + index) % len(known)] for index in range(step.how % 3 + 1)] if known else []
    keys = [LeaseKey(node=number, attempt=attempt, token="") for number, attempt in chosen]
    outcomes = [*[Outcome.COMPLETED] * 8, *Outcome]
    layer = Environment(key="k", resolved=("a==1",), seconds=1.0) if step.how % 2 else None
    completions = [
        Completion(
            key=key,
            outcome=outcomes[(step.how + index) % 12],
            output=_STORED.digest,
            error="no",
            environment=layer,
            workdir="/left" if step.how % 7 == 1 else None,
        )
        for index, key in enumerate(keys)
        if step.how % 5
    ]
    report = work.Report(
        worker="w0",
        owner=OWNER,
        pool=1,
        want=step.how % 3,
        assets=[_STORED],
        started=[] if step.how % 3 else keys,
        preparing=keys if step.how % 2 else [],
        completions=completions,
    )
    work.report(session, report, _now(step))


def _lose(session: Session, step: Step) -> None:
    known = _leases(session)
    if known:
        how = list(LeaseEnd)[step.how % len(LeaseEnd)]
        work.end_leases(session, [known[step.which % len(known)]], how, _now(step))


def _spawn(session: Session, step: Step) -> None:
    """What waits becomes a dispatch, in one transaction."""
    unborn = waking.unborn(session, 0, 100)
    if unborn:
        item = unborn[step.which % len(unborn)]
        new = _child(item, step)
        _released(session, _written(session, new, _now(step)), new, _now(step))


def _child(item: waking.Unborn, step: Step) -> NewDispatch:
    made = _CHILDREN[step.how % len(_CHILDREN)]
    key = f"§{item.node}.{item.attempt}"
    return _prepared(made, step, parent=(item.node, item.attempt), idempotency_key=key, body_digest="")


def _begin(session: Session, step: Step) -> None:
    """What waits is written, but for its end."""
    unborn = waking.unborn(session, 0, 100)
    if unborn and not _half_written(session):
        _written(session, _child(unborn[step.which % len(unborn)], step), _now(step))


def _half_written(session: Session) -> Any:
    unfinished = select(dispatch).where(dispatch.c.complete == 0, dispatch.c.ended_at.is_(None))
    return session.execute(unfinished).one_or_none()


def _finish(session: Session, step: Step) -> None:
    """What was half written is written to its end, or finds that nobody waits for it."""
    row = _half_written(session)
    if row is None:
        return
    _, at, how = row.id.split("-")
    parent, attempt = row.idempotency_key[1:].split(".")
    item = waking.Unborn(
        node=int(parent), attempt=int(attempt), owner=OWNER, digest="", size=0, data=None, env=None, rank=0
    )
    new = _child(item, Step(what="", at=int(at), how=int(how)))
    first = session.execute(select(node.c.key).where(node.c.dispatch == row.key).order_by(node.c.key)).scalars().first()
    begun = Begun(id=row.id, key=row.key, root=0, first=int(first or 0), at=row.created_at)
    try:
        _released(session, begun, new, _now(step))
    except ObsoleteSublatticeError:
        dispatches.discard(session, begun)


def _stillborn(session: Session, step: Step) -> None:
    unborn = waking.unborn(session, 0, 100)
    if unborn:
        waking.stillborn(session, unborn[step.which % len(unborn)], "no", _now(step))


def _cancel(session: Session, step: Step) -> None:
    """End a dispatch or one of its nodes; raises UnknownNodeError when it has no such node."""
    known = _ids(session)
    if known:
        numbers = [step.how % 3] if step.how % 3 else None
        ending.cancel(session, OWNER, known[step.which % len(known)], numbers, _now(step))


def _conclude(session: Session, step: Step) -> None:
    waits = select(dispatch.c.id).where(dispatch.c.status == Status.PENDING_POSTPROCESSING)
    for dispatch_id in session.execute(waits.order_by(dispatch.c.key).limit(1)).scalars():
        ending.conclude(session, OWNER, dispatch_id, _STORED.digest, [_STORED], _now(step))


def _wake(session: Session, step: Step) -> None:
    waking.wake(session, _now(step))


def _fail_pool(session: Session, step: Step) -> None:
    if step.how == 20:  # seldom: it ends most of what there is
        work.fail_pool(session, 1, "no worker", _now(step))


#: What may happen, and how often.
_DO: dict[str, tuple[Callable[[Session, Step], None], int]] = {
    "report": (_report, 10),
    "take": (_take, 6),
    "spawn": (_spawn, 4),
    "wake": (_wake, 2),
    "submit": (_submit, 1),
    "repeat": (_repeat, 1),
    "cancel": (_cancel, 1),
    "lose": (_lose, 2),
    "begin": (_begin, 2),
    "finish": (_finish, 2),
    "conclude": (_conclude, 1),
    "stillborn": (_stillborn, 1),
    "fail pool": (_fail_pool, 1),
}


def prepare_pool(session: Session) -> None:
    """The pool in which all of it runs."""
    place = dispatches.Place(executor="local", place="/nowhere/python3")
    dispatches.pool_id(session, OWNER, place)
    identity.add_worker(session, identity.WorkerRow(id="w0", pool=1, host="h", pid=1, features=()), 1.0)


def settle(session: Session, at: int) -> None:
    """Everything goes well from here on: time passes, sublattices appear, and every lease brings its value."""
    for what in ("finish", "wake", "spawn", "take"):
        perform(session, Step(what=what, how=5, at=at))
    completions = [
        Completion(
            key=LeaseKey(node=item.node, attempt=item.attempt, token=""),
            outcome=Outcome.COMPLETED,
            output=_STORED.digest,
        )
        for item in identity.held_leases(session)
    ]
    report = work.Report(worker="w0", owner=OWNER, pool=1, want=0, assets=[_STORED], completions=completions)
    work.report(session, report, at * _PACE)
