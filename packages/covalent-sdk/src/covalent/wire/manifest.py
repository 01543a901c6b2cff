"""What a client sends to start a workflow: the transport graph as node-link JSON, and the digests it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from covalent.wire import PROTOCOL
from covalent.wire.triggers import Trigger


class Kind(StrEnum):
    """What a node is."""

    #: A call of a user's function, or an operator.
    TASK = "task"
    #: The small task that puts a workflow's return value together.
    COLLECT = "collect"
    #: The workflow function once more, with the values of its tasks in place of their calls.
    REPLAY = "replay"
    #: A lattice: a worker makes a manifest of it, which becomes a dispatch of its own.
    SUBLATTICE = "sublattice"

    @property
    def postprocesses(self) -> bool:
        """Whether it makes a workflow's return value out of what its tasks gave."""
        return self in (Kind.COLLECT, Kind.REPLAY)


#: The codec of the asset that a sublattice's task gives: its one part is the JSON of a manifest.
MANIFEST_CODEC: Final = "manifest"

#: How variables begin that no task may set: they decide which code is loaded, or which server is spoken to.
REFUSED_VARIABLES: Final = ("LD_", "PYTHON", "COVALENT_")

#: The value of an environment variable: a text, or ``{"secret": NAME}`` for what is looked up where the task runs.
Variable = str | dict[str, str]

#: The executor of a node that nobody leases: the client works it out when all else is done.
CLIENT_EXECUTOR: Final = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What is prepared before a task's calls."""

    #: Commands for the shell, in the order in which they run.
    bash: tuple[str, ...] = ()
    #: Lines of a requirements file: the packages of the layer in which the task runs.
    pip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What runs around a task's function: commands as text, calls by the digest of a pickled one."""

    deps: Deps | None = None
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
    #: How many failed attempts are followed by another, None for none.
    retries: int | None = None
    #: Seconds before the first retry; doubled for each further one.
    retry_delay: float | None = None
    #: Seconds that one attempt may take, None for any number.
    timeout: float | None = None
    #: Whether the output of an equal task, its function and inputs the same, may stand in for its own.
    cache: bool | None = None
    #: Environment variables of the task.
    env: dict[str, Variable] = field(default_factory=dict)
    #: Words that limits may go by, None for none.
    tags: tuple[str, ...] | None = None
    #: Whether the task is never begun twice, whatever becomes of it.
    at_most_once: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One task. Parameters, containers, item and attribute access are not tasks: they live in the templates."""

    id: int
    name: str
    #: The digest of the function, of a sublattice's node that of the lattice.
    function: str
    #: The identity of the function's code and everything it refers to; empty when it could not be told.
    function_id: str = ""
    kind: Kind = Kind.TASK
    #: Templates (see :mod:`covalent.wire.template`) of the positional arguments.
    args: tuple[Any, ...] = ()
    #: Templates of the keyword arguments.
    kwargs: dict[str, Any] = field(default_factory=dict)
    #: The keywords in the order of the call, where a function can tell and it is not that of the alphabet.
    keywords: tuple[str, ...] = ()
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
class LatticeRecord:
    """What a lattice says besides its function: enough to build its graph again, with other arguments."""

    doc: str | None = None
    #: What it gives to its tasks, as ``Lattice.metadata``.
    metadata: dict[str, Any]
    postprocess: str = "reconstruct"
    #: The names of the electrons that were replaced since, which its function does not know of.
    replaced: tuple[str, ...] = ()


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
    #: What the graph was built from, for the client to read.
    lattice: LatticeRecord | None = None
    #: What the dispatch is called, None for the graph's name.
    name: str | None = None
    #: Words to find the dispatch by.
    tags: tuple[str, ...] = ()
    #: Environment variables of all its tasks.
    env: dict[str, Variable] = field(default_factory=dict)
    #: Of dispatches whose tasks wait for the same workers, those of the higher priority get more of them.
    priority: int = 0
    #: True registers the dispatch without starting it.
    hold: bool = False
    #: A dispatch of the same owner whose completed nodes stand in for those that are the same here.
    reuse: str | None = None
    #: The dispatch that this one repeats, for people to read.
    redispatch_of: str | None = None
    #: What starts the dispatch by itself; one that has any is registered and not started.
    triggers: tuple[Trigger, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """A list of asset ids."""

    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to a manifest, given after it was committed."""

    dispatch_id: str
    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """What is to be cancelled of a dispatch."""

    #: Nodes by their numbers in the graph, None for the whole dispatch.
    nodes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """The return value that a client put together, by its digest."""

    result: str


def required_by(env: Mapping[str, Variable]) -> Iterator[str]:
    """The features that a worker needs for environment variables."""
    if env:
        yield "variables"
    if not all(isinstance(value, str) for value in env.values()):
        yield "secret-variables"
