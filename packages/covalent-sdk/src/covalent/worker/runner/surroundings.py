"""What a task must leave as it found it: directory, environment variables, streams, import path, limits, processes.

Directory, variables, umask and streams are put back. What cannot be undone with certainty (threads, child processes,
other descriptors 1 and 2, a changed ``sys.path``, lowered limits, other signal handlers) spoils the runner: it is
replaced before the next task.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from covalent import secret
from covalent.wire.manifest import Variable
from covalent.worker.runner import survival
from covalent.worker.runner.failures import TaskFailedError
from covalent.worker.runner.outputs import Outputs

#: What Python programs limit or handle; looking at everything would cost as much as a tiny task.
_LIMITS: Final = (
    resource.RLIMIT_AS,
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_STACK,
)
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD)
#: The thread that writes a value's preview on the clock; it may outlive its task, and prints nothing.
_OUR_THREAD: Final = "covalent-preview"


class Surroundings:
    """The state that every task of a runner starts in."""

    def __init__(self, directory: str, outputs: Outputs) -> None:
        """``directory`` is where tasks run that have none of their own; it is made when it is needed."""
        self._directory = directory
        #: The same as the system names it, once the runner has been there.
        self._here: str | None = None
        self._outputs = outputs
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._variables = os.environ.copy()
        # Comparing what os.environ keeps inside costs 2 us a task, comparing decoded copies ten times that.
        self._encoded = dict(vars(os.environ).get("_data", {}))
        self._path = list(sys.path)
        self._streams = (sys.stdout, sys.stderr)
        self._process = os.getpid()
        self._limits = _limits()
        self._handlers = _handlers()

    def enter(self, directory: str | None, variables: Mapping[str, Variable]) -> None:
        """Set the task's variables, go to its directory or the runner's; TaskFailedError when that cannot be."""
        if variables:
            os.environ.update(secret.variables(variables))
        if not self._is_here():
            _go_to(self._directory)
            self._here = os.getcwd()  # noqa: PTH109
        if directory is not None:
            _go_to(directory)

    def leave(self) -> str:
        """Put back what can be; says what cannot."""
        if os.getpid() != self._process:
            # The task forked and its child returned out of the user's function: it must not go on as a second runner.
            os._exit(0)
        try:
            return self._put_back() or self._left_behind()
        except BaseException as error:  # noqa: BLE001  a signal's handler, for one, may raise anything here
            return f"what the task changed cannot be put back: {type(error).__name__}: {error}"

    def _put_back(self) -> str:
        self.flush()
        intact = self._outputs.put_back()
        self._put_back_variables()
        os.umask(self._umask)
        if self._here is not None and not self._is_here():
            with suppress(OSError):  # the task removed it; the next one makes it again
                os.chdir(self._here)
        if not intact:
            return "the task closed or replaced file descriptor 1 or 2"
        return "the task closed sys.stdout or sys.stderr" if any(stream.closed for stream in self._streams) else ""

    def _left_behind(self) -> str:
        if sys.path != self._path:
            return "the task changed sys.path"
        main = threading.main_thread()
        if any(thread is not main and thread.name != _OUR_THREAD for thread in threading.enumerate()):
            return "the task left a thread behind"
        if _limits() != self._limits:
            return "the task changed its resource limits"
        if _handlers() != self._handlers:
            return "the task changed how signals are handled"
        if survival.has_children():
            return "the task left a child process behind"
        return ""

    def flush(self) -> None:
        """Write out everything printed so far, also by the task's own replacements of the streams."""
        for stream in {sys.stdout, sys.stderr, *self._streams}:
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                continue  # closed or replaced by something that is no stream
        sys.stdout, sys.stderr = self._streams
        survival.flush_c_streams()

    def _is_here(self) -> bool:
        try:
            return os.getcwd() == self._here  # noqa: PTH109  a string comparison for every task
        except OSError:
            return False

    def _put_back_variables(self) -> None:
        if self._encoded and vars(os.environ)["_data"] == self._encoded:
            return
        for name in os.environ.keys() - self._variables.keys():
            del os.environ[name]
        for name, value in self._variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


def _go_to(directory: str) -> None:
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        os.chdir(directory)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        message = (
            f"the task cannot run in the directory {directory!r}: {reason}; "
            "give its executor a `workdir` that can be made and entered on the worker's machine"
        )
        raise TaskFailedError(message) from error


def _limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(limit) for limit in _LIMITS]


def _handlers() -> list[object]:
    return [signal.getsignal(number) for number in _SIGNALS]
