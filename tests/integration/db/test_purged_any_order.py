"""Whatever happens while dispatches are purged piece by piece: nothing is left over, and what is named is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Text, select

from covalent.wire import places
from covalent.wire.work import Completion, LeaseKey, Outcome
from covalent_server.core.errors import UnknownNodeError
from covalent_server.db import Session, assets, dispatches, identity, mentions, purging, unneeded, work
from covalent_server.db.purgeable import Survey, Wanted
from covalent_server.db.tables import asset, asset_owner, cached, dispatch, node, trigger
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest, take
from tests.databases import Databases, PostgresDatabases, SqliteDatabases
from tests.integration.db.conftest import Do, opened
from tests.integration.db.happenings import Step, perform, prepare_pool, settle, steps
from tests.integration.db.orphans import orphans
from tests.integration.db.test_any_order import examples
from tests.integration.engine.conftest import OWNER, submission

_PACE = 10.0


class Story:
    """Happenings with a purge among them, each in a transaction of its own."""

    def __init__(self, do: Do) -> None:
        self.do = do
        self.at = 0
        self._sweep: Iterator[None] | None = None

    def happen(self, step: Step) -> None:
        self.at = step.at
        own = {"fresh": self.submit, "values": self.complete, "mark": self.mark, "piece": self.piece}
        if step.what == "sweep":
            self.sweep()
        elif step.what in own:
            own[step.what](step)
        else:
            with suppress(UnknownNodeError):
                self.do(partial(perform, step=step))
        assert self.do(unreadable) == set()

    @property
    def now(self) -> float:
        return self.at * _PACE + 1.0

    def submit(self, step: Step) -> None:
        """A dispatch that names assets which few others do."""
        constants = [builders.asset(f"constant {(step.which + index) % 5}") for index in range(2)]
        first, second = ({"asset": builders.digest(item)} for item in constants)
        made = manifest([builders.node(0, first), builders.node(1, second), builders.node(2, take(0), take(1))])
        new = dispatches_of(made, constants, step)

        def operation(session: Session) -> None:
            begun = dispatches.begin(session, new, self.now)
            dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
            dispatches.add_links(session, begun, new, 0, len(new.links))
            dispatches.release(session, begun, new, self.now)

        self.do(operation)

    def complete(self, step: Step) -> None:
        """Everything that is leased brings a value, often one that was there before."""
        values = [builders.asset((step.which + index) % 7) for index in range(3)]
        new = [
            assets.NewAsset(digest=builders.digest(item), size=len(item), preview="{}", data=item) for item in values
        ]

        def operation(session: Session) -> None:
            completions = [
                Completion(
                    key=LeaseKey(node=held.node, attempt=held.attempt, token=""),
                    outcome=Outcome.COMPLETED,
                    output=new[index % 3].digest,
                )
                for index, held in enumerate(identity.held_leases(session))
            ]
            report = work.Report(
                worker="w0", owner=OWNER, pool=1, want=step.how % 4, assets=new, completions=completions
            )
            work.report(session, report, self.now)

        self.do(operation)

    def mark(self, step: Step) -> None:
        survey = Survey(Wanted(owner=OWNER, ended_before=self.now + 1))
        assert self.do(partial(survey.look, after=0)) is None
        families, _ = self.do(survey.found)
        some = families[:: step.how % 3 + 1]
        self.do(lambda session: purging.mark(session, some, survey.ends, self.now))

    def piece(self, _: Step) -> None:
        for key in list(self.do(purging.leftovers))[:1]:
            self.do(partial(purging.remove_piece, key=key))

    def sweep(self) -> None:
        """One read, or one deletion, of a sweep that may have begun long ago."""
        if self._sweep is None:
            self._sweep = self._swept()
        if next(self._sweep, self) is self:
            self._sweep = None

    def _swept(self) -> Iterator[None]:
        before = self.now
        left = set(self.do(partial(unneeded.candidates, before=before, after="")))
        yield
        for source in mentions.SOURCES:
            found, after = self.do(partial(mentions.look, source=source, after=0))
            assert after is None
            left -= found
            yield
        self.do(partial(unneeded.remove, digests=left, before=before))
        yield

    def end(self) -> None:
        """Everything ends, all of it is purged, and nothing is left."""
        for _ in range(400):
            self.at += 1
            self.do(partial(settle, at=self.at))
            if not self.do(open_dispatches):
                break
        self.at += 1
        self.mark(Step(what="mark"))
        while self.do(purging.leftovers):
            self.piece(Step(what="piece"))
        self._sweep = None
        self.at += 1
        for _ in range(6):
            self.sweep()
        assert self.do(orphans) == []


def dispatches_of(made: Any, constants: list[bytes], step: Step) -> dispatches.NewDispatch:
    new = prepare(submission(made, assets=constants), Machine(host=places.host_identity()))
    return replace(new, id=f"dispatch-{step.at}-{step.how}")


def open_dispatches(session: Session) -> int:
    """Those that can still end by themselves."""
    waits = select(dispatch.c.key).where(
        dispatch.c.ended_at.is_(None), dispatch.c.status.not_in(["NEW_OBJECT", "PENDING_POSTPROCESSING"])
    )
    return len(session.execute(waits).all())


def unreadable(session: Session) -> set[str]:
    """Digests that some row names, and that nobody can read: found by a look at all texts of all tables."""
    owned = set(session.execute(select(asset.c.digest).join(asset_owner)).scalars())
    named: set[str] = set()
    for table in (node, dispatch, trigger, cached):
        texts = [column for column in table.columns if isinstance(column.type, Text) or column.name in _DIGESTS]
        for row in session.execute(select(*texts)):
            for text in row:
                named.update(re.findall(r"[0-9a-f]{64}", text or ""))
    return named - owned


_DIGESTS = ("output", "project", "result", "seen")
_OWN = ("fresh", "fresh", "values", "values", "values", "mark", "piece", "piece", "piece", "sweep", "sweep", "sweep")


def histories() -> st.SearchStrategy[list[Step]]:
    choice = st.integers(0, 20)
    own = st.builds(Step, what=st.sampled_from(_OWN), which=choice, how=choice)
    others = steps(5, 40)
    mixed = st.builds(lambda left, right: (left, right), others, st.lists(own, min_size=20, max_size=60))

    def shuffled(given: tuple[list[Step], list[Step]], chosen: Any) -> list[Step]:
        left, right = list(given[0]), list(given[1])
        merged = [(left if left and (not right or chosen.random() < 0.4) else right).pop(0) for _ in (*left, *right)]
        return [replace(step, at=index) for index, step in enumerate(merged)]

    return st.builds(shuffled, mixed, st.randoms(use_true_random=False))


@examples(12)
@given(story=histories())
def test_a_purge_leaves_nothing_over_and_takes_nothing_that_is_needed(
    sqlite_databases: SqliteDatabases, story: list[Step]
) -> None:
    tell(sqlite_databases, story)


@examples(3)
@given(story=histories())
def test_a_purge_leaves_nothing_over_and_takes_nothing_that_is_needed_on_postgresql(
    postgres_databases: PostgresDatabases, story: list[Step]
) -> None:
    tell(postgres_databases, story)


def tell(databases: Databases, story: list[Step]) -> None:
    with databases.migrated() as url, opened(url) as do:
        do(prepare_pool)
        told = Story(do)
        for step in story:
            told.happen(step)
        told.end()
