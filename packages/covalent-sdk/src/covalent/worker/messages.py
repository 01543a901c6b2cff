"""What a supervisor and its runners say to each other.

The runner may have another version of this package than the supervisor (it runs in the user's interpreter): the
rules of :mod:`covalent.wire` hold here, too. A field may be added; an unknown one is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from covalent.wire.manifest import Hooks, Kind, Variable
from covalent.wire.work import Outcome

#: Raised when supervisors and runners of different versions cannot talk at all.
RUNNER_PROTOCOL: Final = 1
#: What a runner exits with when a task closed what it needs to talk to its supervisor.
EXIT_CUT_OFF: Final = 121
#: The longest error text, in UTF-8 bytes; of a longer one the beginning and the end are kept.
ERROR_BYTES: Final = 16 * 1024
_HEAD_BYTES: Final = 6 * 1024
_TAIL_BYTES: Final = ERROR_BYTES - _HEAD_BYTES - 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A runner has started and waits."""

    protocol: int = RUNNER_PROTOCOL
    #: When each of its site directories was modified, as it found them; empty from versions that do not say.
    site: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """What a runner serves from now on, and nothing else."""

    #: The directory of the user's own modules, to be first on ``sys.path``.
    project: str | None = None
    #: Where tasks run that have no directory of their own.
    directory: str
    #: Where large outputs are written, named by their digest.
    cache: str
    #: Where tasks keep what a next attempt can use, each in a directory of its own.
    checkpoints: str
    #: The descriptor that the values of secrets are written to, so that they are hidden in what the tasks print.
    secrets: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task, with all that is needed to run it. The frame's blobs are the ``inline`` assets in order."""

    function: str
    #: What the user calls it, for messages.
    name: str = ""
    kind: Kind = Kind.TASK
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    #: Their order, where it matters.
    keywords: tuple[str, ...] = ()
    hooks: Hooks = field(default_factory=Hooks)
    #: What its user should know of its environment, to be printed before anything of the task is.
    notice: str = ""
    #: The digest of each node's output that the templates mention, by the node's number.
    outputs: dict[str, str] = field(default_factory=dict)
    inline: tuple[str, ...] = ()
    #: Where the other assets lie, by digest.
    files: dict[str, str] = field(default_factory=dict)
    #: The task's own directory.
    directory: str | None = None
    #: Whether that stays when the task is well; one that is left empty goes anyhow.
    keeps_directory: bool = True
    #: Whether files that it returns are stored.
    store_files: bool = True
    #: What the task may know of its own run.
    dispatch_id: str | None = None
    node_id: int | None = None
    attempt: int | None = None
    #: Environment variables, besides those of the runner.
    env: dict[str, Variable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How a task ended. The frame's blobs are the ``inline`` assets in order."""

    #: Which task it is of all that the runner was sent, counted from one by both sides.
    sequence: int
    outcome: Outcome
    #: The digest of the output; of a sublattice, of its manifest, which comes with all assets that it names.
    output: str | None = None
    inline: tuple[str, ...] = ()
    #: Where the other assets lie, by digest.
    files: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    #: Seconds since the epoch.
    started_at: float
    ended_at: float
    #: How long it took, in seconds, by a clock that is never set.
    elapsed: float
    #: Where in the runner's stream files the task's output begins and ends.
    stdout: tuple[int, int]
    stderr: tuple[int, int]
    #: Why the runner must not run another task; empty when it may.
    spoiled: str = ""


def sendable(text: str) -> str:
    """An error text that every reader and database takes: no lone surrogates, no NUL, not without end."""
    data = text.encode("utf-8", "backslashreplace").replace(b"\0", "\ufffd".encode())
    if len(data) <= ERROR_BYTES:
        return data.decode()
    head, tail = data[:_HEAD_BYTES].decode("utf-8", "ignore"), data[-_TAIL_BYTES:].decode("utf-8", "ignore")
    return f"{head}\n[covalent: {len(data) - _HEAD_BYTES - _TAIL_BYTES} bytes cut]\n{tail}"
