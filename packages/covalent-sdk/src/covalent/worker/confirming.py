"""Tasks that are never begun twice: each waits here until the server has noted that it begins.

A server that takes a lease back has to know whether its task may have begun. Of other tasks it is told afterwards, and
what it was not told it may run again. One of these is handed to a slot only when the answer to a message that named it
as started names it in turn: then it is on the server's disk that it runs. An answer that does not name it says that
its lease has ended; a message that nobody answered is sent again.

The server is asked for no more of them at a time than there are slots, so that a worker that dies takes no more along
than could have begun. Pure bookkeeping, all in the loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import islice

from covalent.wire.work import LeaseKey
from covalent.worker.ledger import Held
from covalent.worker.process import Job


class Confirming:
    """The tasks that are to wait, by the tokens of their leases, in the order in which they came."""

    def __init__(self, slots: int, begin: Callable[[Job], None]) -> None:
        """``begin`` is given each job that may begin."""
        self._slots = slots
        self._begin = begin
        self._waiting: dict[str, Job] = {}
        #: Those that may begin, and have not ended.
        self._beginning: set[str] = set()

    def __len__(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    def take(self, job: Job) -> None:
        """A task that has all it needs."""
        self._waiting[job.held.lease.key.token] = job

    def asking(self) -> tuple[LeaseKey, ...]:
        """Those that are to begin as soon as the server has noted it."""
        room = max(0, self._slots - len(self._beginning))
        return tuple(job.held.lease.key for job in islice(self._waiting.values(), room))

    def answered(self, asked: Collection[LeaseKey], begin: Collection[LeaseKey]) -> list[Held]:
        """The server has answered a message that named these as started; those of its leases that have ended."""
        confirmed = {key.token for key in begin}
        ended = []
        for key in asked:
            job = self._waiting.pop(key.token, None)
            if job is not None and key.token in confirmed:
                self._beginning.add(key.token)
                self._begin(job)
            elif job is not None:
                ended.append(job.held)
        return ended

    def forget(self, key: LeaseKey) -> None:
        """The lease is over, or no longer this worker's."""
        self._waiting.pop(key.token, None)
        self._beginning.discard(key.token)

    def release(self) -> list[Job]:
        """Give up what waits, also what the server was asked for: none of it has begun, and none of it will."""
        jobs = list(self._waiting.values())
        self._waiting.clear()
        return jobs
