"""Asking how a dispatch stands, and waiting for its end without asking again and again.

The server holds its answer back until the dispatch has ended or half a minute has passed, so an end is known at once.
A server that is restarted meanwhile is found again, and asked for an answer at once first: one that is restarted again
and again is given up only when it does not even give that. Where somebody looks on, it is asked more often, and tells
how far the dispatch has come.
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, overload

from covalent.client.progress import Progress, View
from covalent.client.views import view
from covalent.connection import connect
from covalent.errors import CovalentError, ServerError, ServerUnreachableError
from covalent.http import NOT_CONNECTED, Server, persistently
from covalent.result import Extent, Result, ServerSource
from covalent.result.source import dispatch_path
from covalent.wire.codec import from_json
from covalent.wire.records import DispatchRecord

#: How much later than that an answer may come before the connection counts as dead, in seconds.
_GRACE_SECONDS: Final = 15
#: Between two questions when the server does not hold answers back (as when it is about to stop), in seconds.
_PAUSE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How a dispatch stands, and its value's bytes when they came along because they are few."""

    record: DispatchRecord
    value: bytes | None = None


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
    results_dir: object = ...,
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
    results_dir: object = ...,
) -> dict[str, Any]: ...


def get_result(
    dispatch_id: str,
    wait: bool = False,  # noqa: FBT001, FBT002  the order and the defaults are public
    dispatcher_addr: str | None = None,
    status_only: bool = False,  # noqa: FBT001, FBT002
    *,
    workflow_output: bool = True,
    intermediate_outputs: bool = True,
    sublattice_results: bool = True,
    results_dir: object = None,
) -> Result | dict[str, Any]:
    """How a dispatch stands, or with ``wait`` how it ended; with ``status_only`` as ``{"id", "status"}``.

    Raises MissingLatticeRecordError for an id that the server does not know. A dispatch whose value is left to
    :meth:`Result.post_process` counts as ended when all else is done, and what that needs is fetched here.

    Outputs are downloaded when they are asked for. The last three arguments say what of them belongs to the result
    all the same: what is fetched here, and what :meth:`Result.save` takes along.

    >>> result = ct.get_result(dispatch_id, wait=True)
    >>> result.raise_for_status()  # an error when it has failed
    >>> result.result
    285
    """
    check_id(dispatch_id)
    if results_dir is not None:
        warnings.warn(
            "ct.get_result(results_dir=...) says nothing any more, since results are kept by the server: leave it out, "
            "and write result.save(path) to have one in a file",
            DeprecationWarning,
            stacklevel=2,
        )
    server = connect(dispatcher_addr)
    try:
        found = wait_until_ended(server, dispatch_id) if wait else persistently(lambda: ask(server, dispatch_id))
        if status_only:
            return {"id": found.record.dispatch_id, "status": found.record.status}
        extent = Extent(value=workflow_output, outputs=intermediate_outputs, sublattices=sublattice_results)
        return Result(found.record, ServerSource(server), extent, found.value).fetch_ahead()
    except (CovalentError, KeyboardInterrupt) as error:
        raise error.with_traceback(None) from None  # what lies between is ours, and no help to anybody


def check_id(given: object) -> None:
    """Raise TypeError for what cannot be a dispatch's id."""
    if not isinstance(given, str):
        forgotten = "; did you forget the call: ct.dispatch(workflow)(...)?" if callable(given) else ""
        kind = type(given).__name__
        raise TypeError(f"a dispatch's id is text, as ct.dispatch(workflow)(...) returned it, not {kind}{forgotten}")


def ask(server: Server, dispatch_id: str, *, held: float | None = None) -> Answered:
    """How a dispatch stands; the answer may be ``held`` back for that many seconds until the dispatch has ended."""
    timeout = None if held is None else held + _GRACE_SECONDS
    answer = server.get_framed(dispatch_path(dispatch_id), params={"wait": held}, timeout=timeout)
    record = from_json(DispatchRecord, answer.plain)
    for blob in answer.blobs:
        if record.result is not None and hashlib.sha256(blob).hexdigest() == record.result.digest:
            return Answered(record=record, value=bytes(blob))
    return Answered(record=record)


def wait_until_ended(
    server: Server,
    dispatch_id: str,
    *,
    reached: bool = False,
    look: Callable[[], View | None] = view,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Answered:
    """How a dispatch ended; ``reached`` when the server has just answered something else.

    Where somebody looks they see how far it has come.
    """
    try:
        with Progress(look(), clock) as progress:
            question = _question(server, dispatch_id, lambda: progress.held)
            while True:
                asked = clock()
                found = persistently(
                    question,
                    reached=reached,
                    notice=lambda error, seconds: progress.say(_away(error, seconds)),
                    clock=clock,
                    sleep=sleep,
                )
                progress.tell(found.record)
                if found.record.status.at_rest:
                    return found
                reached = True
                if clock() - asked < _PAUSE:
                    sleep(_PAUSE)
    except ServerUnreachableError as error:
        if not reached and error.code == NOT_CONNECTED:
            raise  # nobody knows whether there is such a dispatch
        raise ServerUnreachableError(f"{error}. {_kept(dispatch_id)}", code=error.code) from None
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"Only the waiting has ended: the dispatch {dispatch_id} goes on. {_again(dispatch_id)}")
        raise


def _question(server: Server, dispatch_id: str, held: Callable[[], float]) -> Callable[[], Answered]:
    """What asks how a dispatch stands: for an answer that is held back, or at once after one that did not come."""
    answered = True

    def put() -> Answered:
        nonlocal answered
        seconds = held() if answered else None
        answered = False
        found = ask(server, dispatch_id, held=seconds)
        answered = True
        return found

    return put


def _away(error: ServerError, seconds: float) -> str:
    return f"covalent: {error}; asking for {seconds:.0f} seconds more"


def _kept(dispatch_id: str) -> str:
    return f"The dispatch {dispatch_id} is kept and goes on when the server is back. {_again(dispatch_id)}"


def _again(dispatch_id: str) -> str:
    return f"Ask for it with: ct.get_result({dispatch_id!r}, wait=True)"
