"""What the web page is told beside the records that everybody gets: dispatches and graphs seen as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from covalent.wire.manifest import Client
from covalent.wire.records import AssetDescription, DispatchRecord, NodeRecord, ServerInfo
from covalent.wire.waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReason:
    """Why nodes do not run, with one of them for an example."""

    code: str
    message: str
    #: How many of those that were looked at.
    count: int
    dispatch_id: str
    node_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How an account's dispatches stand altogether; those of sublattices are not counted."""

    #: The latest event that is in here.
    sequence: int
    #: How many dispatches have each status.
    counts: dict[str, int]
    #: The newest of those that are at work, and of those that failed.
    running: tuple[DispatchRecord, ...]
    failed: tuple[DispatchRecord, ...]
    #: How many nodes of dispatches at work, sublattices included, are in each state.
    nodes: dict[str, int]
    waiting: tuple[WaitingReason, ...]
    #: How many workers report.
    workers: int
    server: ServerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What is known of a function without opening it."""

    name: str
    doc: str | None = None
    #: Its text, None when its writer did not store it.
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCount:
    """How many nodes run in a place."""

    executor: str
    place: str
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """The dispatch of a sublattice."""

    dispatch_id: str
    name: str
    status: str
    #: The node that it belongs to.
    node_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchDetail:
    """A dispatch with what is known around it."""

    dispatch: DispatchRecord
    sequence: int
    #: How many nodes are in each state, which tells more than a status.
    states: dict[str, int]
    inputs: AssetDescription | None = None
    workflow: AssetDescription | None = None
    code: Code
    client: Client
    #: The names of its environment variables.
    env: tuple[str, ...] = ()
    priority: int = 0
    executors: tuple[PlaceCount, ...] = ()
    #: The first of its sublattices.
    children: tuple[Child, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A graph, column by column: what is here at position ``i`` belongs to the i-th node.

    ``ids`` and ``targets`` are written as differences: the first number, then what each adds to the one before.
    """

    dispatch_id: str
    #: The latest event that ``states`` knows of.
    sequence: int
    count: int
    #: The nodes' numbers, as differences.
    ids: tuple[int, ...]
    #: For each node where its name is in ``names``; likewise the others.
    names: tuple[str, ...]
    name: tuple[int, ...]
    kinds: tuple[str, ...]
    kind: tuple[int, ...]
    executors: tuple[str, ...]
    executor: tuple[int, ...]
    #: How many groups there are, and for each node which it is in: those of a group are alike.
    groups: int
    group: tuple[int, ...]
    #: The positions of parent and child for each linked pair, by children in order; these as differences.
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    #: A letter for each node: W waiting, Y ready, L leased, P preparing, R running, D delayed, S dispatching,
    #: T left to the client, C completed, F failed, X cancelled, B blocked.
    states: str


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """Where the nodes of a graph stand, as in :class:`Columns`."""

    dispatch_id: str
    sequence: int
    states: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When the nodes of a graph began and ended, by their positions, in milliseconds since ``origin``."""

    dispatch_id: str
    sequence: int
    #: Seconds since the epoch.
    origin: float
    started: tuple[int | None, ...]
    ended: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A node that another one takes a value from, or gives one to."""

    node_id: int
    node_name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """What a node takes for one parameter."""

    name: str
    #: Where its value comes from; see ``covalent.wire.template``.
    template: Any
    #: Of the assets that it names, and the nodes.
    assets: tuple[AssetDescription, ...] = ()
    nodes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a node, told from its events."""

    attempt: int
    began_at: float
    ended_at: float | None
    #: Where the node stood at last.
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerName:
    """The worker that has a node."""

    id: str
    host: str = ""
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDetail:
    """A node with what is known around it."""

    node: NodeRecord
    position: int
    state: str
    executor: str
    place: str
    executor_data: dict[str, Any] = field(default_factory=dict)
    worker: WorkerName | None = None
    #: None once it has ended.
    why: Waiting | None = None
    function: AssetDescription | None = None
    code: Code
    retries: int | None = None
    timeout: float | None = None
    tags: tuple[str, ...] = ()
    inputs: tuple[Argument, ...] = ()
    #: The first of them, and how many there are.
    parents: tuple[Neighbour, ...] = ()
    children: tuple[Neighbour, ...] = ()
    parent_count: int = 0
    child_count: int = 0
    #: The latest, oldest first.
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redispatch:
    """How a dispatch is to be repeated."""

    #: True takes over what its completed nodes gave.
    reuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """Words to find a dispatch by."""

    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A line of what a task printed that holds what was searched for."""

    #: Where the line begins, in bytes.
    offset: int
    #: Its number, from 1.
    line: int
    #: The line, cut when it is very long.
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchList:
    """The first lines that hold a text."""

    matches: tuple[Match, ...]
    #: Whether there are further ones.
    more: bool = False
