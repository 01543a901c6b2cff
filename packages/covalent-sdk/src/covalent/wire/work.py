"""What workers and the server say to each other: leases out, completions in, heartbeats between."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from covalent.wire import PROTOCOL
from covalent.wire.manifest import Hooks, Kind, Variable


class Outcome(StrEnum):
    """How one attempt at a task ended."""

    #: The function returned and its value was written.
    COMPLETED = "completed"
    #: The user's function, a hook or the writing of its value raised.
    FAILED = "failed"
    #: The runner died under the task: killed, segmentation fault, ``os._exit``.
    DIED = "died"
    #: It ran longer than its timeout and was stopped.
    TIMED_OUT = "timed-out"


class Acknowledgement(StrEnum):
    """What became of a completion."""

    OK = "ok"
    #: This very completion was recorded before.
    DUPLICATE = "duplicate"
    #: Another attempt has taken over; the result was not taken.
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseKey:
    """The right to run one attempt at one task."""

    #: The node's number on the server.
    node: int
    attempt: int
    #: The fencing token.
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One attempt at one task, with all that is needed to run it but the bytes."""

    key: LeaseKey
    dispatch_id: str
    #: The node's number in its graph.
    node_id: int
    name: str
    owner: str
    kind: Kind = Kind.TASK
    function: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    #: Their order, where it matters.
    keywords: tuple[str, ...] = ()
    hooks: Hooks = field(default_factory=Hooks)
    executor_data: dict[str, Any] = field(default_factory=dict)
    #: Seconds that the attempt may take, None for any number.
    timeout: float | None = None
    #: Whether the task is begun only once an answer to ``Poll.started`` names it in ``Work.begin``.
    at_most_once: bool = False
    #: Environment variables of the task.
    env: dict[str, Variable] = field(default_factory=dict)
    #: The dispatch at the root of a sublattice's.
    root_dispatch_id: str = ""
    project: str | None = None
    #: The digest of each node's output that the templates mention, by the node's number in the graph.
    outputs: dict[str, str] = field(default_factory=dict)
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamChunk:
    """A piece of what a task printed; writing the same piece twice changes nothing."""

    key: LeaseKey
    #: ``stdout`` or ``stderr``.
    stream: str
    #: Where the piece begins, in bytes.
    offset: int
    #: Which blob of the frame holds it.
    blob: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The layer of packages in which a task ran."""

    #: What its worker keeps it by.
    key: str
    #: The packages that were installed for it, each with its version, as in ``pandas==2.2.3``.
    resolved: tuple[str, ...] = ()
    #: What the task's author should know of it: what it shadows, say. Empty when there is nothing.
    warning: str = ""
    #: How long it took to build, in seconds, whoever had it built.
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The end of one attempt."""

    key: LeaseKey
    outcome: Outcome
    #: The digest of the output, of a sublattice's task that of its manifest; its bytes are a blob of this frame or
    #: were uploaded before.
    output: str | None = None
    #: What went wrong, with the user's traceback.
    error: str | None = None
    #: Seconds since the epoch by the worker's clock, for people to read.
    started_at: float = 0.0
    ended_at: float = 0.0
    #: The layer that the task ran in, None when it needed none or none could be built.
    environment: Environment | None = None
    #: The directory on the worker's machine that a failed task left behind.
    workdir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A worker introduces itself."""

    protocol: int = PROTOCOL
    features: tuple[str, ...] = ()
    #: Random for every start of a process.
    worker: str
    pool: str
    slots: int
    host: str = ""
    pid: int = 0
    python: str = ""
    executable: str = ""
    cloudpickle: str = ""
    sdk: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The answer to a worker's introduction."""

    protocol: int = PROTOCOL
    instance: str
    #: Seconds after which a lease without a heartbeat expires.
    ttl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye:
    """A worker goes; what it still holds goes back."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Results in, leases out. The frame's blobs are ``assets`` in order, then the pieces of streams."""

    protocol: int = PROTOCOL
    worker: str
    #: How many leases are wanted.
    want: int = 0
    #: How long the answer may wait for a lease, or without ``want`` for a lease to be dropped, in seconds; ignored
    #: when completions come along.
    wait: float = 0.0
    #: Leases that the worker holds; those it was given and does not name are delivered again.
    held: tuple[LeaseKey, ...] = ()
    #: Leases among them whose task has begun, or, with ``Lease.at_most_once``, is to begin as soon as that is noted.
    started: tuple[LeaseKey, ...] = ()
    #: Leases among them whose environment is being built, so that their task can begin only later.
    preparing: tuple[LeaseKey, ...] = ()
    completions: tuple[Completion, ...] = ()
    #: Leases that are given back before their task has begun, at no cost to it.
    released: tuple[LeaseKey, ...] = ()
    #: The digests of the first blobs.
    assets: tuple[str, ...] = ()
    streams: tuple[StreamChunk, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The answer to a poll or a heartbeat. The frame's blobs are ``assets`` in order."""

    protocol: int = PROTOCOL
    instance: str
    #: One for each completion, in order.
    acknowledgements: tuple[Acknowledgement, ...] = ()
    leases: tuple[Lease, ...] = ()
    #: The digests of the blobs.
    assets: tuple[str, ...] = ()
    #: Leases that are no longer the worker's: drop them, stop them when they run.
    drop: tuple[LeaseKey, ...] = ()
    #: Those of the message's ``started`` with ``Lease.at_most_once`` that may begin: that they run is on the disk. One
    #: that is not named must not begin: its lease has ended.
    begin: tuple[LeaseKey, ...] = ()
    #: True when the worker is to finish what it runs and go.
    drain: bool = False
