"""Starting workflows: ``ct.dispatch(workflow)(x)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ParamSpec

from covalent.client.inspecting import Line, inspect
from covalent.client.options import DispatchOptions
from covalent.client.upload import submit
from covalent.client.waiting import wait_until_ended
from covalent.connection import connect
from covalent.context import check_dispatching
from covalent.errors import CovalentError
from covalent.lattice import Lattice
from covalent.result import Result, ServerSource
from covalent.secret import Secret
from covalent.workflows import build

P = ParamSpec("P")


def dispatch(
    lattice: Lattice[P],
    dispatcher_addr: str | None = None,
    *,
    disable_run: bool = False,
    name: str | None = None,
    tags: Sequence[str] = (),
    env: Mapping[str, str | Secret] | None = None,
    priority: int = 0,
    preflight: bool = True,
) -> Callable[P, str]:
    """A function that takes the workflow's arguments, starts the workflow with them and returns the dispatch's id.

    ``disable_run`` registers the workflow and does not start it: its status stays NEW_OBJECT. ``name``, by default the
    workflow function's, and ``tags`` are what the dispatch is found by. ``env`` is set in the environment of all tasks.
    Dispatches whose tasks wait for the same workers take turns, longer ones with a higher ``priority``.

    Before it is sent it is looked at as by :func:`preflight`: what cannot run raises PreflightError, what may not gives
    a PreflightWarning. ``preflight=False`` leaves that out.

    An exception in the workflow function comes out unchanged, and nothing is stored.

    >>> dispatch_id = ct.dispatch(sum_of_squares)(10)
    >>> ct.get_result(dispatch_id, wait=True).result
    285
    """
    check_lattice("ct.dispatch", lattice)
    options = DispatchOptions.given(name=name, tags=tags, env=env, priority=priority, disable_run=disable_run)
    return starting(lattice, dispatcher_addr, options, preflight=preflight)


def starting(
    lattice: Lattice[P],
    dispatcher_addr: str | None,
    options: DispatchOptions,
    *,
    preflight: bool,
    line: Line | None = None,
) -> Callable[P, str]:
    """As :func:`dispatch`; warnings are about the given line, or else the one that calls the function."""
    if not (dispatcher_addr is None or isinstance(dispatcher_addr, str)):
        raise TypeError(
            f"{dispatcher_addr!r} stands where the server's address would, a text such as 'http://localhost:48008'; "
            f"a workflow's arguments stand in the second call: ct.dispatch({lattice.__name__})({dispatcher_addr!r})"
        )

    def start(*args: P.args, **kwargs: P.kwargs) -> str:
        check_dispatching(lattice.__name__)
        package = build(lattice, args, kwargs)
        package = replace(package, manifest=options.applied(package.manifest))
        try:
            server = connect(dispatcher_addr)
            if preflight:
                inspect(package, server, line)
            return submit(server, package).dispatch_id
        except CovalentError as error:
            raise error.with_traceback(None) from None  # what lies between is ours, and no help to anybody

    return start


def dispatch_sync(
    lattice: Lattice[P],
    dispatcher_addr: str | None = None,
    *,
    name: str | None = None,
    tags: Sequence[str] = (),
    env: Mapping[str, str | Secret] | None = None,
    priority: int = 0,
    preflight: bool = True,
) -> Callable[P, Result]:
    """As :func:`dispatch`, but the function waits for the end and returns the result."""
    start = dispatch(lattice, dispatcher_addr, name=name, tags=tags, env=env, priority=priority, preflight=preflight)

    def start_and_wait(*args: P.args, **kwargs: P.kwargs) -> Result:
        dispatch_id = start(*args, **kwargs)
        server = connect(dispatcher_addr)
        try:
            found = wait_until_ended(server, dispatch_id, reached=True)
            return Result(found.record, ServerSource(server), value=found.value).fetch_ahead()
        except (CovalentError, KeyboardInterrupt) as error:
            raise error.with_traceback(None) from None  # as above

    return start_and_wait


def check_lattice(caller: str, lattice: object) -> None:
    """Raise TypeError, saying what to write instead, for what cannot be given to ``ct.dispatch`` and its like."""
    if isinstance(lattice, Lattice):
        return
    name = getattr(lattice, "__name__", "workflow")
    if hasattr(lattice, "electron_object"):
        got, instead = f"the electron {name!r}", f"{caller}(ct.lattice({name}))(...)"
    elif callable(lattice):
        got, instead = f"the function {name!r}", f"{caller}(ct.lattice({name}))(...), or put @ct.lattice above it"
    else:
        got = f"an object of type {type(lattice).__name__!r}"
        instead = (
            f"{caller}(workflow)(...) with a function that has @ct.lattice above it, its arguments in the second call"
        )
    raise TypeError(f"{caller} takes a lattice, but got {got}; write {instead}")
