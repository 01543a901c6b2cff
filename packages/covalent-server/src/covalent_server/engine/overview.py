"""What the web page asks: how everything stands, what a graph looks like, what is known around a node."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from covalent.wire.overview import Columns, NodeDetail, Tags, WaitingReason
from covalent_server.core.planning import check_tags
from covalent_server.core.staffing import Staffing
from covalent_server.core.waiting import WorkerFacts, explain
from covalent_server.db import details, graphs, identity, labels, reads, summary, waiting

if TYPE_CHECKING:
    from covalent.wire.records import DispatchRecord
    from covalent.wire.waiting import Waiting
    from covalent_server.core.shapes import Shape
    from covalent_server.engine.shared import Shared

Workers = Callable[[], Mapping[int, Sequence[WorkerFacts]]]
Staffings = Callable[[str, str, int], Staffing | None]

#: Nodes of graphs whose shapes are kept, altogether: a number of them takes some 100 bytes.
_KEPT_NODES: Final = 200_000
#: Dispatches, and nodes of each, that are asked why they do not run.
_ASKED: Final = 5
_NODES_ASKED: Final = 100


class Overview:
    """What is shown of an account."""

    def __init__(self, shared: Shared, workers: Workers, staffing: Staffings, url: str) -> None:
        """Tell of what these know: the workers of pools, and how an owner's executor and pool get theirs.

        ``url`` is where workers of other machines reach this server.
        """
        self._url = url
        self._shared = shared
        self._staffing = staffing
        self._workers = workers
        self._shapes: OrderedDict[str, Shape] = OrderedDict()

    async def columns(self, owner: str, dispatch_id: str) -> Columns:
        """A graph as it stands."""
        read = partial(graphs.columns, owner=owner, dispatch_id=dispatch_id, known=self._shapes.get(dispatch_id))
        shape, found = await self._shared.reader.run_apart(read)
        self._keep(dispatch_id, shape)
        return found

    def _keep(self, dispatch_id: str, shape: Shape) -> None:
        """Keep the shapes that were asked for last."""
        self._shapes[dispatch_id] = shape
        self._shapes.move_to_end(dispatch_id)
        while len(self._shapes) > 1 and sum(len(kept.ids) for kept in self._shapes.values()) > _KEPT_NODES:
            self._shapes.popitem(last=False)

    async def node(self, owner: str, dispatch_id: str, number: int) -> NodeDetail:
        """A node with what is known around it."""
        read = partial(details.node_detail, owner=owner, dispatch_id=dispatch_id, number=number)
        found = await self._shared.reader.run_apart(read)
        if found.ended:
            return found.detail
        (why,) = await self.why(owner, dispatch_id, number)
        return replace(found.detail, why=why)

    async def why(self, owner: str, dispatch_id: str, number: int | None, limit: int = 1) -> tuple[Waiting, ...]:
        """Why nodes of a dispatch are not running: the first that have not ended, or the one."""
        read = partial(waiting.facts, owner=owner, dispatch_id=dispatch_id, number=number, limit=limit)
        found = await self._shared.reader.run_apart(read)
        workers, staffing = self._workers(), partial(self._staffing, owner)
        return tuple(
            explain(node, workers.get(node.pool, ()), staffing(node.executor, node.pool), self._url) for node in found
        )

    async def standing(self, owner: str) -> tuple[summary.Standing, tuple[WaitingReason, ...], int]:
        """How an owner's dispatches stand, why their nodes wait, and how many workers report."""
        found = await self._shared.reader.run_apart(partial(summary.standing, owner=owner))
        reasons: dict[str, WaitingReason] = {}
        for item in found.running[:_ASKED]:
            for why in await self.why(owner, item.dispatch_id, None, _NODES_ASKED):
                known = reasons.get(why.code)
                reasons[why.code] = WaitingReason(
                    code=why.code,
                    message=why.message if known is None else known.message,
                    count=1 if known is None else known.count + 1,
                    dispatch_id=item.dispatch_id if known is None else known.dispatch_id,
                    node_id=why.node_id if known is None else known.node_id,
                )
        pools = await self._shared.read(identity.pools)
        workers = self._workers()
        return (
            found,
            tuple(reasons.values()),
            sum(len(workers.get(pool.id, ())) for pool in pools if pool.owner == owner),
        )

    async def label(self, owner: str, dispatch_id: str, tags: Tags) -> DispatchRecord:
        """Give a dispatch other tags; answered after the commit, with how it stands."""
        check_tags(tags.tags, "tags")
        await self._shared.write(lambda session: labels.put(session, owner, dispatch_id, tags.tags))
        return await self._shared.read(lambda session: reads.dispatch_record(session, owner, dispatch_id))
