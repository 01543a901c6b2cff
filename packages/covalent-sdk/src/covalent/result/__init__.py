"""What a user holds of a dispatch: how it stands, its value, and what became of each of its nodes.

A result is the picture of one moment. Bytes and streams are fetched when they are asked for, and kept. Only
``Result.result``, ``Result.post_process()`` and ``get_deserialized()`` open anything: all else works where the
workflow's packages are missing.
"""

from __future__ import annotations

import functools
import operator
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from covalent import markup
from covalent.errors import DispatchFailedError, ServerError, TransportError
from covalent.lattice import Lattice
from covalent.result import finishing
from covalent.result.extent import Extent
from covalent.result.following import Follower, pause
from covalent.result.nodes import NodeResult, listed, moment, standing
from covalent.result.source import ServerSource, Source
from covalent.result.stored import StoredObject
from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire.manifest import Manifest
from covalent.wire.records import AssetDescription, DispatchRecord, NodeRecord
from covalent.wire.streams import STREAMS, follow, follow_all
from covalent.wire.waiting import Waiting

__all__ = ["Extent", "NodeResult", "Result", "ServerSource", "StoredObject"]

#: The longest text in a ``repr``.
_SHOWN: Final = 60


class Result:
    """A dispatch as it stood when it was asked for."""

    def __init__(
        self,
        record: DispatchRecord,
        source: Source,
        extent: Extent | None = None,
        value: bytes | None = None,
    ) -> None:
        """``value`` is the dispatch's own, unopened, when it came along with the record."""
        self._record = record
        self._source = source
        self._extent = extent or Extent()
        #: Assets whose bytes were fetched ahead, or made here.
        self._known: dict[str, TransportableObject] = {}
        if value is not None and record.result is not None:
            stored = StoredObject(source, record.result)
            stored.take(value)
            self._known[record.result.digest] = stored
        #: The nodes once nothing of them changes any more.
        self._final: tuple[NodeRecord, ...] | None = None
        self._post_processed = False

    # -- how it stands

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
        """What the dispatch is called: the workflow's name, unless it was given another."""
        return self._record.name

    @property
    def status(self) -> Status:
        """How it stands."""
        return self._record.status

    @property
    def start_time(self) -> datetime | None:
        """When its first task was given out, None before; in UTC."""
        return moment(self._record.started_at)

    @property
    def end_time(self) -> datetime | None:
        """When it ended, None before; in UTC."""
        return moment(self._record.ended_at)

    @property
    def error(self) -> str | None:
        """Which tasks failed, with their tracebacks; None when none did."""
        return self._record.error

    def raise_for_status(self) -> None:
        """Raise DispatchFailedError when the dispatch has ended without a value."""
        if self.status.terminal and self.status is not Status.COMPLETED:
            raise DispatchFailedError(f"dispatch {self.dispatch_id} is {self.status}: {self.error or 'no task failed'}")

    # -- its value

    @functools.cached_property
    def result(self) -> Any:
        """The workflow's value, opened here; None unless the dispatch is COMPLETED or was post-processed here."""
        return None if self.encoded_result is None else self.encoded_result.get_deserialized()

    @functools.cached_property
    def encoded_result(self) -> TransportableObject | None:
        """The workflow's value, unopened; None as long as there is none."""
        return None if self._record.result is None else self._object(self._record.result)

    @property
    def object_string(self) -> str | None:
        """The value as text, as the process that made it wrote it."""
        return None if self._record.result is None else self._record.result.object_string

    @property
    def json(self) -> str | None:
        """The value as JSON text, None when JSON cannot say all of it."""
        return None if self._record.result is None else self._record.result.json

    def post_process(self) -> Any:
        """Put the workflow's value together here, from the outputs of its tasks; returns it and sets :attr:`result`.

        For dispatches whose status is PENDING_POSTPROCESSING, because their workflow executor is ``"client"``, and
        for those that are FAILED_POSTPROCESSING. A server that waits for the value is told of it, so that the
        dispatch becomes COMPLETED there, too; when none can be reached, the value is here all the same, and the next
        call tries again to tell. On a COMPLETED dispatch this returns the value that there is. Raises
        PostProcessingError when outputs are missing.
        """
        if self.status is not Status.COMPLETED:
            if not self._post_processed:
                finishing.check(self._record)
                self._take(finishing.put_together(self._manifest, self._records, self._named))
            self._tell()
        return self.result

    def _take(self, value: Any) -> None:
        """Have a value from now on."""
        vars(self)["result"] = value
        self._post_processed = True
        try:
            encoded = TransportableObject(value)
        except TransportError as error:
            warnings.warn(f"the value cannot be serialised, so it is stored nowhere: {error}", stacklevel=3)
            return
        vars(self)["encoded_result"] = self._known[encoded.asset_id] = encoded
        described = AssetDescription(
            digest=encoded.asset_id,
            size=encoded.size,
            type_name=encoded.header.type_name,
            object_string=encoded.object_string,
            json=encoded.json,
        )
        self._record = replace(self._record, result=described)

    def _tell(self) -> None:
        """Tell a server that waits for the value of it."""
        if self.status is Status.PENDING_POSTPROCESSING and self.encoded_result is not None:
            told = self._source.conclude(self.dispatch_id, self.encoded_result)
            if told is not None:
                self._final = None
                self._record = replace(told, result=self._record.result)

    # -- what it was made of

    @functools.cached_property
    def inputs(self) -> TransportableObject | None:
        """The workflow's arguments, unopened: a dict of ``args`` and ``kwargs``."""
        return None if self._record.inputs is None else self._named(self._record.inputs)

    @functools.cached_property
    def lattice(self) -> Lattice[...]:
        """The workflow with the graph that was dispatched; nothing in it is opened before that is asked for."""
        return Lattice.stored(self._manifest, self._named)

    @functools.cached_property
    def _manifest(self) -> Manifest:
        return self._source.manifest(self.dispatch_id)

    # -- its nodes

    def get_node_result(self, node_id: int) -> NodeResult:
        """What became of one node: times, status, output, error, and what it printed."""
        return self._node(self._node_record(node_id))

    def get_all_node_results(self) -> list[NodeResult]:
        """What became of every node, in the order of the graph."""
        return [self._node(record) for record in self._records]

    def get_all_node_outputs(self) -> dict[str, TransportableObject]:
        """The outputs of all nodes that have one, by ``name(id)``; their bytes are fetched when asked for."""
        nodes = self.get_all_node_results()
        return {
            f"{node['node_name']}({node['node_id']})": node["output"] for node in nodes if node["output"] is not None
        }

    def why(self, node_id: int | None = None) -> tuple[Waiting, ...]:
        """Why nodes are not running, as it is now: the first hundred that have not ended, or the one that is named.

        Each has a ``code`` for programs and a ``message`` that says what to do next.

        >>> for waiting in result.why():
        ...     print(waiting)
        """
        number = None if node_id is None else self._node_record(node_id).node_id
        return self._source.why(self.dispatch_id, number)

    def follow(self, node_id: int | None = None, stream: str = "stdout") -> Iterator[str]:
        """What a task prints, in pieces of text as they come, until it has ended; ``stream`` may be ``stderr``.

        Without a node's number all tasks are followed until the dispatch has ended, in whole lines, each behind its
        task's name and number. A server that is restarted meanwhile is found again.

        >>> for text in result.follow(0):
        ...     print(text, end="")
        """
        if stream not in STREAMS:
            raise ValueError(f"stream is {' or '.join(map(repr, STREAMS))}, not {stream!r}")
        follower = Follower(source=self._source, dispatch_id=self.dispatch_id, stream=stream)
        if node_id is None:
            return follow_all(follower, only_once=not self._source.live)
        record = self._node_record(node_id)
        return follow(follower, record.node_id, pause) if self._source.live else iter([self._node(record)[stream]])

    def _node_record(self, node_id: int) -> NodeRecord:
        try:
            number = operator.index(node_id)
        except TypeError:
            raise TypeError(
                f"a node is asked for by its number, not by {node_id!r}; get_all_node_results() has them all"
            ) from None
        try:
            if self._final is not None:
                return {record.node_id: record for record in self._final}[number]
            return self._source.node(self.dispatch_id, number)
        except KeyError:
            last = sum(self._record.node_counts.values()) - 1
            known = f"its nodes are numbered 0 to {last}" if last >= 0 else "get_all_node_results() has all there are"
            raise ServerError(f"the dispatch {self.dispatch_id} has no node {number}; {known}", status=404) from None

    @property
    def _records(self) -> tuple[NodeRecord, ...]:
        found = self._final or self._source.nodes(self.dispatch_id)
        if self.status.at_rest:
            self._final = found
        return found

    def _node(self, record: NodeRecord) -> NodeResult:
        return NodeResult(
            self._source,
            self.dispatch_id,
            record,
            output=None if record.output is None else self._object(record.output),
            child=lambda child: Result(self._source.dispatch(child), self._source, self._extent),
            ended=self.status.terminal,
        )

    # -- bytes

    def fetch_ahead(self) -> Self:
        """Fetch now what :meth:`post_process` needs, when the value is left to it; the server may be stopped then."""
        if self.status is Status.PENDING_POSTPROCESSING and self._extent.outputs:
            needed = sorted(finishing.needed(self._manifest, self._records))
            for digest, data in self._source.assets(needed):
                self._known[digest] = TransportableObject.from_buffer(data)
        return self

    def _named(self, digest: str) -> TransportableObject:
        return self._known.get(digest) or StoredObject.named(self._source, digest)

    def _object(self, described: AssetDescription) -> TransportableObject:
        return self._known.get(described.digest) or StoredObject(self._source, described)

    # -- in a file

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything that is known of the dispatch to a file, which is returned; in a directory it gets a name.

        The file holds the workflow, the outputs and streams of all nodes, errors, and the results of sublattices, but
        for what :func:`covalent.get_result` was told to leave out. :meth:`load` needs neither a server nor the
        workflow's packages.
        """
        from covalent.result.archive import write  # noqa: PLC0415 - few results are saved

        return write(Path(path), self._record, self._source, self._extent, self._known)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """A result from a file that :meth:`save` has written, as it stood then.

        The file is read when something of it is asked for, so it has to stay where it is.
        """
        from covalent.result.archive import Archive  # noqa: PLC0415 - as above

        archive = Archive(Path(path))
        index = archive.index
        return cls(archive.dispatch(index.dispatch_id), archive, index.extent)

    # -- for people

    def __repr__(self) -> str:
        shown = "" if self.object_string is None else f" {_shortened(self.object_string)}"
        return f"<Result of {self.name} {self.dispatch_id} {self.status}{shown}>"

    def _repr_html_(self) -> str:
        return markup.card("Result", self._lines())

    def __str__(self) -> str:
        return listed(self._lines())

    def _lines(self) -> dict[str, object]:
        record = self._record
        counts = sorted(record.node_counts.items())
        return {
            "dispatch id": self.dispatch_id,
            "workflow": self.name,
            "tags": ", ".join(record.tags),
            "sublattice of": f"{record.parent}, node {record.parent_node}" if record.parent else None,
            "redispatch of": record.redispatch_of,
            "status": self.status,
            "nodes": ", ".join(f"{count} {standing(status, ended=self.status.terminal)}" for status, count in counts),
            "started": self.start_time,
            "ended": self.end_time,
            "result": self.object_string,
            "error": self.error,
        }


def _shortened(text: str) -> str:
    first = text.partition("\n")[0]
    return first if first == text and len(text) <= _SHOWN else f"{first[:_SHOWN]}…"
