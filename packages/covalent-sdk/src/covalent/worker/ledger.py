"""Which leases a worker holds, and which it has had. Pure bookkeeping, so that no lease is run twice here.

A lease that is delivered again, because an answer was lost or two requests crossed, is dropped by its token.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from covalent.wire.work import Environment, Lease, LeaseKey, Poll
from covalent.worker.layers import Layer

Buffer = bytes | bytearray | memoryview

_REMEMBERED: Final = 1 << 14


@dataclass(slots=True, kw_only=True)
class Held:
    """A lease that is this worker's, until its completion is acknowledged or it is given back."""

    lease: Lease
    #: The server was told that its task has begun.
    started_told: bool = False
    #: Its task has ended; its completion waits for an acknowledgement.
    ended: bool = False
    #: The layer of packages that its task runs in, once that is there.
    layer: Layer | None = None
    #: How much of each stream the server has.
    sent: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> Environment | None:
        """What the server is told of its layer."""
        layer = self.layer
        if layer is None:
            return None
        return Environment(key=layer.key, resolved=layer.resolved, warning=layer.warning, seconds=layer.seconds)


class Ledger:
    """The leases of one worker, by token."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._had: OrderedDict[str, None] = OrderedDict()
        #: How many leases still have a task to run.
        self.unfinished = 0

    def __len__(self) -> int:
        return len(self._held)

    def accept(self, leases: Iterable[Lease]) -> list[Held]:
        """Those of the leases that are new, from now on held."""
        new = []
        for lease in leases:
            token = lease.key.token
            if token not in self._held and token not in self._had:
                held = Held(lease=lease)
                self._held[token] = held
                self.unfinished += 1
                new.append(held)
        return new

    def get(self, key: LeaseKey) -> Held | None:
        """The lease of that key, when it is held."""
        return self._held.get(key.token)

    def forget(self, key: LeaseKey) -> None:
        """The lease is over: acknowledged, dropped or given back. It will not be accepted again, or at all."""
        held = self._held.pop(key.token, None)
        if held is not None:
            self.unfinished -= not held.ended
        self._had[key.token] = None
        if len(self._had) > _REMEMBERED:
            self._had.popitem(last=False)

    def keys(self) -> tuple[LeaseKey, ...]:
        """What is held, in the order it came."""
        return tuple(held.lease.key for held in self._held.values())

    def end(self, held: Held) -> None:
        """The task has ended; its completion waits for an acknowledgement."""
        held.ended = True
        self.unfinished -= 1

    def told(self, poll: Poll, blobs: Sequence[Buffer]) -> None:
        """The server has answered a message: it knows what has begun, has what was printed, and what has ended."""
        for key in poll.started:
            held = self._held.get(key.token)
            if held is not None:
                held.started_told = True
        for completion in poll.completions:
            self.forget(completion.key)
        for chunk in poll.streams:
            held = self._held.get(chunk.key.token)
            if held is not None:
                held.sent[chunk.stream] = max(held.sent.get(chunk.stream, 0), chunk.offset + len(blobs[chunk.blob]))
