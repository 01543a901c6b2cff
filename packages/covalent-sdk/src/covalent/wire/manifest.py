"""What a client sends to start a workflow: the transport graph as node-link JSON, and the digests it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from covalent.wire import PROTOCOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What runs around a task's function, by the digest of a pickled call."""

    call_before: tuple[str, ...] = ()
    call_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """How and where a task runs; resolved by the client, key by key."""

    #: The executor's short name.
    executor: str = "local"
    #: The executor's JSON attributes.
    executor_data: dict[str, Any] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One task. Parameters, containers, item and attribute access are not tasks: they live in the templates."""

    id: int
    name: str
    #: The digest of the function.
    function: str
    #: The identity of the function's code and everything it refers to; empty when it could not be told.
    function_id: str = ""
    #: ``task``, or ``collect`` for the small task that puts a workflow's return value together.
    kind: str = "task"
    #: Templates (see :mod:`covalent.wire.template`) of the positional arguments.
    args: tuple[Any, ...] = ()
    #: Templates of the keyword arguments.
    kwargs: dict[str, Any] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=Metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One use of a node's output by another node, or mere order (``param_type`` ``wait``)."""

    source: int
    target: int
    #: The parameter that takes the value.
    edge_name: str = ""
    #: ``arg``, ``kwarg`` or ``wait``.
    param_type: str = "arg"
    #: The position among the positional arguments, None for the others.
    arg_index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphAttributes:
    """What belongs to the graph as a whole."""

    name: str = ""
    #: The template of the workflow's value: one node's whole output, or one asset.
    output: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Node-link JSON of a transport graph."""

    directed: bool = True
    multigraph: bool = True
    graph: GraphAttributes = field(default_factory=GraphAttributes)
    nodes: tuple[Node, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Where a workflow was written; for people to read, and to refuse what cannot work."""

    host: str = ""
    python: str = ""
    sdk: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A workflow, ready to run: everything but the bytes of its assets."""

    protocol: int = PROTOCOL
    requires: tuple[str, ...] = ()
    graph: Graph
    #: The digest of ``{"args": tuple, "kwargs": dict}``.
    inputs: str | None = None
    #: The digest of the workflow function.
    workflow: str | None = None
    #: The digest of the user's own modules, None when none are needed.
    project: str | None = None
    client: Client = field(default_factory=Client)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """A list of asset ids."""

    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to a manifest, given after it was committed."""

    dispatch_id: str
    instance: str
