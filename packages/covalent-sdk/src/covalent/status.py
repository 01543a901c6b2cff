"""The statuses of dispatches and nodes that users see, with their transition tables.

A status equals its own string, so ``result.status == "COMPLETED"`` holds. Which statuses are final is read off
the tables: a status that nothing may follow is terminal.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DISPATCH_TRANSITIONS", "NODE_TRANSITIONS", "Status"]


class Status(StrEnum):
    """Where a dispatch or one of its nodes stands."""

    #: Registered; nothing of it has started.
    NEW_OBJECT = "NEW_OBJECT"
    #: A copy of another dispatch whose results are being taken over.
    PENDING_REUSE = "PENDING_REUSE"
    #: A copy of another dispatch that waits for replaced electrons.
    PENDING_REPLACEMENT = "PENDING_REPLACEMENT"
    #: Being prepared: a node's environment is being built, or (a sublattice's) its child dispatch has not ended.
    DISPATCHING = "DISPATCHING"
    #: At work.
    RUNNING = "RUNNING"
    #: All tasks are done; the return value waits for the client to put it together.
    PENDING_POSTPROCESSING = "PENDING_POSTPROCESSING"
    #: The return value is being put together.
    POSTPROCESSING = "POSTPROCESSING"
    #: Finished with a value.
    COMPLETED = "COMPLETED"
    #: Finished with an error.
    FAILED = "FAILED"
    #: Every task has its value, but the return value could not be put together.
    FAILED_POSTPROCESSING = "FAILED_POSTPROCESSING"
    #: Stopped on request.
    CANCELLED = "CANCELLED"

    # Names that older scripts use.
    STARTING = "DISPATCHING"
    POSTPROCESSING_FAILED = "FAILED_POSTPROCESSING"

    @property
    def terminal(self) -> bool:
        """Whether a dispatch with this status has ended."""
        return not DISPATCH_TRANSITIONS[self]

    @property
    def at_rest(self) -> bool:
        """Whether a dispatch with this status has ended, or goes on only when its user puts its value together."""
        return self.terminal or self is Status.PENDING_POSTPROCESSING


_ENDS = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})

#: What may follow each status of a dispatch.
DISPATCH_TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.NEW_OBJECT: _ENDS
        | {Status.PENDING_REUSE, Status.PENDING_REPLACEMENT, Status.DISPATCHING, Status.RUNNING},
        Status.PENDING_REUSE: _ENDS | {Status.DISPATCHING, Status.RUNNING},
        Status.PENDING_REPLACEMENT: _ENDS | {Status.DISPATCHING, Status.RUNNING},
        Status.DISPATCHING: _ENDS | {Status.RUNNING},
        Status.RUNNING: _ENDS | {Status.PENDING_POSTPROCESSING, Status.POSTPROCESSING, Status.FAILED_POSTPROCESSING},
        Status.PENDING_POSTPROCESSING: _ENDS | {Status.POSTPROCESSING, Status.FAILED_POSTPROCESSING},
        Status.POSTPROCESSING: _ENDS | {Status.FAILED_POSTPROCESSING},
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.FAILED_POSTPROCESSING: frozenset(),
        Status.CANCELLED: frozenset(),
    }
)

#: What may follow each status of a node; a node that is tried again goes back to ``NEW_OBJECT``.
NODE_TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.NEW_OBJECT: _ENDS | {Status.RUNNING, Status.DISPATCHING},
        Status.RUNNING: _ENDS | {Status.NEW_OBJECT, Status.DISPATCHING},
        Status.DISPATCHING: _ENDS | {Status.RUNNING, Status.NEW_OBJECT},
        Status.COMPLETED: frozenset(),
        Status.FAILED: frozenset(),
        Status.CANCELLED: frozenset(),
    }
)
