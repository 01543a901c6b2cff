"""The connection of a bridge to a Dask scheduler; the one module that has a client of Dask's.

What asks Dask for something waits in a thread of its own, in order; what fetches results in another one.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import time
import warnings
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import distributed

from covalent.errors import WorkerError
from covalent.resources import Resources
from covalent.transportable import payload
from covalent.worker.cluster import once, station
from covalent.worker.cluster.bridge import Handed, Listener
from covalent.worker.couriers import Courier
from covalent.worker.loop import Loop

#: How often the cluster is looked at, how long one look for its scheduler may take, and for how long a scheduler that
#: is away is looked for, in seconds.
_LOOK: Final = 1.0
_CONNECT: Final = 10.0
_AWAY: Final = 30.0
#: What Dask calls for each task: a builtin's work, so that neither a Dask worker without our packages nor one with
#: another Python has to unpickle anything of ours before it can say so.
_CALL: Final = "__import__('importlib').import_module('covalent.worker.cluster.station').run(order, post)"
#: Under which names a cluster's workers may have told what they have, and how much of it is one of ours.
_NAMES: Final[Mapping[str, tuple[frozenset[str], float]]] = {
    "cpus": (frozenset({"cpu", "cpus", "cores"}), 1.0),
    "gpus": (frozenset({"gpu", "gpus"}), 1.0),
    "memory": (frozenset({"memory", "mem"}), 1.0),
}


class DaskLink:
    """A client of one scheduler, with another one whenever that is lost; used by the loop's thread."""

    def __init__(self, address: str, post: bytes, topic: str, loop: Loop) -> None:
        """``post`` goes along with every task, ``topic`` is where outposts tell of those that have begun."""
        self._address = address
        self._post = post
        self._topic = topic
        self._loop = loop
        self._asking: Courier[Any] = Courier("covalent-dask", loop.mailbox)
        self._fetching: Courier[Any] = Courier("covalent-dask-results", loop.mailbox)
        self._client: Any = None
        self._futures: dict[str, Any] = {}
        self._done: deque[Any] = deque()
        #: What the workers say that they have besides threads: names of resources.
        self._offered: frozenset[str] = frozenset()
        self._away_since = time.monotonic()
        self.threads: int | None = None
        self.fault: str | None = None

    def open(self, listener: Listener) -> None:
        """Connect, and tell from now on."""
        self._listener = listener
        self._connect()

    def submit(self, tasks: Sequence[Handed]) -> None:
        """Have tasks run, each for itself."""
        client = self._client
        self._asking.send(lambda: self._map(client, tasks), self._keep, lambda error: self._unsent(tasks, error))

    def cancel(self, keys: Sequence[str]) -> None:
        """Have tasks not run that have not begun; what comes of the others is not heard of."""
        futures = [future for key in keys if (future := self._futures.pop(key, None)) is not None]
        if futures and self._client is not None:
            client = self._client
            self._asking.send(lambda: client.cancel(futures), _nothing, _nothing)

    def close(self) -> None:
        """End the connection; tasks that have not begun are not run."""
        self._futures.clear()
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close(timeout=2)
            self._client = None

    # -- connected or not

    def _connect(self) -> None:
        def failed(error: Exception) -> None:
            if isinstance(error, WorkerError):
                self.fault = str(error)
            elif time.monotonic() - self._away_since > _AWAY:
                self.fault = f"no Dask scheduler answers at {self._address}: {type(error).__name__}: {error}"
            else:
                self._loop.later(_LOOK, self._connect)

        self._asking.send(self._opened, self._connected, failed)

    def _opened(self) -> tuple[Any, int]:
        payload.carry(once)
        client = distributed.Client(
            self._address, timeout=_CONNECT, set_as_default=False, name="covalent-bridge", heartbeat_interval="5s"
        )
        try:
            _check_python(client)
            client.register_plugin(once.OnceOnly())
            client.subscribe_topic(self._topic, self._heard)
            return client, sum(client.nthreads().values())
        except Exception:
            client.close(timeout=2)
            raise

    def _connected(self, opened: tuple[Any, int]) -> None:
        self._client, self.threads = opened
        self._loop.later(_LOOK, self._look)

    def _look(self) -> None:
        """See how large the cluster is, and whether it is there."""
        client = self._client
        if client is None:
            return

        def seen(facts: tuple[int, frozenset[str]]) -> None:
            if client is self._client:
                self.threads, self._offered = facts
                self._loop.later(_LOOK, self._look)

        def failed(error: Exception) -> None:
            if client is self._client:
                self._lost(f"the connection to the Dask scheduler at {self._address} was lost ({error})")

        self._asking.send(lambda: _facts(client), seen, failed)

    def _lost(self, message: str) -> None:
        client, self._client, self.threads = self._client, None, None
        self._futures.clear()
        self._away_since = time.monotonic()
        self._listener.disconnected(message)
        self._asking.send(lambda: client.close(timeout=2), _nothing, _nothing)
        self._loop.later(_LOOK, self._connect)

    # -- tasks

    def _map(self, client: Any, tasks: Sequence[Handed]) -> list[Any]:
        """Hand tasks over; called in the asking thread."""
        futures: list[Any] = []
        for wanted, some in groupby(tasks, key=lambda task: task.resources):
            group = list(some)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of what it takes for a large graph
                futures += client.map(
                    eval,
                    [_CALL] * len(group),
                    [{"order": task.frame, "post": self._post} for task in group],
                    key=[task.key for task in group],
                    pure=False,
                    retries=0,
                    resources=self._resources(wanted),
                )
        return futures

    def _resources(self, wanted: Resources) -> dict[str, float] | None:
        """What a task takes, in the words of the workers; what none of them has told of is no matter for Dask."""
        found = {}
        for attribute, (names, unit) in _NAMES.items():
            amount = getattr(wanted, attribute)
            for name in self._offered:
                if amount and name.lower() in names:
                    found[name] = amount * unit
        return found or None

    def _keep(self, futures: Iterable[Any]) -> None:
        for future in futures:
            self._futures[future.key] = future
            future.add_done_callback(self._ended)

    def _unsent(self, tasks: Sequence[Handed], error: Exception) -> None:
        self._listener.lost([task.key for task in tasks], f"the Dask cluster does not take tasks: {error}")

    def _ended(self, future: Any) -> None:
        """A task is over, in whatever way; called in a thread of Dask's."""
        self._done.append(future)
        self._loop.mailbox.post(self._fetch)

    def _fetch(self) -> None:
        if not self._done or not self._fetching.idle:
            return
        done = list(self._done)
        self._done.clear()
        client = self._client

        def told(answers: tuple[dict[str, bytes], dict[str, str], dict[str, str]]) -> None:
            results, failures, lost = answers
            for future in done:
                self._futures.pop(future.key, None)
            self._listener.answered(results)
            for key, message in failures.items():
                self._listener.failed(key, message)
            for key, message in lost.items():
                self._listener.lost([key], message)
            self._fetch()

        def failed(error: Exception) -> None:
            told(({}, {}, {future.key: f"its result cannot be fetched from Dask ({error})" for future in done}))

        self._fetching.send(lambda: _answers(client, done), told, failed)

    def _heard(self, event: tuple[float, Sequence[str]]) -> None:
        """Tasks have begun; called in a thread of Dask's."""
        self._loop.mailbox.post(functools.partial(self._listener.begun, event[1]))


def _check_python(client: Any) -> None:
    """Raise WorkerError when the scheduler cannot be given the plugin: it is code, and runs on its own Python alone."""
    theirs = ".".join(client.sync(client.scheduler.versions)["host"]["python"].split(".")[:2])
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if theirs != ours:
        raise WorkerError(
            f"the Dask scheduler runs Python {theirs}, and this bridge Python {ours}; dispatch from Python {theirs}, "
            f"or start the scheduler with {ours}"
        )


def _facts(client: Any) -> tuple[int, frozenset[str]]:
    if client.status != "running":
        raise ConnectionError(f"the client is {client.status}")
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    threads = sum(client.nthreads().values())
    return threads, frozenset(name for worker in workers for name in worker.get("resources") or ())


def _answers(client: Any, done: Sequence[Any]) -> tuple[dict[str, bytes], dict[str, str], dict[str, str]]:
    """Results of tasks, errors of Dask's own, and what was lost with a worker, each by key."""
    failures: dict[str, str] = {}
    lost: dict[str, str] = {}
    finished = {}
    for future in done:
        if future.status == "finished":
            finished[future.key] = future
        elif future.status != "error":
            lost[future.key] = f"Dask has let go of it ({future.status})"
        elif isinstance(error := future.exception(), distributed.KilledWorker):
            lost[future.key] = f"the Dask worker that ran it was lost ({error.last_worker.address})"
        else:
            failures[future.key] = station.missing(error)
    results = client.gather(finished, errors="skip") if finished else {}
    return {key: results.get(key) or b"" for key in finished}, failures, lost


def _nothing(_: object) -> None:
    return
