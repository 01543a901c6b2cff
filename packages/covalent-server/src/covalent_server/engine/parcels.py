"""What a worker is sent: leases, and the small assets that it has not been sent before."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from covalent.wire import INLINE_MESSAGE_BYTES, template
from covalent.wire.links import sources
from covalent.wire.manifest import Node, Variable
from covalent.wire.work import Lease
from covalent_server.db import assets
from covalent_server.db import work as rows
from covalent_server.engine.shared import Shared

#: Made once: two threads that make one at the same time crash the process.
_NODE: Final = msgspec.json.Decoder(Node)
#: Small assets kept at hand, in bytes altogether: what one task just brought, the next mostly needs.
_AT_HAND_BYTES: Final = 2 * 1024 * 1024
#: From so many characters of nodes' JSON on, going to a thread and back takes no longer than reading them.
_LARGE: Final = 128 * 1024
#: Digests remembered per worker as sent.
_MAX_SENT: Final = 4096


class Parcels:
    """Makes leases of leased nodes and adds the bytes that they need."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._at_hand: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._at_hand_bytes = 0

    async def pack(
        self, leased: Sequence[rows.LeasedNode], owner: str, sent: OrderedDict[str, None]
    ) -> tuple[tuple[Lease, ...], dict[str, bytes]]:
        """The leases, and the small assets that go with them: those that were not ``sent`` to that worker before."""
        if not leased:
            return (), {}
        make = partial(self._leases, leased, owner)
        # What is large is worked out where it does not hold up everybody else.
        large = sum(len(item.record) for item in leased) > _LARGE
        leases, needed = await asyncio.to_thread(make) if large else make()
        inline = await self._inline(owner, [digest for digest in needed if digest not in sent])
        for digest in inline:
            _remember(sent, digest)
        return leases, inline

    def _leases(self, leased: Sequence[rows.LeasedNode], owner: str) -> tuple[tuple[Lease, ...], Sequence[str]]:
        """The leases, and every digest that their tasks open."""
        leases = tuple(self._lease(item, owner) for item in leased)
        return leases, list(dict.fromkeys(digest for lease in leases for digest in _needs(lease)))

    def _lease(self, item: rows.LeasedNode, owner: str) -> Lease:
        node = _NODE.decode(item.record)
        return Lease(
            key=self._shared.fencing.key(item.key, item.attempt),
            dispatch_id=item.dispatch_id,
            node_id=item.number,
            name=node.name,
            owner=owner,
            kind=node.kind,
            function=node.function,
            args=node.args,
            kwargs=node.kwargs,
            keywords=node.keywords,
            hooks=node.metadata.hooks,
            executor_data=node.metadata.executor_data,
            timeout=node.metadata.timeout,
            at_most_once=bool(node.metadata.at_most_once),
            env=_variables(node, item.env),
            root_dispatch_id=item.root_dispatch_id,
            project=item.project,
            requires=item.requires,
            outputs={str(number): item.outputs[number] for number in sources(node)},
        )

    async def _inline(self, owner: str, wanted: Sequence[str]) -> dict[str, bytes]:
        """The bytes of small assets, as many as one message may carry; the worker asks for the rest."""
        absent = [digest for digest in wanted if (owner, digest) not in self._at_hand]
        fetched: Mapping[str, bytes] = {}
        if absent:
            found = await self._shared.read(lambda session: assets.fetch(session, owner, absent))
            fetched = {item.digest: item.data for item in found if item.data is not None and item.intact}
        inline: dict[str, bytes] = {}
        room = INLINE_MESSAGE_BYTES
        for digest in wanted:
            data = fetched.get(digest) or self._at_hand.get((owner, digest))
            if data is not None and len(data) <= room:
                room -= len(data)
                inline[digest] = data
                self.keep(owner, digest, data)
        return inline

    def keep(self, owner: str, digest: str, data: bytes) -> None:
        """Have a small asset at hand for the leases that need it next."""
        key = (owner, digest)
        if key not in self._at_hand:
            self._at_hand[key] = data
            self._at_hand_bytes += len(data)
            while self._at_hand_bytes > _AT_HAND_BYTES:
                self._at_hand_bytes -= len(self._at_hand.popitem(last=False)[1])


def _variables(node: Node, of_dispatch: str | None) -> dict[str, Variable]:
    """The variables of a task: those that were given for the whole dispatch, which was last, win."""
    if of_dispatch is None:
        return node.metadata.env
    return {**node.metadata.env, **msgspec.json.decode(of_dispatch)}


def _remember(sent: OrderedDict[str, None], digest: str) -> None:
    sent[digest] = None
    if len(sent) > _MAX_SENT:
        sent.popitem(last=False)


def _needs(lease: Lease) -> Iterable[str]:
    """Every digest that a lease's task opens."""
    yield lease.function
    if lease.project is not None:
        yield lease.project
    yield from lease.hooks.call_before
    yield from lease.hooks.call_after
    yield from lease.outputs.values()
    for part in (*lease.args, *lease.kwargs.values()):
        yield from template.assets(part)
