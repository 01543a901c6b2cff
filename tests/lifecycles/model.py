"""What becomes of nodes, by the rules of leases, losses and failures alone.

A task here is the list of its attempts, each with what became of it; the server keeps two numbers in their place. What
an attempt brings is taken unless that attempt is over, and only the latest may fail its task.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from covalent.status import Status
from covalent.wire.work import Acknowledgement, Outcome
from covalent_server.core.events import LeaseEnd
from covalent_server.core.states import NodeState

OK, DUPLICATE, STALE = Acknowledgement.OK, Acknowledgement.DUPLICATE, Acknowledgement.STALE
#: A pause is doubled for each failure, and lengthened by chance by a quarter at most.
_SPREAD: Final = 1.25
_HELD: Final = frozenset({NodeState.LEASED, NodeState.PREPARING, NodeState.RUNNING})
_ENDED: Final = frozenset({NodeState.COMPLETED, NodeState.FAILED, NodeState.CANCELLED, NodeState.BLOCKED})
_UNMET: Final = frozenset({NodeState.FAILED, NodeState.CANCELLED, NodeState.BLOCKED})


class Fate(Enum):
    """What became of an attempt."""

    #: A worker has it, or its lease was lost and it may still bring a result.
    OPEN = auto()
    #: Its end was recorded.
    RECORDED = auto()
    #: Another end came first.
    OVER = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """A node: how it is tried, and what has become of it."""

    parents: frozenset[int] = frozenset()
    retries: int = 0
    retry_delay: float = 0.0
    max_losses: int = 3
    at_most_once: bool = False
    spawns: bool = False
    #: Tasks with the same label give the same, so that one output may stand in for the other.
    label: str | None = None
    state: NodeState = NodeState.WAITING
    attempts: list[Fate] = field(default_factory=list)
    failures: int = 0
    losses: int = 0
    #: Whether a worker was told that it may begin, and has not said that it did not.
    begun: bool = False
    #: The attempt whose end was the last that the server noted; of those before it it only knows that they are over.
    noted: int = 0
    #: Between when and when its next attempt is due.
    due: tuple[float, float] | None = None
    output: str | None = None

    @property
    def attempt(self) -> int:
        """The number of the latest attempt."""
        return len(self.attempts)

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.state in _ENDED

    def leased(self) -> None:
        """Leasing makes another attempt."""
        assert self.state is NodeState.READY, "only what is ready is leased"
        self.attempts.append(Fate.OPEN)
        self.state = NodeState.LEASED

    def told(self, attempt: int, state: NodeState) -> None:
        """Its worker says that it is being prepared, or that it began; what comes late or twice changes nothing."""
        order = (NodeState.LEASED, NodeState.PREPARING, NodeState.RUNNING)
        if attempt == self.attempt and self.state in order[: order.index(state)]:
            self.state = state
            if state is NodeState.RUNNING:
                assert not (self.begun and self.at_most_once), "what is never begun twice begins again"
                self.begun = True

    def may_begin(self, attempt: int) -> bool:
        """Whether a worker that asks for this attempt may begin what is never begun twice."""
        return self.at_most_once and self.state is NodeState.RUNNING and attempt == self.attempt

    def finished(self, attempt: int, outcome: Outcome, at: float, output: str | None) -> Collection[Acknowledgement]:
        """An attempt's end; what may be answered."""
        fate = self.attempts[attempt - 1] if 0 < attempt <= self.attempt else None
        if self.state is NodeState.CANCELLED or fate is None:
            return {STALE}
        if fate is Fate.RECORDED and attempt == self.noted:
            return {DUPLICATE}
        if fate is not Fate.OPEN or self.ended or self.state is NodeState.DISPATCHING:
            return {DUPLICATE, STALE}
        if outcome is not Outcome.COMPLETED:
            if attempt < self.attempt:  # it was lost, and its replacement goes on
                return {STALE}
            self._failed(at)
        else:
            self.state = NodeState.DISPATCHING if self.spawns else NodeState.COMPLETED
            self.output = output
            # Of a sublattice that fails, the attempt that built it is over, and with it all before it.
            self._over(self.attempt)
        self.attempts[attempt - 1] = Fate.RECORDED
        self.noted = attempt
        return {OK}

    def lease_ended(self, attempt: int, how: LeaseEnd) -> None:
        """A lease is over without a result; its attempt may still bring one."""
        if attempt != self.attempt or self.state not in _HELD:
            return
        begun, self.state = self.state is NodeState.RUNNING, NodeState.READY
        if how is LeaseEnd.RETURNED:  # nobody but its worker knows that it did not begin it
            self.begun = False
        given_up = begun and self.at_most_once and how is not LeaseEnd.RETURNED
        if given_up or how is LeaseEnd.DIED or (how is LeaseEnd.EXPIRED and begun):
            self.losses += 1
            if given_up or self.losses > self.max_losses:
                self.end(NodeState.FAILED)
                self.noted = self.attempt

    def child_ended(self, attempt: int, status: Status, at: float, output: str | None = None) -> None:
        """The dispatch of a sublattice ended."""
        if self.state is not NodeState.DISPATCHING or attempt != self.noted:
            return
        if status in (Status.COMPLETED, Status.CANCELLED):
            self.end(NodeState(status), output)
        else:
            self._failed(at)
            self.noted = self.attempt

    def pool_failed(self) -> None:
        """No worker can be started for it."""
        if self.state is NodeState.READY:
            self.end(NodeState.FAILED)

    def time_came(self) -> None:
        """Its pause is over."""
        if self.state is NodeState.DELAYED:
            self.state, self.due = NodeState.READY, None

    def reused(self, output: str | None = None) -> None:
        """An output of before stands in for its own."""
        if self.state is NodeState.READY:
            self.end(NodeState.COMPLETED, output)

    def concluded(self, output: str | None = None) -> None:
        """The client has done what was left to it."""
        if self.state is NodeState.LEFT_TO_CLIENT:
            self.end(NodeState.COMPLETED, output)

    def cancelled(self) -> None:
        """Its user wants it to end."""
        if not self.ended and self.state is not NodeState.LEFT_TO_CLIENT:
            self.end(NodeState.CANCELLED)

    def end(self, state: NodeState, output: str | None = None) -> None:
        """Nothing follows, and nothing that an attempt brings is taken."""
        self.state, self.due, self.output = state, None, output
        self._over(self.attempt)

    def _failed(self, at: float) -> None:
        self.failures += 1
        self.output = None
        self._over(self.attempt)
        if self.failures > self.retries or self.at_most_once:
            self.end(NodeState.FAILED)
        elif self.retry_delay:
            least = self.retry_delay * 2.0 ** (self.failures - 1)
            self.state, self.due = NodeState.DELAYED, (at + least, at + least * _SPREAD)
        else:
            self.state = NodeState.READY

    def _over(self, last: int) -> None:
        fates = self.attempts[:last]
        self.attempts[:last] = [fate if fate is Fate.RECORDED else Fate.OVER for fate in fates]


@dataclass(slots=True, kw_only=True, eq=False)
class Dispatch:
    """A dispatch: its tasks, by their keys, and of a sublattice's the task and the attempt that it comes of."""

    tasks: dict[int, Task]
    #: The task whose output is its value.
    last: int
    parent: tuple[Task, int] | None = None
    status: Status = Status.RUNNING

    def follow(self, at: float) -> bool:
        """What follows once for tasks that wait, and for the dispatch; whether anything did."""
        before = [task.state for task in self.tasks.values()], self.status
        for task in self.tasks.values():
            states = {self.tasks[parent].state for parent in task.parents}
            if task.state is NodeState.WAITING and states & _UNMET:
                task.end(NodeState.BLOCKED)
            elif task.state is NodeState.WAITING and states <= {NodeState.COMPLETED}:
                task.state = NodeState.READY
        self._end(at)
        return ([task.state for task in self.tasks.values()], self.status) != before

    def _end(self, at: float) -> None:
        states = {task.state for task in self.tasks.values()}
        if self.status is not Status.RUNNING or not states <= _ENDED | {NodeState.LEFT_TO_CLIENT}:
            return
        if NodeState.FAILED in states:
            self.status = Status.FAILED
        elif NodeState.CANCELLED in states:
            self.status = Status.CANCELLED
        elif NodeState.LEFT_TO_CLIENT in states:
            self.status = Status.PENDING_POSTPROCESSING
        else:
            self.status = Status.COMPLETED
        if self.parent is not None:
            task, attempt = self.parent
            task.child_ended(attempt, self.status, at, self.tasks[self.last].output)
