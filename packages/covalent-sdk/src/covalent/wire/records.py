"""What the server tells about dispatches, nodes, itself, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from covalent.status import Status
from covalent.wire.work import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetDescription:
    """What an asset's header claims; nothing of it was opened."""

    digest: str
    size: int
    type_name: str = ""
    object_string: str = ""
    json: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRecord:
    """A dispatch as it stands."""

    dispatch_id: str
    root_dispatch_id: str
    name: str
    status: Status
    #: Seconds since the epoch.
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    #: How many nodes have each status.
    node_counts: dict[str, int] = field(default_factory=dict)
    #: Of how many of those that are DISPATCHING the environment is being built.
    preparing: int = 0
    inputs: str | None = None
    workflow: str | None = None
    result: AssetDescription | None = None
    error: str | None = None
    tags: tuple[str, ...] = ()
    #: Of a sublattice's dispatch: the dispatch and the node that it belongs to.
    parent: str | None = None
    parent_node: int | None = None
    redispatch_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchList:
    """Dispatches, newest first."""

    dispatches: tuple[DispatchRecord, ...]
    #: The cursor of those that come after these; None when there are none.
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A node of a dispatch as it stands."""

    node_id: int
    node_name: str
    kind: str
    status: Status
    attempt: int = 0
    started_at: float | None = None
    ended_at: float | None = None
    output: AssetDescription | None = None
    error: str | None = None
    #: How many attempts failed or timed out.
    failures: int = 0
    #: When the next attempt is due, None unless one waits for its time.
    retry_at: float | None = None
    #: The latest dispatch of a sublattice's node.
    child: str | None = None
    #: The streams on which the attempt has printed something; None from a server that does not tell.
    printed: tuple[str, ...] | None = None
    #: Since when the environment of its task is being built, None unless it is.
    preparing_since: float | None = None
    #: The layer of packages that its task ran in.
    environment: Environment | None = None
    #: The directory on its worker's machine that its task, which failed, left behind.
    workdir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeList:
    """Nodes of a dispatch, in the graph's order."""

    nodes: tuple[NodeRecord, ...]
    #: The cursor of those that come after these; None when there are none.
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened; ``sequence`` grows in the order of commits."""

    sequence: int
    at: float
    kind: str
    dispatch_id: str | None = None
    node_id: int | None = None
    attempt: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventList:
    """Events after a cursor; ``resync`` when the cursor is older than what is kept."""

    events: tuple[Event, ...]
    resync: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The server about itself."""

    version: str
    protocol: int
    instance: str
    pid: int
    #: Where commands and workers of its own machine reach it.
    url: str
    #: Where others do; empty from a server that does not say.
    public_url: str = ""
    #: The SHA-256 of the certificate that it shows; empty when it speaks without encryption.
    certificate: str = ""
    #: ``armed``, or ``late`` when something had loaded an unpickler before the guard was armed.
    guard: str
    #: How often something in the server tried to unpickle and was refused; 0 unless something is wrong.
    refusals: int = 0
    started_at: float
    features: tuple[str, ...] = ()
    #: The short names of the executors it has; none from a server that does not say.
    executors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error as the server answers it (RFC 9457, ``application/problem+json``)."""

    #: A short name that programs may compare.
    code: str
    title: str
    status: int
    #: What to do next.
    detail: str = ""
    #: Where in the request the fault is.
    path: str | None = None
