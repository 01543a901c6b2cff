"""The same questions for programs on asyncio: each is asked in a thread of its own, and the caller's loop goes on.

Asking in threads and not in the loop has a reason besides having one way to talk to a server: building a graph runs
the user's workflow function and reads and pickles their modules, which nobody can make asynchronous. A thread cannot
be cancelled, but its requests can (:class:`~covalent.http.Interruption`): who no longer waits leaves no thread behind
in an answer that is held back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, Literal, ParamSpec, TypeVar, overload

from covalent.client.cancelling import cancel
from covalent.client.dispatching import check_lattice, starting
from covalent.client.inspecting import users_line
from covalent.client.options import DispatchOptions
from covalent.client.waiting import get_result
from covalent.http import Interruption
from covalent.lattice import Lattice
from covalent.result import Result
from covalent.secret import Secret

P = ParamSpec("P")
T = TypeVar("T")


def adispatch(
    lattice: Lattice[P],
    dispatcher_addr: str | None = None,
    *,
    disable_run: bool = False,
    name: str | None = None,
    tags: Sequence[str] = (),
    env: Mapping[str, str | Secret] | None = None,
    priority: int = 0,
    preflight: bool = True,
) -> Callable[P, Coroutine[Any, Any, str]]:
    """As :func:`dispatch`, to be awaited: ``dispatch_id = await ct.adispatch(workflow)(x)``.

    The workflow function runs in a thread of its own, with the context variables of the caller: it may block and may
    use ``asyncio.run``, but not touch what belongs to the caller's event loop, and its arguments must stay as they
    are until this returns. Cancelled while the function runs, nothing is sent, and the function goes on to its end
    unheeded; cancelled later, the request is cut off, and the server may have started the workflow or not.
    """
    check_lattice("ct.adispatch", lattice)
    options = DispatchOptions.given(name=name, tags=tags, env=env, priority=priority, disable_run=disable_run)
    # The thread that warns is called by no line of the user's.
    start = starting(lattice, dispatcher_addr, options, preflight=preflight, line=users_line())

    async def start_apart(*args: P.args, **kwargs: P.kwargs) -> str:
        return await _apart(lambda: start(*args, **kwargs))

    return start_apart


@overload
async def aget_result(
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
async def aget_result(
    dispatch_id: str,
    wait: bool = ...,  # noqa: FBT001
    dispatcher_addr: str | None = ...,
    *,
    status_only: Literal[True],
    workflow_output: bool = ...,
    intermediate_outputs: bool = ...,
    sublattice_results: bool = ...,
) -> dict[str, Any]: ...


async def aget_result(
    dispatch_id: str,
    wait: bool = False,  # noqa: FBT001, FBT002  the order and the defaults are those of get_result
    dispatcher_addr: str | None = None,
    status_only: bool = False,  # noqa: FBT001, FBT002
    *,
    workflow_output: bool = True,
    intermediate_outputs: bool = True,
    sublattice_results: bool = True,
) -> Result | dict[str, Any]:
    """As :func:`get_result`, to be awaited: ``result = await ct.aget_result(dispatch_id, wait=True)``.

    With ``workflow_output`` the bytes of the value are here when this returns, so that ``result.result`` opens them
    without asking the server. What else a result fetches when it is asked for, it fetches where it is asked: on an
    event loop say ``await asyncio.to_thread(result.get_all_node_results)``.

    Cancelled, it returns at once: the connection on which the server was holding its answer back is shut, which
    ends the thread that was waiting there. The dispatch goes on.
    """

    def ask() -> Result | dict[str, Any]:
        if status_only:
            return get_result(dispatch_id, wait, dispatcher_addr, status_only=True)
        result = get_result(
            dispatch_id,
            wait,
            dispatcher_addr,
            workflow_output=workflow_output,
            intermediate_outputs=intermediate_outputs,
            sublattice_results=sublattice_results,
        )
        if workflow_output and result.encoded_result is not None:
            result.encoded_result.chunks()  # fetches them
        return result

    return await _apart(ask)


async def acancel(
    dispatch_id: str, task_ids: int | Iterable[int] | None = None, dispatcher_addr: str | None = None
) -> str:
    """As :func:`cancel`, to be awaited; when it is itself cancelled, the server may have heard of it or not."""
    return await _apart(lambda: cancel(dispatch_id, task_ids, dispatcher_addr))


async def _apart(work: Callable[[], T]) -> T:
    """What ``work`` gives in a thread of its own; when the caller no longer waits, its requests are cut off.

    The loop's own pool of threads is left to the program: a hundred waits would take all of it.
    """
    interruption = Interruption()
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from here on only the thread may end it

    def run() -> None:
        try:
            with interruption.covering():
                done.set_result(work())
        except StopIteration as error:  # no coroutine can raise it
            done.set_exception(RuntimeError(f"the workflow function raised {error!r}"))
        except BaseException as error:  # noqa: BLE001  it is raised where it was asked
            done.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name="covalent-apart", daemon=True).start()
    try:
        return await asyncio.wrap_future(done)
    finally:
        interruption.interrupt()
