"""Putting a workflow's return value together from the outputs of its tasks, wherever those are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from covalent.errors import PostProcessingError
from covalent.inputs import Inputs
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire import links
from covalent.wire.manifest import Kind, Manifest, Node
from covalent.wire.records import DispatchRecord, NodeRecord
from covalent.workflows import replay


def check(record: DispatchRecord) -> None:
    """Raise PostProcessingError unless all tasks of a dispatch have their outputs."""
    if record.status in {Status.PENDING_POSTPROCESSING, Status.FAILED_POSTPROCESSING}:
        return
    what = f"the dispatch {record.dispatch_id} was {record.status} when this result was made"
    if record.status.terminal:
        raise PostProcessingError(f"{what}, so outputs are missing: {record.error or 'no task failed'}")
    raise PostProcessingError(
        f"{what}, so outputs may be missing; wait for them: ct.get_result({record.dispatch_id!r}, wait=True)"
    )


def needed(manifest: Manifest, nodes: Sequence[NodeRecord]) -> set[str]:
    """The digests of all that is needed to put the value together."""
    last = _last(manifest)
    outputs = _outputs(last, nodes)
    return links.constants(last) | {last.function} | set(outputs.values())


def put_together(manifest: Manifest, nodes: Sequence[NodeRecord], asset: Callable[[str], TransportableObject]) -> Any:
    """The value; its parts are opened here, so the packages that they are made of must be installed."""
    last = _last(manifest)
    outputs = _outputs(last, nodes)
    inputs = Inputs(
        lambda number: asset(outputs[number]).get_deserialized(), lambda digest: asset(digest).get_deserialized()
    )
    args = [inputs.value(item) for item in last.args]
    if last.kind is Kind.REPLAY:
        return replay(asset(last.function).get_deserialized(), *args)
    return args[0]


def _last(manifest: Manifest) -> Node:
    """The node that puts the value together."""
    match manifest.graph.graph.output:
        case {"node": int() as number}:
            for node in manifest.graph.nodes:
                if node.id == number and node.kind.postprocesses:
                    return node
    raise PostProcessingError(
        f"the value of the workflow {manifest.graph.graph.name} is a constant or one task's output; "
        "there is nothing to put together"
    )


def _outputs(last: Node, nodes: Sequence[NodeRecord]) -> dict[int, str]:
    """The outputs that a node takes values from, by the numbers of theirs."""
    known = {node.node_id: node for node in nodes}
    sources = sorted(links.sources(last))
    lacking = [known[number] for number in sources if known[number].output is None]
    if lacking:
        names = ", ".join(f"{node.node_name}({node.node_id}) is {node.status}" for node in lacking)
        raise PostProcessingError(f"the value cannot be put together without all outputs: {names}")
    return {number: output.digest for number in sources if (output := known[number].output) is not None}
