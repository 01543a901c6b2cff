"""Reads tasks, runs them one after the other, writes replies."""

from __future__ import annotations

import faulthandler
import fcntl
import functools
import gc
import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path

from covalent import context, secret
from covalent.context import Context
from covalent.transportable import payload
from covalent.wire.manifest import Kind
from covalent.wire.work import Outcome
from covalent.worker import channel, installed
from covalent.worker.disclosures import disclose
from covalent.worker.mark import Mark, Position
from covalent.worker.messages import EXIT_CUT_OFF, Bind, Ready, Reply, Task
from covalent.worker.runner import execution, failures, survival, writing
from covalent.worker.runner.outputs import Outputs
from covalent.worker.runner.surroundings import Surroundings
from covalent.worker.runner.writing import Written


def main() -> None:
    """Run tasks until the supervisor closes the socket. Arguments: the socket, the mark's file, the supervisor."""
    descriptor, mark_path, supervisor = sys.argv[1:]
    site = installed.stamps(installed.site_directories())
    survival.follow(int(supervisor))
    connection = socket.socket(fileno=int(descriptor))
    connection.set_inheritable(False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    # A segmentation fault shows where in Python it happened, in the task's stderr.
    faulthandler.enable()
    del sys.argv[1:]
    payload.prepare()
    gc.collect()
    gc.freeze()
    connection.sendall(channel.encode(Ready(site=site)))
    incoming = connection.makefile("rb", buffering=1 << 18)
    frame = channel.read_blocking(incoming)
    if frame is None:
        os._exit(0)
    bound, _ = channel.decode(Bind, frame)
    runner = Runner(bound, Mark(Path(mark_path)), f"{Path(mark_path).parent}/temporary")
    try:
        while (frame := channel.read_blocking(incoming)) is not None:
            reply = runner.run(frame)
            if reply is not None:
                connection.sendall(reply)
    except OSError:
        # The task closed descriptors that were not its own, or the supervisor has gone.
        os._exit(EXIT_CUT_OFF)
    # Threads that a task left behind must not keep the process.
    os._exit(0)


class Runner:
    """A runner that is bound to what it serves."""

    def __init__(self, bound: Bind, mark: Mark, temporary: str) -> None:
        """``temporary`` is where tasks have files that are of no use when they are over; it goes with the runner."""
        if bound.project is not None:
            _hold(bound.project)
            sys.path.insert(0, bound.project)
        if bound.secrets is not None:
            fcntl.fcntl(bound.secrets, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
            secret.tell(functools.partial(disclose, bound.secrets))
        self._mark = mark
        self._temporary = temporary
        self._cache = Path(bound.cache)
        self._checkpoints = bound.checkpoints
        self._functions = execution.Functions()
        self._outputs = Outputs()
        self._surroundings = Surroundings(bound.directory, self._outputs)
        self._spoiled = ""
        #: How many tasks it was sent.
        self._sequence = 0

    def run(self, frame: bytes) -> bytes | None:
        """The reply to one task, None when it was taken back or must not be run here any more."""
        task, blobs = channel.decode(Task, frame)
        self._sequence += 1
        stdout, stderr = self._outputs.ends()
        position = Position(begun=self._sequence, stdout=stdout, stderr=stderr, since=time.monotonic())
        if self._spoiled or not self._mark.begin(position):
            return None
        started_at = time.time()
        here = Context(
            dispatch_id=task.dispatch_id,
            task_id=task.node_id,
            attempt=task.attempt,
            checkpoints=f"{self._checkpoints}/{task.dispatch_id}-{task.node_id}",
            temporary=self._temporary,
        )
        end = self._attempt(task, blobs, here)
        ended_at, elapsed = time.time(), time.monotonic() - position.since
        self._spoiled = secret.masked(self._surroundings.leave())
        if end.error is None:
            _tidy_up(task, here.checkpoints)
        else:
            self._outputs.tell(f"{end.error}\n")
        # Looked at just now by leave(), unless something was printed since.
        ends = self._outputs.ends() if end.error is not None or self._spoiled else self._outputs.at
        reply = Reply(
            sequence=self._sequence,
            outcome=Outcome.COMPLETED if end.error is None else Outcome.FAILED,
            output=end.written.output,
            inline=tuple(end.written.inline),
            files=end.written.files,
            error=end.error,
            started_at=started_at,
            ended_at=ended_at,
            elapsed=elapsed,
            stdout=(stdout, ends[0]),
            stderr=(stderr, ends[1]),
            spoiled=self._spoiled,
        )
        return channel.encode(reply, list(end.written.inline.values()))

    def _attempt(self, task: Task, blobs: Sequence[memoryview], here: Context) -> _End:
        """Run a task's code; nothing that it raises gets past here."""
        try:
            self._surroundings.enter(task.directory, task.env)
            assets = execution.Assets(dict(zip(task.inline, blobs, strict=True)), task.files)
            with context.entered(here):
                value = execution.run(task, assets, self._functions)
                write = writing.sublattice if task.kind is Kind.SUBLATTICE else writing.value
                with context.giving(stores=task.store_files, directory=task.directory):
                    return _End(written=write(value, self._cache))
        except BaseException as error:  # noqa: BLE001  the boundary to the user's code: sys.exit fails the task alone
            return _End(error=failures.describe(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """What an attempt gave: an output, or an error."""

    written: Written = field(default_factory=Written)
    error: str | None = None


def _tidy_up(task: Task, checkpoints: str | None) -> None:
    """Remove what a task that was well needs no longer."""
    if task.directory is not None:
        if not task.keeps_directory:
            import shutil  # noqa: PLC0415 - few tasks have a directory

            shutil.rmtree(task.directory, ignore_errors=True)
        for path in (Path(task.directory), Path(task.directory).parent):
            with suppress(OSError):  # it holds what this task or another one wrote
                path.rmdir()
    if checkpoints is not None and os.path.isdir(checkpoints):  # noqa: PTH112  a Path costs more than the look
        import shutil  # noqa: PLC0415 - few tasks keep anything

        shutil.rmtree(checkpoints, ignore_errors=True)


def _hold(project: str) -> None:
    """Keep a project from being removed from the cache for as long as this process lives."""
    with suppress(OSError):
        fcntl.flock(os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), fcntl.LOCK_SH)
