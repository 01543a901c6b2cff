"""From a validated manifest to the rows of a dispatch; everything that can be refused is refused here."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from covalent.errors import FeatureError, WireError
from covalent.wire import AT_MOST_ONCE, FEATURES, PROTOCOL, SERVER_FEATURES
from covalent.wire.manifest import Kind, Manifest, Node, Variable, required_by
from covalent_server.core.decisions import Policy
from covalent_server.core.errors import ProtocolError
from covalent_server.core.planning import Plan, environment, plan, rank
from covalent_server.db.assets import NewAsset
from covalent_server.db.dispatches import NewDispatch, NewLink, NewNode, Place
from covalent_server.db.triggers import NewTrigger, Turn
from covalent_server.engine import triggers
from covalent_server.engine.shared import now
from covalent_server.executors.registry import Machine, place_of

MAX_TRIGGERS: Final = 100
#: What the engine's own idempotency keys begin with: users' are ASCII.
NO_USERS_KEY: Final = "\N{SECTION SIGN}"
#: How deep JSON may be nested. A template takes up to three levels for each of its own.
MAX_NESTING: Final = 256
#: Where an integer beyond 64 bits may be: looked for in the text first, because that is fast.
_LONG_NUMBER: Final = re.compile(r"\d{19}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A manifest as it arrived."""

    owner: str
    manifest: Manifest
    #: The same manifest as plain data: what is stored is what was sent, unknown fields included.
    plain: dict[str, Any]
    assets: Sequence[NewAsset] = ()
    idempotency_key: str | None = None
    body_digest: str = ""
    #: Of a sublattice: the key and the attempt of its node, and the variables and the rank that it inherits.
    parent: tuple[int, int] | None = None
    env: Mapping[str, Variable] = field(default_factory=dict)
    rank: int = 0
    #: The firing of a trigger that it comes of.
    turn: Turn | None = None


def check_protocol(protocol: int, requires: Sequence[str]) -> None:
    """Refuse what this server cannot understand, by name."""
    if protocol != PROTOCOL:
        raise ProtocolError(
            f"protocol {protocol} is not spoken here, only {PROTOCOL}; "
            "install covalent-sdk and covalent-server of the same release"
        )
    unknown = sorted(set(requires) - FEATURES)
    if unknown:
        raise FeatureError(f"this server does not have {', '.join(unknown)}; upgrade covalent-server", path="requires")


def prepare(submission: Submission, here: Machine) -> NewDispatch:
    """Check a manifest and lay out its rows; raises WireError or RequestError at the first fault."""
    manifest = submission.manifest
    check_protocol(manifest.protocol, manifest.requires)
    planned = plan(manifest)
    if submission.parent is not None:
        _check_sublattice(manifest, planned)
    env = environment(submission.env, manifest.env)
    nodes = submission.plain["graph"].get("nodes", [])
    head = _without_parts(submission.plain)
    return NewDispatch(
        id=str(uuid.uuid4()),
        owner=submission.owner,
        name=manifest.name or manifest.graph.graph.name,
        manifest=_text(head, "$"),
        requires=_required_of_workers(manifest, env),
        project=manifest.project,
        output_node=planned.output_node,
        result=planned.constant,
        nodes=_nodes(manifest, nodes, planned, here),
        links=_links(submission.plain["graph"], manifest),
        mentions=dict(planned.assets),
        assets=submission.assets,
        idempotency_key=submission.idempotency_key,
        body_digest=submission.body_digest,
        postprocesses=planned.postprocesses,
        hold=manifest.hold or bool(manifest.triggers),
        tags=manifest.tags,
        env=_text(env, "env") if env else None,
        rank=rank(submission.rank, manifest.priority),
        parent=submission.parent,
        triggers=_triggers(manifest, here),
        turn=submission.turn,
    )


def _required_of_workers(manifest: Manifest, env: Mapping[str, Variable]) -> tuple[str, ...]:
    """The features that a worker must have; those of variables also where they are inherited.

    A worker that begins at once what is never to be begun twice is not given it, whatever the manifest says.
    """
    once = {AT_MOST_ONCE} if any(node.metadata.at_most_once for node in manifest.graph.nodes) else set()
    return tuple(sorted({*manifest.requires, *required_by(env), *once} - SERVER_FEATURES))


def _check_sublattice(manifest: Manifest, planned: Plan) -> None:
    """Refuse what nobody would ever start or end."""
    if planned.left_to_client:
        raise WireError("a sublattice's value cannot be left to the client", path="graph.graph.output")
    if manifest.triggers or manifest.hold:
        path = "triggers" if manifest.triggers else "hold"
        raise WireError("a sublattice is started by its task: nothing else does it, and at once", path=path)


def _triggers(manifest: Manifest, here: Machine) -> list[NewTrigger]:
    if len(manifest.triggers) > MAX_TRIGGERS:
        raise WireError(f"more than {MAX_TRIGGERS} triggers", path="triggers")
    at = now()
    return [
        triggers.declared(trigger, f"triggers[{index}]", here=here, at=at)
        for index, trigger in enumerate(manifest.triggers)
    ]


def _without_parts(plain: dict[str, Any]) -> dict[str, Any]:
    graph = {name: value for name, value in plain["graph"].items() if name not in ("nodes", "links")}
    return plain | {"graph": graph}


def _nodes(manifest: Manifest, plain: Sequence[Any], planned: Plan, here: Machine) -> list[NewNode]:
    return [
        NewNode(
            number=node.id,
            record=_text(record, f"graph.nodes[{index}]"),
            place=Place(
                executor=node.metadata.executor,
                place=place_of(node.metadata, f"graph.nodes[{index}].metadata", here),
            ),
            remaining=len(planned.parents[node.id]),
            policy=_policy(node),
            tags=node.metadata.tags or (),
            left_to_client=planned.left_to_client and node.id == planned.output_node,
        )
        for index, (node, record) in enumerate(zip(manifest.graph.nodes, plain, strict=True))
    ]


def _policy(node: Node) -> str | None:
    """How a node is tried where that differs from the usual; None for the usual, so that most rows stay small."""
    metadata = node.metadata
    policy = Policy(
        retries=metadata.retries or 0,
        retry_delay=metadata.retry_delay or 0.0,
        at_most_once=bool(metadata.at_most_once),
        spawns=node.kind is Kind.SUBLATTICE,
        cache=bool(metadata.cache),
    )
    usual = Policy()
    differs = {
        item.name: value
        for item in fields(Policy)
        if (value := getattr(policy, item.name)) != getattr(usual, item.name)
    }
    return json.dumps(differs, sort_keys=True) if differs else None


def _links(graph: dict[str, Any], manifest: Manifest) -> list[NewLink]:
    places = {node.id: index for index, node in enumerate(manifest.graph.nodes)}
    uses: dict[tuple[int, int], list[Any]] = {}
    for link in graph.get("links", []):
        use = {name: value for name, value in link.items() if name not in ("source", "target")}
        uses.setdefault((link["source"], link["target"]), []).append(use)
    return [
        NewLink(parent=places[parent], child=places[child], uses=_text(items, "graph.links"))
        for (parent, child), items in uses.items()
    ]


def _check_values(plain: Any, path: str) -> None:
    """Refuse integers that JSON's other readers would garble, and what is too deep for some of them."""
    stack = [(plain, path, 1)]
    while stack:
        item, where, depth = stack.pop()
        if depth > MAX_NESTING:
            raise _too_deep(path)
        if isinstance(item, dict):
            stack += [(value, f"{where}.{name}", depth + 1) for name, value in item.items()]
        elif isinstance(item, list):
            stack += [(value, f"{where}[{index}]", depth + 1) for index, value in enumerate(item)]
        elif isinstance(item, int) and not -(2**63) <= item < 2**63:
            raise WireError("an integer beyond 64 bits", path=where)


def _too_deep(path: str) -> WireError:
    return WireError(f"nested deeper than {MAX_NESTING}", path=path)


def _text(plain: Any, path: str) -> str:
    """Canonical JSON that any database can hold, and every reader of ours can read."""
    try:
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:
        raise _too_deep(path) from None
    # Most texts are short and hold no long number: that is seen fast, and much faster than they are walked through.
    if _LONG_NUMBER.search(text) or text.count("{") + text.count("[") > MAX_NESTING:
        _check_values(plain, path)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise WireError("holds half a surrogate pair", path=path) from None
    return text
