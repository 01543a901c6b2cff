"""From a built workflow to what is sent: a manifest and the assets that it names."""

from __future__ import annotations

import functools
import platform
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

from covalent import executors, project
from covalent.errors import GraphError
from covalent.graph import TransportGraph
from covalent.identity import function_id
from covalent.project import Project
from covalent.transportable import TransportableObject
from covalent.triggers.declared import Trigger
from covalent.wire import AT_MOST_ONCE
from covalent.wire.manifest import Client, Kind, LatticeRecord, Manifest, Node, required_by
from covalent.wire.places import host_identity
from covalent.wire.triggers import FEATURE

_FEATURES: Final[Mapping[Kind, str]] = {Kind.SUBLATTICE: "sublattices", Kind.REPLAY: "replay"}
#: Which attributes of an executor tell one environment from another.
_ENVIRONMENT: Final = ("python", "python_version", "host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A workflow, ready to be sent."""

    manifest: Manifest
    #: By asset id.
    assets: dict[str, TransportableObject]


class Built(Protocol):
    """A workflow after its graph was built."""

    @property
    def transport_graph(self) -> TransportGraph:
        """Its tasks."""

    @property
    def inputs(self) -> TransportableObject | None:
        """``{"args": tuple, "kwargs": dict}``."""

    @property
    def stored_function(self) -> TransportableObject | None:
        """The function that it was built from, when that can be serialised."""

    @property
    def project(self) -> TransportableObject | None:
        """The user's own modules, when they came with the workflow and are not to be looked for."""

    @property
    def project_limit(self) -> int:
        """How many bytes of the user's own modules may be sent along."""

    @property
    def triggers(self) -> Sequence[Trigger]:
        """What starts it by itself."""

    @property
    def record(self) -> LatticeRecord:
        """What it says besides its function."""


def dehydrate(lattice: Built, *, settled: Collection[int] = ()) -> Package:
    """What is sent of a workflow; its user's own modules are read from disk now.

    Nodes that are ``settled`` are sent as they stand, like those that stay in :func:`revise`.
    """
    graph = lattice.transport_graph
    if graph.output is None:
        raise GraphError("the workflow has no graph yet; call its build_graph(...) with its arguments first")
    nodes, code = _prepared(graph, settled, lattice.project, lattice.project_limit)
    triggers = [trigger.prepared() for trigger in lattice.triggers]
    loose = [asset for asset in (lattice.inputs, lattice.stored_function, code) if asset is not None]
    loose += [asset for trigger in triggers for asset in trigger.assets]
    manifest = Manifest(
        requires=tuple(sorted({*_requires(nodes), *([FEATURE] if triggers else [])})),
        graph=graph.with_nodes(nodes),
        inputs=_id(lattice.inputs),
        workflow=_id(lattice.stored_function),
        project=_id(code),
        client=Client(host=host_identity(), python=platform.python_version(), sdk=_sdk_version()),
        lattice=lattice.record,
        triggers=tuple(trigger.record for trigger in triggers),
    )
    return Package(manifest=manifest, assets={**graph.assets, **{asset.asset_id: asset for asset in loose}})


def revise(
    manifest: Manifest, graph: TransportGraph, changed: Collection[int], code: TransportableObject | None
) -> Package:
    """What is sent of a workflow that was stored with this manifest and project; some of its nodes were replaced since.

    Only the new functions are looked at, whose assets the graph has. The project is sent as it was stored, with the
    modules that the new functions need as they are now, which win where both have the same file. The tasks that stay
    then run with other modules than their function's identity tells of, so that no output is taken over into or out
    of the cache for them.
    """
    nodes, project_now = _prepared(graph, {node.id for node in graph.nodes} - set(changed), code)
    fresh = [] if project_now is None or project_now is code else [project_now]
    return Package(
        manifest=replace(manifest, requires=_requires(nodes), graph=graph.with_nodes(nodes), project=_id(project_now)),
        assets={**graph.assets, **{asset.asset_id: asset for asset in fresh}},
    )


def _prepared(
    graph: TransportGraph, settled: Collection[int], code: TransportableObject | None, limit: int = project.MAX_BYTES
) -> tuple[list[Node], TransportableObject | None]:
    """The nodes with everything filled in, and the project, into which that of ``code`` goes."""
    found = _looked_for(graph)
    merged = project.merge(code, _files(graph, found), limit)
    resolver = _Resolver(graph, found)
    nodes = [
        resolver.resolved(node) if node.id not in settled else _uncached(node) if merged.overwrites else node
        for node in graph.nodes
    ]
    return nodes, merged.asset


def _uncached(node: Node) -> Node:
    return replace(node, metadata=replace(node.metadata, cache=False)) if node.metadata.cache else node


def find_project(graph: TransportGraph) -> TransportableObject | None:
    """The user's own modules that a graph's tasks need, as one asset."""
    return project.pack(_files(graph, _looked_for(graph)))


def _looked_for(graph: TransportGraph) -> Project:
    return Project(named=frozenset(graph.modules))


def _files(graph: TransportGraph, found: Project) -> dict[PurePosixPath, Path]:
    return found.files(asset.origins for asset in graph.assets.values())


def _id(asset: TransportableObject | None) -> str | None:
    return None if asset is None else asset.asset_id


def _requires(nodes: Iterable[Node]) -> tuple[str, ...]:
    return tuple(sorted({feature for node in nodes for feature in _required(node)}))


def _required(node: Node) -> Iterator[str]:
    """The features that a worker needs for a node."""
    metadata = node.metadata
    if metadata.hooks.call_before or metadata.hooks.call_after:
        yield "call-hooks"
    if metadata.hooks.deps is not None:
        if metadata.hooks.deps.bash:
            yield "bash-hooks"
        if metadata.hooks.deps.pip:
            yield "pip-layers"
    if metadata.timeout is not None:
        yield "timeouts"
    if metadata.at_most_once:
        yield AT_MOST_ONCE
    yield from required_by(metadata.env)
    if node.kind in _FEATURES:
        yield _FEATURES[node.kind]


@functools.cache
def _sdk_version() -> str:
    import importlib.metadata  # noqa: PLC0415 - slow, and needed only by who dispatches

    try:
        return importlib.metadata.version("covalent-sdk")
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return ""


class _Resolver:
    """Fills into nodes what is known only now: where they run and what their functions are."""

    def __init__(self, graph: TransportGraph, found: Project) -> None:
        self._graph = graph
        self._found = found
        self._ids: dict[tuple[str, ...], str] = {}
        self._executors: dict[str, dict[str, Any]] = {}

    def resolved(self, node: Node) -> Node:
        metadata = node.metadata
        key = f"{metadata.executor} {sorted(metadata.executor_data.items())!r}"
        if key not in self._executors:
            self._executors[key] = executors.resolve(metadata.executor, metadata.executor_data)
        data = self._executors[key]
        identity = self._function_id(node, key, data) or node.function_id
        return replace(node, function_id=identity, metadata=replace(metadata, executor_data=data))

    def _function_id(self, node: Node, key: str, data: Mapping[str, Any]) -> str:
        function = self._graph.functions.get(node.function)
        if function is None:
            return ""
        deciding = self._deciding(node)
        deps = node.metadata.hooks.deps
        packages = deps.pip if deps else ()
        known = (node.function, key, *packages, *deciding)
        if known not in self._ids:
            environment: dict[str, Any] = {"executor": node.metadata.executor}
            environment |= {name: data.get(name) for name in _ENVIRONMENT}
            if packages:
                environment["packages"] = packages
            code = self._found.digest(self._graph.assets[digest].origins for digest in (node.function, *deciding))
            described = [function, *(self._graph.calls[digest].description() for digest in deciding)]
            self._ids[known] = function_id(described if deciding else function, project=code, environment=environment)
        return self._ids[known]

    def _deciding(self, node: Node) -> list[str]:
        """The calls before a node on which what it gives depends, too."""
        calls = self._graph.calls
        return [digest for digest in node.metadata.hooks.call_before if calls[digest].decides]
