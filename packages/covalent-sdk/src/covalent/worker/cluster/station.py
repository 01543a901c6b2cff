"""In the process of a Dask worker: the function that Dask calls for each task, and the outpost that it asks.

Nothing of a task gets into Dask's own process. Each of its threads hands an order over and waits for the result.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from covalent.worker import channel
from covalent.worker.cluster.messages import BEGUN, Post, Setup, number_of, numbered, packed, record_of

_CODE: Final = "from covalent.worker.cluster.outpost import main; main()"
#: An outpost without an order for so long is let go, in seconds.
_IDLE: Final = 60.0

_stations: dict[bytes, Station] = {}
_lock = threading.Lock()


def run(order: bytes, post: bytes) -> bytes:
    """Run one task; Dask calls it in one of its threads. Gives nothing when what ran the task was lost."""
    with _lock:
        station = _stations.get(post)
        if station is None or not station.enter():
            station = _stations[post] = _started(post)
    return station.run(order)


def _started(post: bytes) -> Station:
    from distributed import get_worker  # noqa: PLC0415 - only inside of a Dask worker

    worker = get_worker()
    known: Post = record_of(Post, post)

    def begun(tokens: bytes) -> None:
        worker.loop.add_callback(worker.log_event, known.topic, tokens.decode("ascii").split())

    def gone(station: Station) -> None:
        with _lock:
            if _stations.get(post) is station:
                del _stations[post]

    return Station(packed(Setup(post=known, slots=worker.state.nthreads)), begun, gone)


class Station:
    """One outpost, seen from its Dask worker."""

    def __init__(self, setup: bytes, begun: Callable[[bytes], None], gone: Callable[[Station], None]) -> None:
        """``begun`` is told the tokens of leases whose tasks have begun, ``gone`` of the outpost's end."""
        self._begun = begun
        self._gone = gone
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._count = 0
        #: Threads that are about to hand an order over, or wait for its result.
        self._inside = 1
        self._closed = False
        self._waiting: dict[int, _Waiting] = {}
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=dict(os.environ),
            )
        self._socket.sendall(numbered(BEGUN, setup))
        threading.Thread(target=self._read, name="covalent-outpost", daemon=True).start()

    def enter(self) -> bool:
        """Announce an order; False when the outpost is being let go."""
        with self._guard:
            self._inside += not self._closed
            return not self._closed

    def run(self, order: bytes) -> bytes:
        """Hand over an order that was announced, and wait; nothing when the outpost ends before it has a result."""
        waiting = _Waiting()
        with self._guard:
            self._count += 1
            number = self._count
            self._waiting[number] = waiting
            closed = self._closed
        try:
            if not closed:
                with self._writing:
                    self._socket.sendall(numbered(number, order))
                waiting.done.wait()
        except OSError:
            pass  # it has ended
        finally:
            with self._guard:
                self._waiting.pop(number, None)
                self._inside -= 1
        return waiting.result

    def _read(self) -> None:
        self._socket.settimeout(_IDLE)
        with suppress(OSError):
            while True:
                stream = self._socket.makefile("rb", buffering=1 << 18)
                try:
                    while (frame := channel.read_blocking(stream)) is not None:
                        self._answered(*number_of(frame))
                    break
                except TimeoutError:
                    if self._is_idle():
                        break
        self._end()

    def _answered(self, number: int, frame: bytes) -> None:
        if number == BEGUN:
            self._begun(frame)
            return
        waiting = self._waiting.get(number)
        if waiting is not None:
            waiting.result = frame
            waiting.done.set()

    def _is_idle(self) -> bool:
        with self._guard:
            self._closed = not self._inside
            return self._closed

    def _end(self) -> None:
        with self._guard:
            self._closed = True
            left = list(self._waiting.values())
        for waiting in left:
            waiting.done.set()
        self._gone(self)
        self._socket.close()
        self._process.wait()


class _Waiting:
    """A thread that waits for a result."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.result = b""


def missing(error: Any) -> str:
    """What to tell of an error that Dask itself has met while it ran a task of ours."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, ImportError) and str(getattr(error, "name", "")).partition(".")[0] == "covalent":
        return (
            f"the Dask workers cannot run tasks of Covalent: {text}\n"
            "install the SDK where they run, in the version of the bridge: pip install covalent-sdk"
        )
    return f"the Dask cluster could not run the task: {text}"
