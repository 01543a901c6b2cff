"""What a user holds of a dispatch: how it stands, its value, and what became of each of its nodes.

A result is the picture of one moment. Bytes and streams are fetched when they are asked for, and kept. Only
``Result.result`` and ``get_deserialized()`` open anything: all else works where the workflow's packages are missing.
"""

from __future__ import annotations

import functools
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

from covalent import markup
from covalent.errors import DispatchFailedError, MissingLatticeRecordError, ServerError
from covalent.http import Server, persistently
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.codec import from_json
from covalent.wire.records import AssetDescription, DispatchRecord, NodeList, NodeRecord

__all__ = ["NodeResult", "Result", "StoredObject"]

T = TypeVar("T")

_NOT_FOUND: Final = 404
#: How a task that no longer will run is said to stand: its status is that of one that waits.
_NOT_STARTED: Final = "not started"
#: The longest text in a ``repr``.
_SHOWN: Final = 60


class StoredObject(TransportableObject):
    """An object whose bytes are on the server; they are fetched once, when something needs them.

    What the server has described is answered from the description; one without a type's name describes nothing.
    """

    def __init__(self, server: Server, described: AssetDescription) -> None:
        self._server = server
        self._described = described

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet: all that the base class reads off the bytes.
        if name not in _read_off_the_bytes():
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        data = _fetched(lambda: self._server.get_asset(self._described.digest))
        vars(self).update(vars(TransportableObject.from_buffer(data)))
        return getattr(self, name)

    @property
    def asset_id(self) -> str:
        """The SHA-256 of all its bytes."""
        return self._described.digest

    @property
    def size(self) -> int:
        """All its bytes."""
        return self._described.size if self._described.type_name else super().size

    @property
    def object_string(self) -> str:
        """A bounded ``str()`` of the object."""
        return self._described.object_string if self._described.type_name else super().object_string

    @property
    def json(self) -> str | None:
        """The object as JSON text, when JSON says all of it."""
        return self._described.json if self._described.type_name else super().json

    def get_deserialized(self, *, zero_copy: bool = False) -> Any:
        """The object; what kind of packages it is made of must be installed here."""
        try:
            return super().get_deserialized(zero_copy=zero_copy)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            raise ModuleNotFoundError(
                f"{error} in {sys.executable}, which opens a value of type {self.header['type_name']} here; install "
                f"it there: {sys.executable} -m pip install {package}, or if it is a module of your own, run where it "
                "can be imported. Its text can be had without: object_string",
                name=error.name,
            ) from None

    def __repr__(self) -> str:
        return f"<TransportableObject {self._described.type_name} {self.asset_id[:12]} on {self._server.url}>"

    def _repr_html_(self) -> str:
        described = self._described  # nothing is fetched to be shown
        size = f"{described.size:,} bytes on {self._server.url}" if described.type_name else f"on {self._server.url}"
        return markup.card(
            "TransportableObject",
            {"type": described.type_name, "text": described.object_string, "size": size, "id": described.digest},
        )


@functools.cache
def _read_off_the_bytes() -> frozenset[str]:
    return frozenset(vars(TransportableObject(None)))


class NodeResult(Mapping[str, Any]):
    """What became of one node: ``node["status"]`` or ``node.status``; ``print(node)`` shows everything.

    The keys: ``node_id``, ``node_name``, ``start_time``, ``end_time`` (in UTC, None before), ``status``, ``output`` (a
    TransportableObject, None unless COMPLETED), ``error`` (the traceback, None unless FAILED), ``sublattice_result``,
    and ``stdout`` and ``stderr``, what the task printed, which are fetched when they are asked for.
    """

    def __init__(self, server: Server, path: str, record: NodeRecord, *, ended: bool = False) -> None:
        """``ended`` says that the dispatch has ended: what has not started never will."""
        output = None if record.output is None else StoredObject(server, record.output)
        self._known = {
            "node_id": record.node_id,
            "node_name": record.node_name,
            "start_time": _moment(record.started_at),
            "end_time": _moment(record.ended_at),
            "status": record.status,
            "output": output,
            "error": record.error,
            "sublattice_result": None,
        }
        self._standing = _standing(record.status, ended=ended)
        self._stream = functools.cache(lambda name: _stream(server, f"{path}/{record.node_id}/{name}"))

    def __getitem__(self, key: str) -> Any:
        return self._stream(key) if key in {"stdout", "stderr"} else self._known[key]

    def __iter__(self) -> Iterator[str]:
        yield from (*self._known, "stdout", "stderr")

    def __len__(self) -> int:
        return len(self._known) + 2

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self:
            raise AttributeError(f"a NodeResult has no {name!r}")
        return self[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def _known_lines(self) -> dict[str, object]:
        output = self["output"]
        return {
            "node": f"{self['node_name']}({self['node_id']})",
            "status": self._standing,
            "started": self["start_time"],
            "ended": self["end_time"],
            "output": None if output is None else output.object_string,
            "error": self["error"],
        }

    def __str__(self) -> str:
        streams = {name: self[name].rstrip("\n") for name in ("stdout", "stderr")}
        return _listed(self._known_lines() | streams)

    def __repr__(self) -> str:
        return f"<NodeResult {self['node_name']}({self['node_id']}) {self['status']}>"

    def _repr_html_(self) -> str:
        return markup.card("Node", self._known_lines())  # without the streams, which would have to be fetched


class Result:
    """A dispatch as it stood when it was asked for."""

    def __init__(self, record: DispatchRecord, server: Server) -> None:
        self._record = record
        self._server = server

    @property
    def dispatch_id(self) -> str:
        """The dispatch's id."""
        return self._record.dispatch_id

    @property
    def root_dispatch_id(self) -> str:
        """The id of the dispatch that this one belongs to; its own unless it is a sublattice's."""
        return self._record.root_dispatch_id

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self._record.name

    @property
    def status(self) -> Status:
        """How it stands."""
        return self._record.status

    @property
    def start_time(self) -> datetime | None:
        """When its first task was given out, None before; in UTC."""
        return _moment(self._record.started_at)

    @property
    def end_time(self) -> datetime | None:
        """When it ended, None before; in UTC."""
        return _moment(self._record.ended_at)

    @functools.cached_property
    def result(self) -> Any:
        """The workflow's value, opened here; None unless the dispatch is COMPLETED."""
        return None if self.encoded_result is None else self.encoded_result.get_deserialized()

    @functools.cached_property
    def encoded_result(self) -> TransportableObject | None:
        """The workflow's value, unopened; None unless the dispatch is COMPLETED."""
        described = self._record.result
        return None if described is None else StoredObject(self._server, described)

    @property
    def object_string(self) -> str | None:
        """The value as text, as the process that made it wrote it."""
        return None if self._record.result is None else self._record.result.object_string

    @property
    def json(self) -> str | None:
        """The value as JSON text, None when JSON cannot say all of it."""
        return None if self._record.result is None else self._record.result.json

    @property
    def error(self) -> str | None:
        """Which tasks failed, with their tracebacks; None when none did."""
        return self._record.error

    @functools.cached_property
    def inputs(self) -> TransportableObject | None:
        """The workflow's arguments, unopened: a dict of ``args`` and ``kwargs``."""
        digest = self._record.inputs
        return None if digest is None else StoredObject(self._server, AssetDescription(digest=digest, size=0))

    def get_node_result(self, node_id: int) -> NodeResult:
        """What became of one node: times, status, output, error, and what it printed."""
        try:
            number = operator.index(node_id)
        except TypeError:
            raise TypeError(
                f"a node is asked for by its number, not by {node_id!r}; get_all_node_results() has them all"
            ) from None
        try:
            plain = _fetched(lambda: self._server.get(f"{self._nodes}/{number}"))
        except ServerError as error:
            if error.status != _NOT_FOUND or isinstance(error, MissingLatticeRecordError):
                raise
            last = sum(self._record.node_counts.values()) - 1
            known = f"its nodes are numbered 0 to {last}" if last >= 0 else "get_all_node_results() has all there are"
            message = f"the dispatch {self.dispatch_id} has no node {number}; {known}"
            raise ServerError(message, status=error.status, code=error.code) from None
        return self._node(from_json(NodeRecord, plain))

    def get_all_node_results(self) -> list[NodeResult]:
        """What became of every node, in the order of the graph."""
        return [
            self._node(record) for record in from_json(NodeList, _fetched(lambda: self._server.get(self._nodes))).nodes
        ]

    def get_all_node_outputs(self) -> dict[str, TransportableObject]:
        """The outputs of all nodes that have one, by ``name(id)``; their bytes are fetched when asked for."""
        nodes = self.get_all_node_results()
        return {
            f"{node['node_name']}({node['node_id']})": node["output"] for node in nodes if node["output"] is not None
        }

    def raise_for_status(self) -> None:
        """Raise DispatchFailedError when the dispatch has ended without a value."""
        if self.status.terminal and self.status is not Status.COMPLETED:
            raise DispatchFailedError(f"dispatch {self.dispatch_id} is {self.status}: {self.error or 'no task failed'}")

    def _node(self, record: NodeRecord) -> NodeResult:
        return NodeResult(self._server, self._nodes, record, ended=self.status.terminal)

    @property
    def _nodes(self) -> str:
        return f"/dispatches/{quote(self.dispatch_id, safe='')}/nodes"

    def __repr__(self) -> str:
        shown = "" if self.object_string is None else f" {_shortened(self.object_string)}"
        return f"<Result of {self.name} {self.dispatch_id} {self.status}{shown}>"

    def _repr_html_(self) -> str:
        return markup.card("Result", self._lines())

    def __str__(self) -> str:
        return _listed(self._lines())

    def _lines(self) -> dict[str, object]:
        ended = self.status.terminal
        counts = sorted(self._record.node_counts.items())
        return {
            "dispatch id": self.dispatch_id,
            "workflow": self.name,
            "status": self.status,
            "nodes": ", ".join(f"{count} {_standing(status, ended=ended)}" for status, count in counts),
            "started": self.start_time,
            "ended": self.end_time,
            "result": self.object_string,
            "error": self.error,
        }


def _standing(status: str, *, ended: bool) -> str:
    return _NOT_STARTED if ended and status == Status.NEW_OBJECT else str(status)


def _listed(lines: Mapping[str, object]) -> str:
    return "\n".join(f"{label}: {value}" for label, value in lines.items() if value not in {None, ""})


def _fetched(ask: Callable[[], T]) -> T:
    """What the server answers; an error comes without the frames of the connection, which say nothing to a user."""
    try:
        return persistently(ask)
    except ServerError as error:
        raise error.with_traceback(None) from None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _stream(server: Server, path: str) -> str:
    return _fetched(lambda: server.get_bytes(path)).decode("utf-8", "replace")


def _shortened(text: str) -> str:
    first = text.partition("\n")[0]
    return first if first == text and len(text) <= _SHOWN else f"{first[:_SHOWN]}…"
