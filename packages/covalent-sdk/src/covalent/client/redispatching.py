"""Running a dispatch again: other electrons, other arguments, or only what is missing.

The original is never touched. With its own arguments it is repeated on its stored JSON alone: nothing of it is opened,
so that none of its packages are needed here. With other arguments its workflow function is opened and run, since its
graph may depend on them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from covalent import hydration
from covalent.client import replacing
from covalent.client.inspecting import inspect
from covalent.client.upload import submit
from covalent.client.waiting import check_id
from covalent.connection import connect
from covalent.errors import CovalentError, FeatureError, GraphError
from covalent.graph import TransportGraph
from covalent.http import Server, persistently
from covalent.hydration import Package
from covalent.lattice import Lattice
from covalent.result import ServerSource, StoredObject
from covalent.result.source import dispatch_path
from covalent.transportable import TransportableObject
from covalent.wire import FEATURES
from covalent.wire.codec import from_json
from covalent.wire.manifest import Manifest
from covalent.wire.triggers import FEATURE


def redispatch(
    dispatch_id: str,
    dispatcher_addr: str | None = None,
    replace_electrons: Mapping[str, Callable[..., Any]] | None = None,
    reuse_previous_results: bool = False,  # noqa: FBT001, FBT002  the order and the defaults are public
    *,
    preflight: bool = True,
) -> Callable[..., str]:
    """A function that runs a dispatch again and returns the new dispatch's id; the original stays as it is.

    Called without arguments, it takes those of the original, and none of the workflow's packages are needed here.
    Called with arguments, the workflow function runs here with these, and these alone.

    ``replace_electrons`` gives other electrons for those of some names; they must take the same arguments. With
    ``reuse_previous_results`` a task takes over the output of the original's when name, function, input values and
    everything that it depends on are the same: after a failure only what is missing runs.
    ``preflight=False`` is as in :func:`dispatch`; of a workflow that is not opened only its interpreters are looked at.

    >>> ct.redispatch(dispatch_id, replace_electrons={"fit": better_fit}, reuse_previous_results=True)()
    """
    check_id(dispatch_id)
    replacements = replacing.checked(replace_electrons)
    if not isinstance(reuse_previous_results, bool):
        raise TypeError(f"reuse_previous_results is True or False, not {reuse_previous_results!r}")

    def start(*args: Any, **kwargs: Any) -> str:
        server = connect(dispatcher_addr)
        original = _manifest(server, dispatch_id)
        lattice: Lattice[...] = Lattice.stored(original, functools.partial(_stored, server))
        if args or kwargs:
            package = _rebuilt(original, lattice, replacements, args, kwargs)
        else:
            package = _revised(original, lattice, replacements)
        manifest = replace(
            package.manifest,
            requires=tuple(sorted({*original.requires, *package.manifest.requires} - {FEATURE})),
            lattice=replace(lattice.record, replaced=tuple(sorted({*_replaced(original), *replacements}))),
            name=original.name,
            tags=original.tags,
            env=original.env,
            priority=original.priority,
            hold=False,
            triggers=(),
            reuse=dispatch_id if reuse_previous_results else None,
            redispatch_of=dispatch_id,
        )
        package = replace(package, manifest=manifest)
        try:
            if preflight:
                inspect(package, server)
            return submit(server, package).dispatch_id
        except (CovalentError, KeyboardInterrupt) as error:
            raise error.with_traceback(None) from None  # what lies between is ours, and no help to anybody

    return start


def _manifest(server: Server, dispatch_id: str) -> Manifest:
    path = f"{dispatch_path(dispatch_id)}/manifest"
    try:
        manifest = from_json(Manifest, persistently(lambda: server.get(path)))
    except (CovalentError, KeyboardInterrupt) as error:
        raise error.with_traceback(None) from None  # as above
    unknown = sorted(set(manifest.requires) - FEATURES)
    if unknown:
        raise FeatureError(
            f"this covalent-sdk does not have {', '.join(unknown)}, which the dispatch {dispatch_id} needs; upgrade it",
            path="requires",
        )
    return manifest


def _stored(server: Server, digest: str) -> TransportableObject:
    return StoredObject.named(ServerSource(server), digest)


def _revised(original: Manifest, lattice: Lattice[...], replacements: replacing.Replacements) -> Package:
    graph = TransportGraph.from_record(original.graph)  # without assets: those that it gets are new
    changed = replacing.replace_electrons(graph, replacements, lattice)
    return hydration.revise(original, graph, changed, lattice.project)


def _replaced(original: Manifest) -> tuple[str, ...]:
    """The names of the electrons that were replaced in earlier redispatches."""
    return original.lattice.replaced if original.lattice is not None else ()


def _rebuilt(
    original: Manifest,
    lattice: Lattice[...],
    replacements: replacing.Replacements,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Package:
    if lattice.stored_function is None:
        raise GraphError(
            f"the function of the workflow {lattice.__name__} could not be stored, so it cannot be run with other "
            "arguments; dispatch the workflow itself with them"
        )
    try:
        lattice.open()
    except Exception as error:
        error.add_note(
            "With other arguments the workflow function runs here; without arguments ct.redispatch opens nothing."
        )
        raise
    code = lattice.project
    lattice.build_graph(*args, **kwargs)
    graph = lattice.transport_graph
    replacing.replace_electrons(graph, replacements, lattice)
    # The workflow function calls the electrons that it was written with.
    carried = replacing.carry_over(graph, original.graph, set(_replaced(original)) - replacements.keys())
    if carried:
        lattice.project = code
    return hydration.dehydrate(lattice, settled=carried)
