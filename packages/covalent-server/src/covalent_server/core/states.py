"""Where a node stands inside the engine, and what may follow."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from covalent.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping


class NodeState(StrEnum):
    """A node's state; users see the coarser :class:`covalent.status.Status`."""

    #: Some of its parents have not finished.
    WAITING = "WAITING"
    #: May be leased by any worker of its pool.
    READY = "READY"
    #: A worker has it, and has not said that it began.
    LEASED = "LEASED"
    #: A worker has said that it began.
    RUNNING = "RUNNING"
    #: Its output is stored.
    COMPLETED = "COMPLETED"
    #: It ended with an error that policy does not try again.
    FAILED = "FAILED"
    #: Stopped on request.
    CANCELLED = "CANCELLED"
    #: An ancestor did not complete: it never starts.
    BLOCKED = "BLOCKED"

    @property
    def terminal(self) -> bool:
        """Whether nothing may follow."""
        return not TRANSITIONS[self]

    @property
    def leased(self) -> bool:
        """Whether a worker holds the node."""
        return self in (NodeState.LEASED, NodeState.RUNNING)

    @property
    def status(self) -> Status:
        """What users see."""
        return _STATUS[self]


_ENDS = frozenset({NodeState.COMPLETED, NodeState.FAILED, NodeState.CANCELLED})

#: What may follow each state. A lost lease goes back to READY, from where a late result may still complete it.
TRANSITIONS: Mapping[NodeState, frozenset[NodeState]] = MappingProxyType(
    {
        NodeState.WAITING: frozenset({NodeState.READY, NodeState.BLOCKED, NodeState.CANCELLED}),
        NodeState.READY: _ENDS | {NodeState.LEASED},
        NodeState.LEASED: _ENDS | {NodeState.RUNNING, NodeState.READY},
        NodeState.RUNNING: _ENDS | {NodeState.READY},
        NodeState.COMPLETED: frozenset(),
        NodeState.FAILED: frozenset(),
        NodeState.CANCELLED: frozenset(),
        NodeState.BLOCKED: frozenset(),
    }
)

_STATUS: Mapping[NodeState, Status] = MappingProxyType(
    {
        NodeState.WAITING: Status.NEW_OBJECT,
        NodeState.READY: Status.NEW_OBJECT,
        NodeState.LEASED: Status.NEW_OBJECT,
        NodeState.RUNNING: Status.RUNNING,
        NodeState.COMPLETED: Status.COMPLETED,
        NodeState.FAILED: Status.FAILED,
        NodeState.CANCELLED: Status.CANCELLED,
        NodeState.BLOCKED: Status.NEW_OBJECT,
    }
)
