"""What tasks printed, put together from the pieces in which it came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from covalent.wire.overview import Match, MatchList
from covalent_server.core.states import NodeState
from covalent_server.db.reads import node_row
from covalent_server.db.tables import stream

#: Characters of a line that are told.
_LINE: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which part of what an attempt printed, in bytes."""

    which: str
    offset: int = 0
    #: So many at most.
    limit: int | None = None
    #: The last so many, in place of ``offset``.
    tail: int | None = None
    #: The latest unless told otherwise.
    attempt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A part of what a task printed."""

    #: The node's key.
    node: int
    data: bytes
    #: Whether the attempt that printed it is over, so that nothing more comes of it.
    settled: bool
    #: Where it begins, and how much there is altogether.
    offset: int
    size: int


def printed(connection: Connection, owner: str, dispatch_id: str, number: int, wanted: Wanted) -> Printed:
    """What an attempt at a node printed."""
    row = node_row(connection, owner, dispatch_id, number)
    attempt = row.attempt if wanted.attempt is None else wanted.attempt
    state = NodeState(row.state)
    settled = state.terminal or state is NodeState.DISPATCHING or attempt != row.attempt
    here = (stream.c.node == row.key, stream.c.attempt == attempt, stream.c.stream == wanted.which)
    ends = select(func.max(stream.c.offset + func.length(stream.c.data))).where(*here)
    size = int(connection.execute(ends).scalar() or 0)
    offset = wanted.offset if wanted.tail is None else max(0, size - wanted.tail)
    # Who follows a long text asks often, and for its end alone.
    pieces = (
        select(stream.c.offset, stream.c.data)
        .where(*here, stream.c.offset + func.length(stream.c.data) > offset)
        .order_by(stream.c.offset)
    )
    if wanted.limit is not None:
        pieces = pieces.where(stream.c.offset < offset + wanted.limit)
    text, end = bytearray(), offset
    for start, data in connection.execute(pieces):
        if start > end and not settled:  # a piece has overtaken the one before it
            break
        # Pieces of one attempt may overlap when a worker cut them anew; what is there already stays.
        text += data[max(0, end - start) :]
        end = max(end, start + len(data))
    found = bytes(text if wanted.limit is None else text[: wanted.limit])
    return Printed(node=row.key, data=found, settled=settled, offset=offset, size=size)


def matches(
    connection: Connection, owner: str, dispatch_id: str, number: int, wanted: Wanted, *, text: str, limit: int
) -> MatchList:
    """The first lines of what an attempt printed that hold a text, in large or small letters."""
    sought = text.lower()
    found: list[Match] = []
    for offset, count, line in _lines(printed(connection, owner, dispatch_id, number, wanted).data):
        shown = line.decode("utf-8", "replace")
        if sought in shown.lower():
            if len(found) == limit:
                return MatchList(matches=tuple(found), more=True)
            found.append(Match(offset=offset, line=count, text=shown[:_LINE]))
    return MatchList(matches=tuple(found))


def _lines(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Each line with its offset and its number."""
    offset, count = 0, 0
    while offset < len(data):
        end = data.find(b"\n", offset)
        end = len(data) if end < 0 else end
        count += 1
        yield offset, count, data[offset:end]
        offset = end + 1
