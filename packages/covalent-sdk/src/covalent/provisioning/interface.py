"""What a plugin is: a class with three methods, and what they are given.

::

    from covalent.provisioning import Order, Provisioner


    class Cluster(Provisioner):
        executor = "cluster"

        def start(self, order: Order) -> str:
            script = order.script(python=order.attributes.get("python_path", "python3"))
            return submit(script)  # the job's number

        def ended(self, handle: str) -> str | None:
            return None if is_queued_or_runs(handle) else last_words(handle)

        def end(self, handle: str) -> None:
            cancel(handle)

The package names it in its metadata, in the environment that the provisioner runs in::

    [project.entry-points."covalent.provisioners"]
    cluster = "their_package:Cluster"
"""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

#: The variable in which a worker finds its token.
TOKEN_VARIABLE: Final = "COVALENT_TOKEN"  # noqa: S105 - the variable's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A pool in which tasks wait for workers."""

    #: Its number on the server.
    name: str
    #: What tasks say of their executor, without what each task has for itself (``workdir``, ``resources``, ``env`` …).
    attributes: Mapping[str, Any]
    #: How many tasks could begin now; a thousand stands for more.
    waiting: int
    #: How many workers report for it.
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One worker to be started."""

    #: A short name for it, unlike any other: for names of files and of jobs.
    name: str
    pool: str
    attributes: Mapping[str, Any]
    #: Where the worker reaches the server.
    url: str
    #: A file of certificates on this machine that vouch for the server's, None for those that a system trusts.
    ca_file: Path | None = None
    #: What it proves itself with there. It belongs on no command line, where every account of a machine can read it.
    token: str = field(repr=False)
    #: Exists, for this provisioner's account alone, until the worker has ended.
    directory: Path
    #: Seconds without a task after which the worker goes by itself.
    max_idle: float

    def arguments(self, *, url: str | None = None, slots: int | None = None) -> list[str]:
        """What follows the interpreter on the worker's command line.

        ``url`` is for a worker that needs another one, through a tunnel say; it is not told of this machine's file of
        certificates.
        """
        said = ["-P", "-m", "covalent.worker", "--server", url or self.url, "--pool", self.pool]
        said += ["--max-idle", f"{self.max_idle:g}"]
        said += ["--ca-file", str(self.ca_file)] if self.ca_file is not None and url is None else []
        return said if slots is None else [*said, "--slots", str(slots)]

    def environment(self) -> dict[str, str]:
        """The variables that the worker needs besides what its environment has."""
        return {TOKEN_VARIABLE: self.token}

    def script(self, *, python: str = "python3", url: str | None = None, slots: int | None = None) -> str:
        """A shell script that is the worker: token and all, for a file that nobody else can read."""
        command = shlex.join([python, *self.arguments(url=url, slots=slots)])
        return f"#!/bin/sh\nexport {TOKEN_VARIABLE}={shlex.quote(self.token)}\nexec {command}\n"


class Provisioner(ABC):
    """Starts, watches and ends workers in one kind of environment.

    Each worker has a thread of its own, in which these methods are called for it. What they raise is what users read
    of why no worker came; what they print is for who runs the provisioner.
    """

    #: The short name of the executors that it starts workers for.
    executor: ClassVar[str]
    #: Seconds between two looks at a worker.
    look_seconds: ClassVar[float] = 1.0
    #: Seconds after which a start, a look or an end that has not come back is reported as hanging.
    patience_seconds: ClassVar[float] = 300.0
    #: Seconds without a task after which a worker goes by itself.
    max_idle: ClassVar[float] = 300.0

    def workers_for(self, pool: Pool) -> int:
        """How many workers a pool is to have while tasks wait in it; one, unless a plugin knows better."""
        return min(1, pool.waiting)

    @abstractmethod
    def start(self, order: Order) -> str:
        """Start a worker; what it is known by from then on: a process's number, or a job's.

        Raise an exception to say why none can be started. The handle outlives this process: another one of the same
        name may be asked about it.
        """

    @abstractmethod
    def ended(self, handle: str) -> str | None:
        """None while the worker is there or may still come; its last words, or an empty text, once it has ended."""

    @abstractmethod
    def end(self, handle: str) -> None:
        """Have the worker finish what it runs and go; asked once."""

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what is held for all workers, at the end of the process."""
