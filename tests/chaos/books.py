"""What the server wrote down, read without a line of its code: the one place that knows where that is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.acceptance import books


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A task as the books have it."""

    key: int
    dispatch: str
    #: ``<number>/<task>``, by which users and journal know it; None for what is no task of the crowd's.
    label: str | None
    #: Whether it is never begun twice.
    once: bool
    state: str
    #: The number of its latest lease.
    attempt: int
    #: The attempt whose result counts.
    fenced: int
    losses: int
    output: str | None
    error: str | None
    #: How often its completion was recorded.
    completions: int
    #: Whether it was given out after that.
    leased_again: bool

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        return cls(
            key=row["key"],
            dispatch=row["dispatch_id"],
            label=_label(row["record"]),
            once=json.loads(row["record"])["metadata"].get("at_most_once") is True,
            state=row["state"],
            attempt=row["attempt"],
            fenced=row["fenced"],
            losses=row["losses"],
            output=row["output"],
            error=row["error"],
            completions=row["completions"],
            leased_again=row["last_lease"] > (row["first_completion"] or math.inf),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The server's database; all that is asked of it is asked here."""

    data_dir: Path
    #: PostgreSQL's; empty for the file in the data directory.
    url: str = ""

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """What a query finds."""
        return books.Books(self.data_dir, self.url).rows(statement, *values)

    def nodes(self) -> list[Node]:
        """All tasks."""
        # There is no index of events by their nodes.
        found = self.rows(
            "with told as (select node, count(case kind when 'node.completed' then 1 end) as completions, "
            "min(case kind when 'node.completed' then sequence end) as first_completion, "
            "max(case kind when 'node.leased' then sequence end) as last_lease from event group by node) "
            "select node.*, dispatch.id as dispatch_id, coalesce(completions, 0) as completions, first_completion, "
            "coalesce(last_lease, 0) as last_lease from node "
            "join dispatch on dispatch.key = node.dispatch left join told on told.node = node.key"
        )
        return [Node.of(dict(row)) for row in found]

    def dispatches(self) -> dict[str, dict[str, Any]]:
        """All dispatches by their ids."""
        return {row["id"]: dict(row) for row in self.rows("select * from dispatch")}

    def unfinished(self) -> list[str]:
        """The dispatches that have begun and not ended, or are half there, but for those that look at directories."""
        found = self.rows(
            "select id from dispatch where observes is null and "
            "(status not in ('COMPLETED', 'FAILED', 'CANCELLED', 'NEW_OBJECT') or complete = 0)"
        )
        return [row["id"] for row in found]

    def observers(self) -> set[int]:
        """The processes of workers that look at directories."""
        found = self.rows("select pid from worker join pool on pool.id = worker.pool where executor = 'observer'")
        return {row["pid"] for row in found}

    def firings(self) -> dict[str, int]:
        """How often the triggers of dispatches have fired, by the ids of those that have any."""
        found = self.rows(
            'select dispatch.id, sum(firings) as firings from "trigger" '
            'join dispatch on dispatch.key = "trigger".dispatch group by dispatch.id'
        )
        return {row["id"]: row["firings"] for row in found}

    def introduced(self) -> set[int]:
        """The processes of all workers that have ever introduced themselves."""
        return {row["pid"] for row in self.rows("select pid from worker")}

    def turn(self) -> int:
        """Grows with whatever happens."""
        return int(self.rows("select coalesce(max(sequence), 0) from event")[0][0])

    def standing(self) -> str:
        """How the tasks stand that have not ended, for who wants to know why nothing happens."""
        found = self.rows(
            "select state, pool, worker, count(*) as number, min(key) as first from node "
            "where state not in ('COMPLETED', 'FAILED', 'CANCELLED') group by state, pool, worker"
        )
        return "\n".join(str(dict(row)) for row in found) or "all tasks have ended"

    def damages(self) -> list[str]:
        """What is wrong with the database itself, and outputs that are not stored."""
        found = [] if self.url else books.Books(self.data_dir).damages_of_the_file()
        outputs = self.rows(
            "select asset.digest, asset.data from asset join node on node.output = asset.digest group by asset.digest"
        )
        found += [
            f"the output {row['digest']} is damaged" for row in outputs if not books.is_stored(self.data_dir, row)
        ]
        missing = self.rows(
            "select key from node where output is not null and output not in (select digest from asset)"
        )
        return found + [f"the output of node {row['key']} is not stored" for row in missing]


def _label(record: str) -> str | None:
    match json.loads(record)["args"]:
        case [{"value": str() as label}, *_]:
            return label
    return None
