"""Where what a result tells of comes from: a server, or a file that a result was saved to."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from covalent import context
from covalent.errors import MissingLatticeRecordError, ServerError, ServerUnreachableError
from covalent.http import Server, persistently
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.codec import from_json
from covalent.wire.container import Buffer
from covalent.wire.manifest import Conclusion, Digests, Manifest
from covalent.wire.records import DispatchRecord, NodeList, NodeRecord
from covalent.wire.waiting import Waiting, WaitingList

T = TypeVar("T")

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
#: How much later than it was told to a held answer may come before the connection counts as dead, in seconds.
_GRACE_SECONDS: Final = 15
#: How many digests one question names.
_BATCH: Final = 1000


class Source(Protocol):
    """What a result asks. Nodes that there are not raise KeyError."""

    @property
    def place(self) -> str:
        """Where it is, for people: ``on http://…`` or ``in some.zip``."""

    @property
    def live(self) -> bool:
        """Whether its answers may still change."""

    def dispatch(self, dispatch_id: str, *, wait: float = 0) -> DispatchRecord:
        """How a dispatch stands; the answer may be held back for ``wait`` seconds until it has ended."""

    def manifest(self, dispatch_id: str) -> Manifest:
        """What was sent of a dispatch."""

    def nodes(self, dispatch_id: str) -> tuple[NodeRecord, ...]:
        """The nodes of a dispatch, in the order of the graph."""

    def node(self, dispatch_id: str, number: int) -> NodeRecord:
        """One of them."""

    def why(self, dispatch_id: str, number: int | None) -> tuple[Waiting, ...]:
        """Why nodes that have not ended do not run, or why one of them does not."""

    def printed(self, dispatch_id: str, node: NodeRecord, stream: str, *, offset: int = 0, wait: float = 0) -> bytes:
        """What a node's attempt printed from an offset on, waited for for ``wait`` seconds if there is nothing."""

    def asset(self, digest: str) -> bytes:
        """The bytes of an asset."""

    def large_asset(self, digest: str) -> Buffer:
        """The bytes of an asset that is not to be in memory."""

    def assets(self, digests: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of several assets, in any order."""

    def conclude(self, dispatch_id: str, value: TransportableObject) -> DispatchRecord | None:
        """Store the value that a dispatch waits for; how it stands then, or None when nobody can be told."""


class ServerSource:
    """A server that can be asked."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"on {self._server.url}"

    @property
    def live(self) -> bool:
        """That its answers may still change."""
        return True

    def dispatch(self, dispatch_id: str, *, wait: float = 0) -> DispatchRecord:
        """How a dispatch stands."""
        params, timeout = ({"wait": wait}, wait + _GRACE_SECONDS) if wait else (None, None)
        plain = fetched(lambda: self._server.get(dispatch_path(dispatch_id), params=params, timeout=timeout))
        return from_json(DispatchRecord, plain)

    def manifest(self, dispatch_id: str) -> Manifest:
        """What was sent of a dispatch."""
        return from_json(Manifest, fetched(lambda: self._server.get(f"{dispatch_path(dispatch_id)}/manifest")))

    def nodes(self, dispatch_id: str) -> tuple[NodeRecord, ...]:
        """The nodes of a dispatch."""
        return from_json(NodeList, fetched(lambda: self._server.get(f"{dispatch_path(dispatch_id)}/nodes"))).nodes

    def node(self, dispatch_id: str, number: int) -> NodeRecord:
        """One of them."""
        if number < 0:  # which the server would take for a malformed path
            raise KeyError(number)
        try:
            plain = fetched(lambda: self._server.get(f"{dispatch_path(dispatch_id)}/nodes/{number}"))
        except ServerError as error:
            if error.status != _NOT_FOUND or isinstance(error, MissingLatticeRecordError):
                raise
            raise KeyError(number) from None
        return from_json(NodeRecord, plain)

    def why(self, dispatch_id: str, number: int | None) -> tuple[Waiting, ...]:
        """Why nodes do not run; the first hundred of those that have not ended."""
        path = dispatch_path(dispatch_id)
        if number is None:
            return from_json(WaitingList, fetched(lambda: self._server.get(f"{path}/why"))).nodes
        return (from_json(Waiting, fetched(lambda: self._server.get(f"{path}/nodes/{number}/why"))),)

    def printed(self, dispatch_id: str, node: NodeRecord, stream: str, *, offset: int = 0, wait: float = 0) -> bytes:
        """What a node's attempt printed; nobody is asked about a task that has come to its end without a word."""
        if node.status is Status.COMPLETED and node.printed is not None and stream not in node.printed:
            return b""
        path = f"{dispatch_path(dispatch_id)}/nodes/{node.node_id}/{stream}"
        params = {"offset": offset or None, "wait": wait or None, "attempt": node.attempt}
        timeout = wait + _GRACE_SECONDS if wait else None
        return fetched(lambda: self._server.get_bytes(path, params=params, timeout=timeout))

    def asset(self, digest: str) -> bytes:
        """The bytes of an asset."""
        return fetched(lambda: self._server.get_asset(digest))

    def large_asset(self, digest: str) -> Buffer:
        """The bytes of an asset, in a file that nobody else sees."""
        path = context.temporary() / digest
        fetched(lambda: self._server.download_asset(digest, path))
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        path.unlink()
        return memoryview(mapped)

    def assets(self, digests: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of several assets; small ones come many at a time."""
        for start in range(0, len(digests), _BATCH):
            wanted = dict.fromkeys(digests[start : start + _BATCH])
            for digest, data in self._small(tuple(wanted)):
                wanted.pop(digest)
                yield digest, data
            for digest in wanted:
                yield digest, self.asset(digest)

    def _small(self, digests: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
        answer = fetched(lambda: self._server.post("/assets/batch", Digests(digests=digests)))
        given = from_json(Digests, answer.plain).digests
        for digest, blob in zip(given, answer.blobs, strict=False):
            if hashlib.sha256(blob).hexdigest() == digest in digests:
                yield digest, bytes(blob)

    def conclude(self, dispatch_id: str, value: TransportableObject) -> DispatchRecord | None:
        """Store the value that a dispatch waits for; somebody else's stays when theirs was first."""
        conclusion = Conclusion(result=value.asset_id)
        try:
            self._server.put_asset(value.asset_id, value.chunks(), value.size)
            answer = self._server.post(f"{dispatch_path(dispatch_id)}/result", conclusion)
        except ServerUnreachableError:
            return None
        except ServerError as error:
            if error.status != _CONFLICT:
                raise
            return self.dispatch(dispatch_id)
        return from_json(DispatchRecord, answer.plain)


def fetched(ask: Callable[[], T]) -> T:
    """What the server answers; an error comes without the frames of the connection, which say nothing to a user."""
    try:
        return persistently(ask)
    except ServerError as error:
        raise error.with_traceback(None) from None


def dispatch_path(dispatch_id: str) -> str:
    """Where a server answers for a dispatch, whatever its id is made of."""
    return f"/dispatches/{quote(dispatch_id, safe='')}"
