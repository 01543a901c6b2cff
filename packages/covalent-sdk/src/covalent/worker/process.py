"""One runner process, seen from its supervisor."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from covalent.errors import WireError
from covalent.resources import Resources
from covalent.worker import channel, environment
from covalent.worker.disclosures import Disclosures
from covalent.worker.home import Home
from covalent.worker.layers.construction import program_directories
from covalent.worker.ledger import Held
from covalent.worker.mark import Mark, Position
from covalent.worker.messages import RUNNER_PROTOCOL, Bind, Ready, Reply, Task
from covalent.worker.streams import STREAMS, StreamFile

_CODE: Final = "from covalent.worker.runner.loop import main; main()"
_ERROR_BYTES: Final = 4000
#: A runner that closed its end of the socket has this long to end by itself, in seconds.
_EXIT_SECONDS: Final = 0.5


#: What a task takes that says nothing of it.
ANY: Final = Resources()


@dataclass(frozen=True, slots=True)
class RunnerKey:
    """What a runner serves. Tasks that differ in any of this never meet in one process."""

    owner: str
    python: str
    project: str | None
    directory: str
    #: Of the machine.
    resources: Resources = ANY
    #: Variables that must be there before it starts.
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Job:
    """A task that has all its inputs here."""

    held: Held
    key: RunnerKey
    bind: Bind
    task: Task
    blobs: list[bytes]
    tiny: bool = False
    #: Its number in the runner that it was sent to.
    sequence: int = 0
    #: Grows by one for every task that waits for a runner.
    number: int = 0
    #: How many runners ended when it was their turn to begin it.
    lost: int = 0
    #: Which files its streams are in.
    runner: Runner | None = field(default=None, repr=False)


class Runner:
    """A runner process, the tasks it was sent, and its streams."""

    def __init__(
        self,
        python: str,
        home: Home,
        environ: Mapping[str, str],
        processors: int,
        *,
        gpus: tuple[str, ...] = (),
        variables: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Raises OSError or ValueError when the interpreter cannot be started."""
        self.python = python
        #: What it has from its start, and a runner that was started for nothing in particular does not.
        self.gpus = gpus
        self.processors = processors
        self.variables = variables
        self.key: RunnerKey | None = None
        self.jobs: deque[Job] = deque()
        self.ready = False
        #: Why it must not be given another task; empty when it may.
        self.spoiled = ""
        #: When it last got its first task or finished one, by the monotonic clock.
        self.progress = 0.0
        #: How many slots its tasks take.
        self.weight = 1
        #: Whether it is being sent tasks ahead until it has enough.
        self.filling = False
        self.started_at = time.monotonic()
        #: Its site directories, and when they were modified, as it found them when it started.
        self.site: dict[str, int] = {}
        self._mismatch = ""
        self._sequence = 0
        self._marker = secrets.token_hex(8)
        self._directory = home.runners / self._marker
        for path in (self._directory, home.work, home.registry):  # a task may have removed what is not its own
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.streams = {name: StreamFile(self._directory, name) for name in STREAMS}
        #: The secrets that its tasks have looked up.
        self.disclosures = Disclosures()
        mark = self._directory / "mark"
        self._mark = Mark(mark)
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [python, "-P", "-c", _CODE, str(theirs.fileno()), str(mark), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self.streams["stdout"].descriptor,
                stderr=self.streams["stderr"].descriptor,
                pass_fds=[theirs.fileno(), self.disclosures.descriptor],
                start_new_session=True,
                cwd=home.work,
                env=environment.runner_environment(
                    environ,
                    marker=self._marker,
                    processors=processors,
                    programs=program_directories(python),
                    gpus=gpus,
                    variables=variables,
                ),
            )
        except (OSError, ValueError):
            ours.close()
            self._mark.close()
            self._remove_files()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        self._registered = home.registry / str(self.pid)
        self._registered.write_text(self._marker, encoding="ascii")
        self.channel = channel.Channel(ours)
        self.exit_descriptor = _pidfd(self.pid)

    def bind(self, key: RunnerKey, bind: Bind) -> None:
        """Serve this and nothing else from now on."""
        self.key = key
        self.channel.send(channel.encode(replace(bind, secrets=self.disclosures.descriptor)))

    def send(self, job: Job, now: float) -> None:
        """Hand over a task; it is run when those before it are done. Raises ValueError when it cannot be written."""
        try:
            message = channel.encode(job.task, job.blobs)
        except (TypeError, RecursionError) as error:
            raise ValueError(str(error)) from error
        self._sequence += 1
        job.sequence = self._sequence
        job.runner = self
        if not self.jobs:
            self.progress = now
        self.jobs.append(job)
        self.channel.send(message)

    def receive(self) -> Iterator[tuple[Job, Reply, list[memoryview]]]:
        """The tasks that are done. A runner that talks nonsense counts as one that has closed its end."""
        for frame in self.channel.receive():
            try:
                if not self.ready:
                    self._greeted(channel.decode(Ready, frame)[0])
                    continue
                reply, blobs = channel.decode(Reply, frame)
            except WireError as error:
                self._mismatch = f"it does not speak this worker's protocol: {error}"
                self.channel.ended = True
                return
            # Tasks are answered in order; those before this one were taken back.
            while self.jobs:
                job = self.jobs.popleft()
                if job.sequence == reply.sequence:
                    self.spoiled = self.spoiled or reply.spoiled
                    yield job, reply, blobs
                    break

    def _greeted(self, ready: Ready) -> None:
        self.ready = ready.protocol == RUNNER_PROTOCOL
        self.site = ready.site
        if not self.ready:
            self._mismatch = f"its covalent-sdk speaks runner protocol {ready.protocol}, this worker {RUNNER_PROTOCOL}"
            self.channel.ended = True

    def take_back(self) -> list[Job]:
        """The tasks that were not begun; they are not going to be."""
        begun = self._mark.revoke(self._sequence).begun
        taken = [job for job in self.jobs if job.sequence > begun]
        self.jobs = deque(job for job in self.jobs if job.sequence <= begun)
        return taken

    def position(self) -> Position:
        """Which task was begun last, and where its streams begin."""
        return self._mark.read()

    def current(self) -> Position | None:
        """Where the task that runs began, None while none of those that it was sent has begun."""
        position = self.position()
        return position if self.jobs and position.begun == self.jobs[0].sequence else None

    def startup_error(self) -> str:
        """Why a runner never became ready: what it printed last."""
        if self._mismatch:
            return self._mismatch
        stream = self.streams["stderr"]
        size = stream.size()
        printed = stream.read(max(0, size - _ERROR_BYTES), size).decode("utf-8", "replace").strip()
        return printed or "it ended, or did not get ready in time, without a word"

    def end(self) -> int | None:
        """Kill it with its process group; returns the status that it ended with by itself, else None.

        Its other children have become this process's. What it sent before can still be received, and its streams be
        read, until :meth:`remove`.
        """
        if self.channel.ended:  # a process that ends closes its files first
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_EXIT_SECONDS)
        status = self._process.poll()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        killed = self._process.wait()
        with suppress(FileNotFoundError):
            self._registered.unlink()
        return (None if killed == -signal.SIGKILL else killed) if status is None else status

    def remove(self) -> None:
        """Close and remove all that belonged to it."""
        self.channel.close()
        if self.exit_descriptor is not None:
            os.close(self.exit_descriptor)
        self._mark.close()
        self._remove_files()

    def _remove_files(self) -> None:
        self.disclosures.close()
        for stream in self.streams.values():
            stream.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None  # no such thing here; the runner's end of the socket tells instead


def interpreter_error(python: str, reason: str) -> str:
    """What to tell the user when no runner can be started."""
    path = Path(python)
    if "No module named" in reason:
        advice = f"run: {path} -m pip install covalent-sdk"
    elif "nknown option" in reason:  # of the options that start a runner, which an old Python does not know
        advice = "tasks need Python 3.11 or later: give the executor another one, as LocalExecutor(python='3.12')"
    else:
        advice = "give the executor's `python` an interpreter of this machine"
    return f"the interpreter {path} cannot run tasks: {reason}\n{advice}"
