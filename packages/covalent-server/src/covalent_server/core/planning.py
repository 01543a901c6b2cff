"""From a manifest's graph to rows that can be scheduled; every fault is named by its path.

The graph is data from outside: nothing of it is trusted. Digests are only checked for their form here; whether
they belong to the caller is asked of the database.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from covalent.errors import WireError
from covalent.status import Status
from covalent.wire import template
from covalent.wire.links import pairs
from covalent.wire.manifest import CLIENT_EXECUTOR, REFUSED_VARIABLES, Graph, Link, Manifest, Node, Variable
from covalent_server.core.states import NodeState

MAX_NAME: Final = 1024
MAX_TAGS: Final = 100
MAX_TAG: Final = 200
#: Characters of all environment variables of a task together: each of its leases carries them.
MAX_ENVIRONMENT: Final = 64 * 1024
MAX_COMMAND: Final = 64 * 1024
MAX_PRIORITY: Final = 1_000_000
_PARAM_TYPES: Final = frozenset({"arg", "kwarg", "wait"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A graph that can be scheduled."""

    #: The distinct parents of each node, by number.
    parents: Mapping[int, frozenset[int]]
    #: Every digest the manifest names, with the path of its first mention.
    assets: Mapping[str, str]
    #: The node whose output is the workflow's value, or None when ``constant`` is.
    output_node: int | None
    constant: str | None
    #: Whether the output node puts the workflow's value together, and whether that is left to the client.
    postprocesses: bool = False
    left_to_client: bool = False


def plan(manifest: Manifest) -> Plan:
    """Check a manifest and plan its graph; raises WireError at the first fault."""
    graph = manifest.graph
    if not graph.directed:
        raise WireError("the graph must be directed", path="graph.directed")
    assets = dict(_assets(manifest))
    parents = _parents(graph)
    _check_acyclic(parents)
    output_node, constant = _output(graph, assets)
    last = _postprocessing(graph, output_node)
    if last is not None and any(last.id in sources for sources in parents.values()):
        raise WireError(
            f"the node {last.id} puts the workflow's value together: no other waits for it", path="graph.links"
        )
    return Plan(
        parents=parents,
        assets=assets,
        output_node=output_node,
        constant=constant,
        postprocesses=last is not None,
        left_to_client=last is not None and last.metadata.executor == CLIENT_EXECUTOR,
    )


def conclude(*, failed: int, cancelled: int, output: NodeState | None = None, postprocesses: bool = False) -> Status:
    """How a dispatch ends whose nodes have all ended; a failure weighs more than a cancellation.

    ``output`` is how the node stands whose output is the workflow's value, ``postprocesses`` whether it is one that
    puts the value together.
    """
    if failed == 1 and not cancelled and postprocesses and output is NodeState.FAILED:
        return Status.FAILED_POSTPROCESSING
    if failed:
        return Status.FAILED
    if cancelled:
        return Status.CANCELLED
    return Status.PENDING_POSTPROCESSING if output is NodeState.LEFT_TO_CLIENT else Status.COMPLETED


def check_text(text: str, path: str, limit: int = MAX_NAME) -> None:
    """Refuse a string that cannot be stored or shown: too long, with NUL, or with half a surrogate pair."""
    if len(text) > limit:
        raise WireError(f"longer than {limit} characters", path=path)
    if "\0" in text:
        raise WireError("holds a NUL character", path=path)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise WireError("holds half a surrogate pair", path=path) from None


def _assets(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Every digest with its path, each digest once."""
    seen: set[str] = set()
    for digest, path in _mentions(manifest):
        if digest in seen:
            continue
        if not template.is_digest(digest):
            raise WireError("expected a digest of 64 lowercase hexadecimal digits", path=path)
        seen.add(digest)
        yield digest, path


def _mentions(manifest: Manifest) -> Iterator[tuple[str, str]]:
    _check_texts(manifest)
    for name in ("inputs", "workflow", "project"):
        digest = getattr(manifest, name)
        if digest is not None:
            yield digest, name
    for index, trigger in enumerate(manifest.triggers):
        if trigger.directory is not None:
            yield trigger.directory.function, f"triggers[{index}].directory.function"
            yield trigger.directory.seen, f"triggers[{index}].directory.seen"
    check_text(manifest.graph.graph.name, "graph.graph.name")
    for index, node in enumerate(manifest.graph.nodes):
        path = f"graph.nodes[{index}]"
        check_text(node.name, f"{path}.name")
        _check_metadata(node, f"{path}.metadata")
        yield node.function, f"{path}.function"
        yield from _input_mentions(node, path)
        for hook in (*node.metadata.hooks.call_before, *node.metadata.hooks.call_after):
            yield hook, f"{path}.metadata.hooks"


def _check_texts(manifest: Manifest) -> None:
    """What is said of the dispatch as a whole can be stored."""
    check_text(manifest.name or "", "name")
    check_tags(manifest.tags, "tags")
    for name in ("reuse", "redispatch_of"):
        check_text(getattr(manifest, name) or "", name)
    if not -MAX_PRIORITY <= manifest.priority <= MAX_PRIORITY:
        raise WireError(f"expected a whole number from {-MAX_PRIORITY} to {MAX_PRIORITY}", path="priority")


def check_tags(tags: Sequence[str], path: str) -> None:
    """Refuse more tags than anybody finds something by, and what cannot be one."""
    if len(tags) > MAX_TAGS:
        raise WireError(f"more than {MAX_TAGS} tags", path=path)
    for index, tag in enumerate(tags):
        check_text(tag, f"{path}[{index}]", MAX_TAG)


def environment(
    inherited: Mapping[str, Variable], own: Mapping[str, Variable], path: str = "env"
) -> dict[str, Variable]:
    """The variables of a dispatch's tasks, or of one, checked; those of its own win."""
    variables = {**inherited, **own}
    for name, value in variables.items():
        check_text(name, path)
        if not isinstance(value, str) and value.keys() != {"secret"}:
            raise WireError("expected a text, or an object that names a secret", path=f"{path}.{name}")
        check_text(value if isinstance(value, str) else value["secret"], f"{path}.{name}", MAX_ENVIRONMENT)
        if not name or "=" in name or name.startswith(REFUSED_VARIABLES):
            raise WireError(
                f"the variable {name!r} cannot be set for tasks: no {'*, '.join(REFUSED_VARIABLES)}*, "
                "and no name that is empty or holds =",
                path=path,
            )
    if sum(len(name) + len(str(value)) for name, value in variables.items()) > MAX_ENVIRONMENT:
        raise WireError(
            f"longer than {MAX_ENVIRONMENT} characters altogether; hand large texts over as inputs", path=path
        )
    return variables


def rank(inherited: int, priority: int) -> int:
    """What orders the ready nodes of a pool, the lowest first; however deep sublattices lie, it stays a number."""
    return min(max(inherited - priority, -MAX_PRIORITY), MAX_PRIORITY)


def _check_metadata(node: Node, path: str) -> None:
    """Numbers that can be reckoned with, and commands that can be stored."""
    metadata = node.metadata
    if not 0 <= (metadata.retries or 0) < 2**31:
        raise WireError("expected a number of retries from 0 on", path=f"{path}.retries")
    if metadata.at_most_once and metadata.retries:
        raise WireError("expected no retries of a task that is never begun twice", path=f"{path}.retries")
    for name in ("retry_delay", "timeout"):
        if not 0 <= (getattr(metadata, name) or 0) < math.inf:
            raise WireError("expected a number of seconds from 0 on", path=f"{path}.{name}")
    if (deps := metadata.hooks.deps) is not None:
        for name, lines in (("bash", deps.bash), ("pip", deps.pip)):
            for index, line in enumerate(lines):
                check_text(line, f"{path}.hooks.deps.{name}[{index}]", MAX_COMMAND)
    if metadata.tags:
        check_tags(metadata.tags, f"{path}.tags")
    if metadata.env:
        environment({}, metadata.env, f"{path}.env")


def _input_mentions(node: Node, path: str) -> Iterator[tuple[str, str]]:
    for place, item in _templates(node, path):
        template.check(item, place)
        for digest in template.assets(item):
            yield digest, place
    for name in node.kwargs:
        check_text(name, f"{path}.kwargs")
    if node.keywords and (len(node.keywords) != len(node.kwargs) or node.kwargs.keys() != set(node.keywords)):
        raise WireError("expected the keywords of kwargs, each once, in their order", path=f"{path}.keywords")


def _templates(node: Node, path: str) -> Iterator[tuple[str, Any]]:
    for index, item in enumerate(node.args):
        yield f"{path}.args[{index}]", item
    for name, item in node.kwargs.items():
        yield f"{path}.kwargs.{name}", item


def _parents(graph: Graph) -> dict[int, frozenset[int]]:
    numbers: set[int] = set()
    for index, node in enumerate(graph.nodes):
        if not 0 <= node.id < 2**31 or node.id in numbers:
            raise WireError(f"expected a number of its own below 2**31, got {node.id}", path=f"graph.nodes[{index}].id")
        numbers.add(node.id)
    linked: set[tuple[int, int]] = set()
    waits: set[tuple[int, int]] = set()
    for index, link in enumerate(graph.links):
        _check_link(link, numbers, f"graph.links[{index}]")
        (waits if link.param_type == "wait" else linked).add((link.source, link.target))
    used = {pair for node in graph.nodes for pair in pairs(node)}
    for source, target in used ^ linked:
        what = "a node's inputs take" if (source, target) in used else "no input takes"
        raise WireError(f"links and inputs disagree: {what} a value from {source} to {target}", path="graph.links")
    parents: dict[int, set[int]] = {number: set() for number in numbers}
    for source, target in used | waits:
        parents[target].add(source)
    return {number: frozenset(sources) for number, sources in parents.items()}


def _check_link(link: Link, numbers: set[int], path: str) -> None:
    if link.param_type not in _PARAM_TYPES:
        raise WireError(f"expected one of {', '.join(sorted(_PARAM_TYPES))}", path=f"{path}.param_type")
    if link.source not in numbers:
        raise WireError(f"there is no node {link.source}", path=f"{path}.source")
    if link.target not in numbers:
        raise WireError(f"there is no node {link.target}", path=f"{path}.target")
    if link.arg_index is not None and not 0 <= link.arg_index < 2**31:
        raise WireError("expected a position", path=f"{path}.arg_index")
    check_text(link.edge_name, f"{path}.edge_name")


def _check_acyclic(parents: Mapping[int, frozenset[int]]) -> None:
    """Kahn's algorithm: what cannot be put in order lies on or behind a cycle."""
    remaining = {number: len(sources) for number, sources in parents.items()}
    children: dict[int, list[int]] = {number: [] for number in parents}
    for number, sources in parents.items():
        for source in sources:
            children[source].append(number)
    ready = [number for number, count in remaining.items() if not count]
    ordered = 0
    while ready:
        ordered += 1
        for child in children[ready.pop()]:
            remaining[child] -= 1
            if not remaining[child]:
                ready.append(child)
    if ordered < len(parents):
        stuck = sorted(number for number, count in remaining.items() if count)
        raise WireError(f"the nodes {stuck[:10]} wait for each other: the graph has a cycle", path="graph.links")


def _postprocessing(graph: Graph, output_node: int | None) -> Node | None:
    """The node that puts the workflow's value together, if there is one."""
    found = None
    for index, node in enumerate(graph.nodes):
        if node.kind.postprocesses:
            if node.id != output_node:
                raise WireError(
                    f"a node of the kind {node.kind} puts a workflow's value together: the graph's output is to be it",
                    path=f"graph.nodes[{index}].kind",
                )
            found = node
    return found


def _output(graph: Graph, assets: dict[str, str]) -> tuple[int | None, str | None]:
    path = "graph.graph.output"
    match graph.graph.output:
        case {"node": int() as number, **rest} if not rest.get("path") and rest.keys() <= {"path"}:
            if number not in {node.id for node in graph.nodes}:
                raise WireError(f"there is no node {number}", path=path)
            return number, None
        case {"asset": str() as digest, **rest} if not rest:
            if not template.is_digest(digest):
                raise WireError("expected a digest of 64 lowercase hexadecimal digits", path=path)
            assets.setdefault(digest, path)
            return None, digest
        case _:
            raise WireError('expected {"node": number} or {"asset": digest}', path=path)
