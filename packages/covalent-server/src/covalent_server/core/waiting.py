"""Why a node is not running: from what is known of it to one reason, with what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from covalent.status import Status
from covalent.wire.limits import LimitKind
from covalent.wire.pool_tokens import WORKER_POOL
from covalent.wire.waiting import Waiting
from covalent_server.core.decisions import ALONE_AFTER
from covalent_server.core.staffing import Staffing, explained
from covalent_server.core.states import NodeState

#: Nodes that one answer names at most.
NAMED: Final = 20
#: The executor whose workers are bridges.
_CLUSTER: Final = "dask"
#: What becomes of a node whose worker is not heard of.
_GOES_ON: Final = "goes on with another worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class FullLimit:
    """A limit that lets nobody through."""

    kind: LimitKind
    name: str
    slots: int
    held: int
    #: The first of the nodes that hold it: their dispatches' ids and their numbers.
    holders: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """A node as the database knows it."""

    node_id: int
    node_name: str
    state: NodeState
    dispatch_status: Status
    #: How many of its parents have not completed, and the first of them.
    remaining: int = 0
    parents: tuple[int, ...] = ()
    pool: int = 0
    executor: str = ""
    place: str = ""
    #: The features that its worker must have.
    requires: frozenset[str] = frozenset()
    losses: int = 0
    #: Whether it is never begun twice.
    at_most_once: bool = False
    worker: str | None = None
    host: str = ""
    leased_at: float | None = None
    preparing_at: float | None = None
    started_at: float | None = None
    due_at: float | None = None
    child: str | None = None
    #: A limit that it falls under and that is full.
    limit: FullLimit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFacts:
    """A worker of the node's pool, as the engine knows it."""

    worker: str
    #: Features that it lacks.
    lacks: frozenset[str] = frozenset()
    #: When it was last heard of, in seconds since the epoch; None while it can be reached.
    silent_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reason:
    code: str
    message: str
    since: float | None = None
    due_at: float | None = None


def explain(
    node: NodeFacts, workers: Sequence[WorkerFacts], staffing: Staffing | None = None, url: str = "URL"
) -> Waiting:
    """Why a node is not running.

    ``workers`` are those of its pool, and ``staffing`` how it gets them where a provisioner starts them; ``url`` is
    where workers of other machines reach this server.
    """
    reason = _reason(node, workers, staffing, url)
    return Waiting(
        node_id=node.node_id,
        node_name=node.node_name,
        code=reason.code,
        message=reason.message,
        since=reason.since,
        due_at=reason.due_at,
        nodes=node.parents if reason.code in ("nodes", "blocked") else (),
        worker=node.worker if node.state.leased else None,
        child=node.child if node.state is NodeState.DISPATCHING else None,
        limit=node.limit.name if node.limit is not None and reason.code == "limit" else None,
    )


def _reason(node: NodeFacts, workers: Sequence[WorkerFacts], staffing: Staffing | None, url: str) -> _Reason:
    match node.state:
        case NodeState.WAITING | NodeState.LEFT_TO_CLIENT:
            return _waits(node)
        case NodeState.READY:
            return _ready(node, workers, staffing, url)
        case NodeState.LEASED | NodeState.PREPARING | NodeState.RUNNING:
            return _held(node, workers)
        case NodeState.DELAYED:
            message = f"its last attempt failed, and the next is due {_at(node.due_at)}; its error says why"
            return _Reason(code="retry", message=message, due_at=node.due_at)
        case NodeState.DISPATCHING:
            return _sublattice(node)
        case NodeState.BLOCKED:
            message = f"it never starts: {_named(node)} did not complete; mend that and redispatch"
            return _Reason(code="blocked", message=message)
        case _:
            return _Reason(code="ended", message=f"it has ended and is {node.state}; its result says more")


def _waits(node: NodeFacts) -> _Reason:
    if node.dispatch_status is Status.NEW_OBJECT:
        message = "its dispatch has not been started: its trigger starts it, or ct.redispatch(ID)() runs a copy now"
        return _Reason(code="not-started", message=message)
    if node.state is NodeState.LEFT_TO_CLIENT and node.dispatch_status is Status.PENDING_POSTPROCESSING:
        message = "it is left to the client: call ct.get_result(ID).post_process() where the workflow's packages are"
        return _Reason(code="client", message=message)
    return _Reason(code="nodes", message=f"it waits for {_named(node)}; ask why about those that do not run")


def _named(node: NodeFacts) -> str:
    if not node.parents:
        return "other nodes"
    more = max(0, node.remaining - len(node.parents))
    numbers = ", ".join(map(str, node.parents))
    return f"node{'s' if len(node.parents) + more > 1 else ''} {numbers}{f' and {more} others' if more else ''}"


def _ready(node: NodeFacts, workers: Sequence[WorkerFacts], staffing: Staffing | None, url: str) -> _Reason:
    command = f"covalent-worker --server {url} --pool {node.place}" if node.executor == WORKER_POOL else ""
    where = f"executor {node.executor!r}" + (f" with {node.place}" if node.place else "")
    if command:  # its workers are its user's to start
        where = f"pool {node.place}"
    if not workers and node.executor == _CLUSTER:
        message = (
            f"no bridge leads to the Dask cluster at {node.place}. The server starts one, for what was dispatched on "
            "its own machine alone; `covalent logs` says why not. Dispatch there what was dispatched elsewhere"
        )
        return _Reason(code="no-worker", message=message)
    if not workers:
        return _Reason(code="no-worker", message=_no_worker(node, where, staffing, command))
    heard = [worker for worker in workers if worker.silent_since is None]
    if not heard:
        since = max(worker.silent_since or 0.0 for worker in workers)
        return _silent(f"the workers of {where} have", since)
    lacking = [worker.lacks & node.requires for worker in heard]
    if all(lacking):
        names = ", ".join(sorted(lacking[0]))
        message = f"the workers of {where} do not have {names}; upgrade covalent-sdk there, then: "
        message += command or "covalent restart"
        return _Reason(code="old-worker", message=message)
    if node.limit is not None:
        return _Reason(code="limit", message=_full(node.limit))
    if node.losses >= ALONE_AFTER:
        message = (
            f"it was lost {node.losses} times with its worker, so it runs alone, once a worker of {where} has nothing "
            "else to do; wait, or give it less memory to need"
        )
        return _Reason(code="alone", message=message)
    message = f"the workers of {where} are busy with other tasks; wait"
    if command:
        message += f", or start another with: {command}"
    elif staffing is None:
        message += ", or start the server with more --local-slots"
    return _Reason(code="busy", message=message)


def _no_worker(node: NodeFacts, where: str, staffing: Staffing | None, command: str) -> str:
    if command:
        return f"no worker for {where}; start one with: {command}"
    if staffing is not None:
        return explained(staffing)
    message = f"no worker runs tasks of {where}; the server starts one by itself, and `covalent logs` says why not"
    if node.place:
        message += f". This has to work on the server's machine: {node.place} -m covalent.worker --help"
    return message


def _full(limit: FullLimit) -> str:
    which = "NAME SLOTS --executor" if limit.kind is LimitKind.EXECUTOR else "NAME SLOTS"
    dispatches: dict[str, list[int]] = {}
    for dispatch_id, number in limit.holders:
        dispatches.setdefault(dispatch_id, []).append(number)
    named = " and ".join(
        f"node{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))} of the dispatch {dispatch_id}"
        for dispatch_id, numbers in dispatches.items()
    )
    more = f" and {limit.held - len(limit.holders)} more" if limit.held > len(limit.holders) else ""
    held = f", held by {named}{more}" if named else ""
    return (
        f"the limit of the {limit.kind} {limit.name!r} is full: {limit.held} of {limit.slots}{held}; wait, or let more "
        f"run at a time: covalent limit set {which}"
    )


def _held(node: NodeFacts, workers: Sequence[WorkerFacts]) -> _Reason:
    who = f"worker {node.worker}" + (f" on {node.host}" if node.host else "")
    holder = next((worker for worker in workers if worker.worker == node.worker), None)
    if holder is None or holder.silent_since is not None:
        return _silent(
            f"{who} holds it and has",
            None if holder is None else holder.silent_since,
            "has failed then, because it has at_most_once=True and may have begun"
            if _may_have_begun(node)
            else _GOES_ON,
        )
    match node.state:
        case NodeState.PREPARING:
            message = f"its environment is built since {_at(node.preparing_at)} by {who}; wait, or cancel the node"
            return _Reason(code="environment", message=message, since=node.preparing_at)
        case NodeState.RUNNING if _may_have_begun(node):
            message = (
                f"{who} may begin it since {_at(node.started_at)}, once and for all: it has at_most_once=True; follow "
                "what it prints: covalent logs -f ID NODE"
            )
            return _Reason(code="running", message=message, since=node.started_at)
        case NodeState.RUNNING:
            message = f"it runs since {_at(node.started_at)} on {who}; follow what it prints: covalent logs -f ID NODE"
            return _Reason(code="running", message=message, since=node.started_at)
        case _:
            begins = "asks to begin it" if node.at_most_once else "begins it"
            message = f"{who} has leased it since {_at(node.leased_at)} and {begins} when a slot is free; wait"
            return _Reason(code="leased", message=message, since=node.leased_at)


def _may_have_begun(node: NodeFacts) -> bool:
    """Whether it is never begun twice, and its worker may have begun it."""
    return node.at_most_once and node.state is NodeState.RUNNING


def _silent(subject: str, since: float | None, then: str = _GOES_ON) -> _Reason:
    message = (
        f"{subject} not been heard of since {_at(since)}; its lease runs out by itself and the node {then}: see "
        "whether the worker's machine and process are still there"
    )
    return _Reason(code="unreachable", message=message, since=since)


def _sublattice(node: NodeFacts) -> _Reason:
    if node.child is None:
        return _Reason(code="sublattice", message="the dispatch of its sublattice is being made; ask again")
    message = f"its sublattice is the dispatch {node.child}, which has not ended; ask why about that one"
    return _Reason(code="sublattice", message=message)


def _at(moment: float | None) -> str:
    return "an unknown time" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
