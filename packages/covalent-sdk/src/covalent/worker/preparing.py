"""Tasks whose environment is not there yet: each waits for its layer, and one layer is built once for all of them.

Building takes seconds to minutes. Until then nothing of such a task counts: it holds no slot, and the worker asks for
other tasks as if it did not have it. Several layers are built at a time, in the order in which they were asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from covalent.wire.work import LeaseKey
from covalent.worker.couriers import Courier, Mailbox
from covalent.worker.layers import Layer

#: Layers that are built at the same time.
_BUILDERS: Final = 4

#: An interpreter, and what its environment lacks.
Need = tuple[str, tuple[str, ...]]
Done = Callable[[Layer], None]
Failed = Callable[[Exception], None]


class Environments(Protocol):
    """Where layers come from."""

    def find(self, python: str, requirements: tuple[str, ...]) -> Layer | None:
        """A layer that is there already; takes less than a millisecond."""

    def build(self, python: str, requirements: tuple[str, ...]) -> Layer:
        """Build it and wait for it; raises WorkerError with the reason why it cannot be built."""

    def stop(self) -> None:
        """End what is being built."""


@dataclass(slots=True, kw_only=True)
class _Wanted:
    """A layer that is wanted, and by whom: by the token of each one's lease."""

    waiting: dict[str, tuple[Done, Failed]] = field(default_factory=dict)
    building: bool = False


class Preparation:
    """The layers that are wanted and not there. All but the building itself happens in the loop's thread."""

    def __init__(self, environments: Environments, mailbox: Mailbox) -> None:
        self._environments = environments
        self._mailbox = mailbox
        self._couriers: list[Courier[Layer]] = []
        self._wanted: dict[Need, _Wanted] = {}
        self._queue: deque[Need] = deque()
        #: What each lease that waits is waiting for.
        self._needs: dict[str, Need] = {}
        #: Leases of which the server does not know that they wait.
        self._untold: dict[str, LeaseKey] = {}
        self._stopped = False

    @property
    def waiting(self) -> int:
        """How many leases wait for a layer."""
        return len(self._needs)

    def find(self, need: Need) -> Layer | None:
        """A layer that is there already."""
        return self._environments.find(*need)

    def want(self, need: Need, key: LeaseKey, done: Done, failed: Failed) -> None:
        """Have a layer built for a lease; one of the calls is made unless the lease is forgotten before."""
        wanted = self._wanted.get(need)
        if wanted is None:
            wanted = self._wanted[need] = _Wanted()
            self._queue.append(need)
        wanted.waiting[key.token] = (done, failed)
        self._needs[key.token] = need
        self._untold[key.token] = key
        self._start()

    def forget(self, key: LeaseKey) -> None:
        """The lease is no longer this worker's. What is being built goes on: its task may come again."""
        self._untold.pop(key.token, None)
        need = self._needs.pop(key.token, None)
        if need is not None:
            wanted = self._wanted[need]
            del wanted.waiting[key.token]
            if not wanted.waiting and not wanted.building:
                del self._wanted[need]
                self._queue.remove(need)

    def untold(self) -> tuple[LeaseKey, ...]:
        """Leases that wait, and of which the server does not know that."""
        return tuple(self._untold.values())

    def told(self, keys: Iterable[LeaseKey]) -> None:
        """The server has answered a message that named these."""
        for key in keys:
            self._untold.pop(key.token, None)

    def stop(self) -> None:
        """End what is being built, and begin nothing more."""
        self._stopped = True
        self._environments.stop()

    def _start(self) -> None:
        while self._queue and not self._stopped and (courier := self._free()) is not None:
            need = self._queue.popleft()
            self._wanted[need].building = True
            self._send(courier, need)

    def _free(self) -> Courier[Layer] | None:
        for courier in self._couriers:
            if courier.idle:
                return courier
        if len(self._couriers) < _BUILDERS:
            self._couriers.append(Courier(f"covalent-build-{len(self._couriers)}", self._mailbox))
            return self._couriers[-1]
        return None

    def _send(self, courier: Courier[Layer], need: Need) -> None:
        def done(layer: Layer) -> None:
            for ready, _ in self._over(need):
                ready(layer)

        def failed(error: Exception) -> None:
            for _, refused in self._over(need):
                refused(error)

        courier.send(lambda: self._environments.build(*need), done, failed)

    def _over(self, need: Need) -> list[tuple[Done, Failed]]:
        """Those who waited for what has been built, or cannot be."""
        waiting = self._wanted.pop(need).waiting
        for token in waiting:
            del self._needs[token]
            self._untold.pop(token, None)
        self._start()
        return list(waiting.values())
