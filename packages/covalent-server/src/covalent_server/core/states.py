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
    #: A worker has it and builds the environment that its task needs.
    PREPARING = "PREPARING"
    #: A worker has said that it began.
    RUNNING = "RUNNING"
    #: An attempt failed; the next one is due at a certain time.
    DELAYED = "DELAYED"
    #: Its sublattice is a dispatch of its own, which has not ended.
    DISPATCHING = "DISPATCHING"
    #: The client works it out when all else is done; no worker is given it.
    LEFT_TO_CLIENT = "LEFT_TO_CLIENT"
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
        return self in (NodeState.LEASED, NodeState.PREPARING, NodeState.RUNNING)

    @property
    def status(self) -> Status:
        """What users see."""
        return _STATUS[self]


_ENDS = frozenset({NodeState.COMPLETED, NodeState.FAILED, NodeState.CANCELLED})
#: What an attempt's end may lead to: a sublattice's task goes on as a dispatch, a failed one may be tried again.
_AFTER_AN_ATTEMPT = _ENDS | {NodeState.READY, NodeState.DELAYED, NodeState.DISPATCHING}

#: What may follow each state. A lost lease goes back to READY, where the late result of its attempt is still taken.
TRANSITIONS: Mapping[NodeState, frozenset[NodeState]] = MappingProxyType(
    {
        NodeState.WAITING: frozenset({NodeState.READY, NodeState.BLOCKED, NodeState.CANCELLED}),
        NodeState.READY: _ENDS | {NodeState.LEASED, NodeState.DELAYED, NodeState.DISPATCHING},
        NodeState.LEASED: _AFTER_AN_ATTEMPT | {NodeState.PREPARING, NodeState.RUNNING},
        NodeState.PREPARING: _AFTER_AN_ATTEMPT | {NodeState.RUNNING},
        NodeState.RUNNING: _AFTER_AN_ATTEMPT,
        NodeState.DELAYED: frozenset({NodeState.READY, NodeState.CANCELLED}),
        NodeState.DISPATCHING: _ENDS | {NodeState.READY, NodeState.DELAYED},
        NodeState.LEFT_TO_CLIENT: frozenset({NodeState.COMPLETED}),
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
        NodeState.PREPARING: Status.DISPATCHING,
        NodeState.RUNNING: Status.RUNNING,
        NodeState.DELAYED: Status.NEW_OBJECT,
        NodeState.DISPATCHING: Status.DISPATCHING,
        NodeState.LEFT_TO_CLIENT: Status.NEW_OBJECT,
        NodeState.COMPLETED: Status.COMPLETED,
        NodeState.FAILED: Status.FAILED,
        NodeState.CANCELLED: Status.CANCELLED,
        NodeState.BLOCKED: Status.NEW_OBJECT,
    }
)
