"""Asking how a dispatch stands, and waiting for its end without asking again and again.

The server holds its answer back until the dispatch has ended or half a minute has passed, so an end is known at once.
A server that is restarted meanwhile is found again.
"""

from __future__ import annotations

import time
from typing import Any, Final, Literal, overload
from urllib.parse import quote

from covalent.client.connection import connect
from covalent.http import Server, persistently
from covalent.result import Result
from covalent.wire.codec import from_json
from covalent.wire.records import DispatchRecord

#: For how long the server may hold an answer back, in seconds.
_HELD_SECONDS: Final = 30
#: How much later than that an answer may come before the connection counts as dead, in seconds.
_GRACE_SECONDS: Final = 15
#: Between two questions when the server does not hold answers back (as when it is about to stop), in seconds.
_PAUSE: Final = 0.2


@overload
def get_result(
    dispatch_id: str,
    wait: bool = ...,  # noqa: FBT001
    dispatcher_addr: str | None = ...,
    status_only: Literal[False] = ...,
    *,
    workflow_output: bool = ...,
    intermediate_outputs: bool = ...,
    sublattice_results: bool = ...,
) -> Result: ...


@overload
def get_result(
    dispatch_id: str,
    wait: bool = ...,  # noqa: FBT001
    dispatcher_addr: str | None = ...,
    *,
    status_only: Literal[True],
    workflow_output: bool = ...,
    intermediate_outputs: bool = ...,
    sublattice_results: bool = ...,
) -> dict[str, Any]: ...


def get_result(
    dispatch_id: str,
    wait: bool = False,  # noqa: FBT001, FBT002  the order and the defaults are public
    dispatcher_addr: str | None = None,
    status_only: bool = False,  # noqa: FBT001, FBT002
    *,
    workflow_output: bool = True,  # noqa: ARG001  these three chose what to download;
    intermediate_outputs: bool = True,  # noqa: ARG001  now everything is fetched when it is asked for
    sublattice_results: bool = True,  # noqa: ARG001
) -> Result | dict[str, Any]:
    """How a dispatch stands, or with ``wait`` how it ended; with ``status_only`` as ``{"id", "status"}``.

    Raises MissingLatticeRecordError for an id that the server does not know. Outputs are not downloaded before they
    are asked for, so the last three arguments, which old scripts give to save time, change nothing.
    """
    if not isinstance(dispatch_id, str):
        raise TypeError(f"a dispatch's id is text, as ct.dispatch returned it, not {type(dispatch_id).__name__}")
    server = connect(dispatcher_addr)
    record = wait_until_ended(server, dispatch_id) if wait else persistently(lambda: ask(server, dispatch_id))
    if status_only:
        return {"id": record.dispatch_id, "status": record.status}
    return Result(record, server)


def ask(server: Server, dispatch_id: str, *, held: int | None = None) -> DispatchRecord:
    """How a dispatch stands; the answer may be ``held`` back for that many seconds until the dispatch has ended."""
    path = f"/dispatches/{quote(dispatch_id, safe='')}"
    if held is None:
        return from_json(DispatchRecord, server.get(path))
    return from_json(DispatchRecord, server.get(path, params={"wait": held}, timeout=held + _GRACE_SECONDS))


def wait_until_ended(server: Server, dispatch_id: str, *, reached: bool = False) -> DispatchRecord:
    """How a dispatch ended; ``reached`` when the server has just answered something else."""
    while True:
        asked = time.monotonic()
        record = persistently(lambda: ask(server, dispatch_id, held=_HELD_SECONDS), reached=reached)
        if record.status.terminal:
            return record
        reached = True
        if time.monotonic() - asked < _PAUSE:
            time.sleep(_PAUSE)
