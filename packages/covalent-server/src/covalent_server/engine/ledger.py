"""Which worker holds which lease, and until when.

Deadlines are monotonic and live in this process only: at start every lease that the database knows gets a full time
to live, however long the server was away.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from covalent.wire.work import LeaseKey

#: Seconds after which a lease that its worker does not name is taken not to have arrived.
REDELIVER_AFTER = 2.0


@dataclass(slots=True)
class Held:
    """One lease."""

    worker: str
    attempt: int
    granted: float
    deadline: float
    #: Whether its worker is to hold nothing else meanwhile.
    alone: bool


class Ledger:
    """The leases that are out. Every method takes the time, in seconds of a monotonic clock."""

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._leases: dict[int, Held] = {}
        self._by_worker: dict[str, set[int]] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def grant(self, worker: str, leases: Iterable[tuple[int, int]], now: float, *, alone: bool = False) -> None:
        """Note leases, given as (node, attempt)."""
        for node, attempt in leases:
            self.release(node)
            self._leases[node] = Held(worker, attempt, now, now + self._ttl, alone)
            self._by_worker.setdefault(worker, set()).add(node)

    def held(self, node: int) -> Held | None:
        """A node's lease, None when it has none."""
        return self._leases.get(node)

    def release(self, node: int) -> str | None:
        """Forget a node's lease; the worker that had it, None when nobody did."""
        held = self._leases.pop(node, None)
        if held is None:
            return None
        nodes = self._by_worker[held.worker]
        nodes.discard(node)
        if not nodes:
            del self._by_worker[held.worker]
        return held.worker

    def renew(self, worker: str, keys: Iterable[LeaseKey], now: float) -> list[LeaseKey]:
        """Extend the leases that a worker names; the answer is those that it does not have."""
        strangers = []
        for key in keys:
            if self.holds(worker, key):
                self._leases[key.node].deadline = now + self._ttl
            else:
                strangers.append(key)
        return strangers

    def holds(self, worker: str, key: LeaseKey) -> bool:
        """Whether a lease is out, and out to this worker."""
        held = self._leases.get(key.node)
        return held is not None and held.worker == worker and held.attempt == key.attempt

    def undelivered(self, worker: str, named: Collection[int], now: float) -> list[int]:
        """The nodes leased to a worker some time ago that it does not name: the answer must have been lost."""
        return [
            node
            for node in self._by_worker.get(worker, ())
            if node not in named and self._leases[node].granted + REDELIVER_AFTER < now
        ]

    def redelivery(self, worker: str, named: Collection[int]) -> float:
        """When the first of the leases that a worker does not name is to be sent once more; infinity for none."""
        unnamed = (self._leases[node] for node in self._by_worker.get(worker, ()) if node not in named)
        return min((held.granted + REDELIVER_AFTER for held in unnamed), default=math.inf)

    def delivered(self, nodes: Iterable[int], now: float) -> None:
        """Note that leases were sent once more."""
        for node in nodes:
            if node in self._leases:
                self._leases[node].granted = now

    def expired(self, now: float) -> list[tuple[int, int]]:
        """The leases whose time is over, as (node, attempt)."""
        return [(node, held.attempt) for node, held in self._leases.items() if held.deadline < now]

    def postpone(self, seconds: float) -> None:
        """Let every lease live on for so long."""
        for held in self._leases.values():
            held.deadline += seconds

    def holds_any(self, worker: str) -> bool:
        """Whether a worker holds a lease."""
        return worker in self._by_worker

    def holds_alone(self, worker: str) -> bool:
        """Whether a worker holds a lease beside which it is to have no other."""
        return any(self._leases[node].alone for node in self._by_worker.get(worker, ()))

    def workers(self) -> list[str]:
        """Who holds leases."""
        return list(self._by_worker)

    def of_worker(self, worker: str) -> list[tuple[int, int]]:
        """The leases of a worker, as (node, attempt)."""
        return [(node, self._leases[node].attempt) for node in self._by_worker.get(worker, ())]

    def forget(self, leases: Iterable[tuple[int, int]]) -> None:
        """Leases, given as (node, attempt), that were taken back: that is committed now."""
        for node, attempt in leases:
            held = self._leases.get(node)
            if held is not None and held.attempt == attempt:
                self.release(node)
