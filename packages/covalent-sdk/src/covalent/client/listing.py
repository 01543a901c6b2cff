"""Finding dispatches again, after the process that started them has gone."""

from __future__ import annotations

from typing import Any, Final

from covalent.connection import connect
from covalent.errors import CovalentError
from covalent.http import Server, persistently
from covalent.result import Result, ServerSource
from covalent.status import Status
from covalent.wire.codec import from_json
from covalent.wire.records import DispatchList, DispatchRecord

#: The longest list that a server gives.
MOST: Final = 1000


def dispatches(
    name: str | None = None,
    tag: str | None = None,
    status: Status | str | None = None,
    limit: int = 100,
    dispatcher_addr: str | None = None,
) -> list[Result]:
    """Your newest dispatches, the newest first: those of a name, with a tag, of a status, at most ``limit`` (1000).

    Each is a :class:`Result` as it stood now; outputs are fetched when they are asked for.

    >>> [found.dispatch_id for found in ct.dispatches(name="sum_of_squares", status="RUNNING")]
    """
    server = connect(dispatcher_addr)
    try:
        found = records(server, name=name, tag=tag, status=status, limit=limit)
    except (CovalentError, KeyboardInterrupt) as error:
        raise error.with_traceback(None) from None  # what lies between is ours, and no help to anybody
    source = ServerSource(server)
    return [Result(record, source) for record in found]


def records(
    server: Server, *, name: str | None, tag: str | None, status: Status | str | None, limit: int
) -> tuple[DispatchRecord, ...]:
    """The same as the server tells it."""
    asked = {"name": _text("name", name), "tag": _text("tag", tag), "status": _status(status), "limit": _limit(limit)}
    return from_json(DispatchList, persistently(lambda: server.get("/dispatches", params=asked))).dispatches


def _text(what: str, given: Any) -> str | None:
    if given is not None and not isinstance(given, str):
        raise TypeError(f"{what} is one text that the dispatches have in common, not {given!r}")
    return given


def _status(given: Any) -> Status | None:
    try:
        return None if given is None else Status(given)
    except ValueError:
        raise ValueError(f"{given!r} is no status; there are: {', '.join(Status)}") from None


def _limit(given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        raise TypeError(f"limit is how many dispatches are wanted, a number, not {given!r}")
    if not 1 <= given <= MOST:
        raise ValueError(f"limit is 1 to {MOST}, not {given}; narrow the list with name, tag or status")
    return given
