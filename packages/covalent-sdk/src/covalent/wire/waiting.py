"""Why a node is not running: the answer to a question about nodes that have not ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why one node is not running, and what to do about it."""

    node_id: int
    node_name: str
    #: A short name that programs may compare; a later server may have further ones.
    code: str
    #: A sentence for people, which says what to do next.
    message: str
    #: Since when it is so, in seconds since the epoch; None when nobody knows.
    since: float | None = None
    #: When it is over, where that is known.
    due_at: float | None = None
    #: The first of the nodes that it waits for.
    nodes: tuple[int, ...] = ()
    #: The worker that has it.
    worker: str | None = None
    #: The dispatch of its sublattice.
    child: str | None = None
    #: The limit that is full.
    limit: str | None = None

    def __str__(self) -> str:
        return f"{self.node_name}({self.node_id}): {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingList:
    """The first of a dispatch's nodes that do not run and have not ended, in the graph's order."""

    nodes: tuple[Waiting, ...]
