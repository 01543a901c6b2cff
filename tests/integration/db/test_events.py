"""Events tell what was committed, in that order, and go on from a cursor."""

from __future__ import annotations

from functools import partial

from covalent.wire.records import Event
from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.db import Session, happened, work
from tests.integration.db.conftest import Do
from tests.integration.db.test_owners import leased, submitted
from tests.integration.engine.conftest import OWNER


def failed(session: Session, key: LeaseKey) -> None:
    done = Completion(key=key, outcome=Outcome.FAILED, error="no")
    work.report(session, work.Report(worker="w", owner=OWNER, pool=1, want=0, completions=[done]), 3.0)


def after(do: Do, cursor: int) -> list[Event]:
    """Everything after a cursor, two at a time."""
    found: list[Event] = []
    while piece := do(partial(happened.events, owner=OWNER, after=cursor, limit=2)).events:
        assert piece[0].sequence > cursor
        found += piece
        cursor = piece[-1].sequence
    return found


def test_events_are_told_in_the_order_of_commits_from_a_cursor_on(do: Do) -> None:
    ids = [do(submitted), do(submitted)]
    first, second = do(leased), do(leased)
    for key in (second, first):
        do(partial(failed, key=key))
    told = after(do, 0)
    assert [(ids.index(str(item.dispatch_id)), item.kind) for item in told] == [
        *[(0, "dispatch.running"), (1, "dispatch.running"), (0, "node.leased"), (1, "node.leased")],
        *[(1, "node.failed"), (1, "dispatch.failed"), (0, "node.failed"), (0, "dispatch.failed")],
    ]
    for position, item in enumerate(told):
        assert after(do, item.sequence) == told[position + 1 :]
