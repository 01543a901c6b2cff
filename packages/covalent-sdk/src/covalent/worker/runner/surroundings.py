"""What a task must leave as it found it: directory, environment variables, streams, import path, limits, processes.

Directory, variables and streams are put back. What cannot be undone with certainty (threads, child processes, a
changed ``sys.path``, lowered limits, other signal handlers) spoils the runner: it is replaced before the next task.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Final

from covalent.worker.runner import survival

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


class Surroundings:
    """The state that every task of a runner starts in."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._variables = os.environ.copy()
        # Comparing what os.environ keeps inside costs 2 us a task, comparing decoded copies ten times that.
        self._encoded = dict(vars(os.environ).get("_data", {}))
        self._path = list(sys.path)
        self._streams = (sys.stdout, sys.stderr)
        self._process = os.getpid()
        self._limits = _limits()
        self._handlers = _handlers()

    def enter(self, directory: str | None) -> None:
        """Go to the task's own directory, or to the runner's."""
        if directory is not None:
            Path(directory).mkdir(parents=True, exist_ok=True)
        if directory is not None or not self._is_here():
            os.chdir(directory or self._directory)

    def leave(self) -> str:
        """Put back what can be; says what cannot."""
        if os.getpid() != self._process:
            # The task forked and its child returned out of the user's function: it must not go on as a second runner.
            os._exit(0)
        self.flush()
        self._put_back_variables()
        if not self._is_here():
            os.chdir(self._directory)
        if sys.path != self._path:
            return "the task changed sys.path"
        if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
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
            return os.getcwd() == self._directory  # noqa: PTH109  a string comparison for every task
        except FileNotFoundError:
            return False

    def _put_back_variables(self) -> None:
        if self._encoded and vars(os.environ)["_data"] == self._encoded:
            return
        for name in os.environ.keys() - self._variables.keys():
            del os.environ[name]
        for name, value in self._variables.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


def _limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(limit) for limit in _LIMITS]


def _handlers() -> list[object]:
    return [signal.getsignal(number) for number in _SIGNALS]
