"""What became of one node of a dispatch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from covalent import markup
from covalent.result.source import Source
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.codec import to_json
from covalent.wire.records import NodeRecord
from covalent.wire.streams import STREAMS

#: How a task that no longer will run is said to stand: its status is that of one that waits.
_NOT_STARTED: Final = "not started"
_CHILD: Final = "sublattice_result"


class NodeResult(Mapping[str, Any]):
    """What became of one node: ``node["status"]`` or ``node.status``; ``print(node)`` shows everything.

    The keys: ``node_id``, ``node_name``, ``start_time``, ``end_time`` (in UTC, None before), ``status``, ``output`` (a
    TransportableObject, None unless COMPLETED), ``error`` (the traceback, None unless FAILED), ``environment`` (of the
    layer of packages that ``deps_pip`` gave it: ``key``, ``resolved`` (each package with its version), ``warning``,
    ``seconds`` that it took to build; None where there was none), ``workdir`` (the directory of its own that a failed
    task has left on its worker's machine, None where there is none), ``sublattice_result``
    (the :class:`Result` of a sublattice's own dispatch, None for other nodes and before there is one), and ``stdout``
    and ``stderr``, what the task printed. The last three are fetched when they are asked for.
    """

    def __init__(
        self,
        source: Source,
        dispatch_id: str,
        record: NodeRecord,
        *,
        output: TransportableObject | None,
        child: Callable[[str], Any],
        ended: bool = False,
    ) -> None:
        """``child`` gives a result by its dispatch's id; ``ended`` says that what has not started never will."""
        self._known = {
            "node_id": record.node_id,
            "node_name": record.node_name,
            "start_time": moment(record.started_at),
            "end_time": moment(record.ended_at),
            "status": record.status,
            "output": output,
            "error": record.error,
            "environment": None if record.environment is None else to_json(record.environment),
            "workdir": record.workdir,
        }
        self._standing = standing(record.status, ended=ended)
        if record.preparing_since is not None:
            self._standing += f", its environment is being built since {moment(record.preparing_since)}"
        self._asked: dict[str, Callable[[], Any]] = {
            _CHILD: functools.cache(lambda: None if record.child is None else child(record.child)),
            **{name: _read(source, dispatch_id, record, name) for name in STREAMS},
        }

    def __contains__(self, key: object) -> bool:
        return key in self._known or key in self._asked

    def __getitem__(self, key: str) -> Any:
        return self._asked[key]() if key in self._asked else self._known[key]

    def __iter__(self) -> Iterator[str]:
        yield from (*self._known, *self._asked)

    def __len__(self) -> int:
        return len(self._known) + len(self._asked)

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
            "environment": ", ".join(self["environment"]["resolved"]) if self["environment"] else None,
            "directory": self["workdir"],
            "error": self["error"],
        }

    def __str__(self) -> str:
        streams = {name: self[name].rstrip("\n") for name in STREAMS}
        streams["stderr"] = streams["stderr"].removesuffix(self["error"] or "").rstrip("\n")  # it is shown as the error
        return listed(self._known_lines() | streams)

    def __repr__(self) -> str:
        return f"<NodeResult {self['node_name']}({self['node_id']}) {self['status']}>"

    def _repr_html_(self) -> str:
        return markup.card("Node", self._known_lines())  # without the streams, which would have to be fetched


def standing(status: str, *, ended: bool) -> str:
    """A node's status, in words when the dispatch has ended without it."""
    return _NOT_STARTED if ended and status == Status.NEW_OBJECT else str(status)


def listed(lines: Mapping[str, object]) -> str:
    """Labels and values, a line each; those that are None or empty are left out."""
    return "\n".join(f"{label}: {value}" for label, value in lines.items() if value not in {None, ""})


def moment(seconds: float | None) -> datetime | None:
    """A time in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _read(source: Source, dispatch_id: str, record: NodeRecord, stream: str) -> Callable[[], str]:
    return functools.cache(lambda: source.printed(dispatch_id, record, stream).decode("utf-8", "replace"))
