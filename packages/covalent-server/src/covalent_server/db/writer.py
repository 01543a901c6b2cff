"""Group commit: every write goes through one thread, and everything queued meanwhile shares the next commit.

A caller is answered only after the commit that holds its operation. An operation is a function of a connection;
it may be run twice (a batch that fails is rolled back and its operations tried one by one, so that one bad
operation cannot fail its neighbours; one whose connection was lost is done again), so it touches nothing but the
database.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from covalent_server.core.measures import BATCH_SIZES, COMMIT_SECONDS, Histogram
from covalent_server.db.transactions import transactions
from covalent_server.errors import AlreadyRunningError, DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

#: Operations that share one commit at most.
MAX_BATCH = 512
#: Of a batch no operation alone would fare better.
_NOBODYS_FAULT = (DatabaseUnavailableError, AlreadyRunningError)


class Writer:
    """The thread that writes."""

    def __init__(self, engine: Engine) -> None:
        self._transactions = transactions(engine)
        self._queue: queue.SimpleQueue[tuple[Callable[[Connection], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self.commits = 0
        self.operations = 0
        #: How long commits took, and how many operations were in each.
        self.seconds = Histogram(COMMIT_SECONDS)
        self.sizes = Histogram(BATCH_SIZES)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what is queued, then stop."""
        self._queue.put(None)
        self._transactions.give_up()
        self._thread.join()
        self._transactions.close()

    def submit(self, operation: Callable[[Connection], T]) -> Future[T]:
        """Queue an operation; the future is done after its commit, with its value or its error."""
        future: Future[T] = Future()
        self._queue.put((operation, future))
        return future

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            batch = [first]
            last = self._drain_into(batch)
            # From here on nobody can withdraw an operation; what was withdrawn before is not done.
            wanted = [item for item in batch if item[1].set_running_or_notify_cancel()]
            if wanted:
                self._commit(wanted)
            if last:
                return

    def _drain_into(self, batch: list[tuple[Callable[[Connection], Any], Future[Any]]]) -> bool:
        """Add what else is queued; True when the end of the queue was closed."""
        while len(batch) < MAX_BATCH:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return False
            if item is None:
                return True
            batch.append(item)
        return False

    def _commit(self, batch: list[tuple[Callable[[Connection], Any], Future[Any]]]) -> None:
        began = time.perf_counter()
        try:
            values = self._transactions.run([operation for operation, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever an operation or the database raises belongs to its caller
            if len(batch) == 1 or isinstance(error, _NOBODYS_FAULT):
                for _, future in batch:
                    future.set_exception(error)
            else:
                for item in batch:
                    self._commit([item])
            return
        self.seconds.add(time.perf_counter() - began)
        self.sizes.add(len(batch))
        self.commits += 1
        self.operations += len(batch)
        for (_, future), value in zip(batch, values, strict=True):
            future.set_result(value)
