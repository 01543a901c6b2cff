"""Lattices: workflow functions, whose run records a transport graph instead of doing the work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ParamSpec, Unpack, overload

from covalent.deps import Bash, Calls, Modules, Pip
from covalent.electron import chosen_executor
from covalent.executors import Executor
from covalent.lattice.workflow import Lattice, Postprocess
from covalent.options import Keywords
from covalent.secret import Secret
from covalent.triggers.declared import Trigger

__all__ = ["Lattice", "Postprocess", "lattice"]

P = ParamSpec("P")


@overload
def lattice(
    func: Callable[P, Any],
    *,
    workflow_executor: Executor | str | None = None,
    postprocess: Postprocess = "reconstruct",
    triggers: Trigger | Sequence[Trigger] | None = None,
    **options: Unpack[Keywords],
) -> Lattice[P]: ...


@overload
def lattice(
    func: None = None,
    *,
    workflow_executor: Executor | str | None = None,
    postprocess: Postprocess = "reconstruct",
    triggers: Trigger | Sequence[Trigger] | None = None,
    **options: Unpack[Keywords],
) -> Callable[[Callable[P, Any]], Lattice[P]]: ...


def lattice(  # noqa: PLR0913 - the options of its tasks, each given by name
    func: Callable[P, Any] | None = None,
    *,
    executor: Executor | str | None = None,
    workflow_executor: Executor | str | None = None,
    postprocess: Postprocess = "reconstruct",
    triggers: Trigger | Sequence[Trigger] | None = None,
    deps_bash: Bash = None,
    deps_pip: Pip = None,
    deps_module: Modules = None,
    call_before: Calls = None,
    call_after: Calls = None,
    retries: int | None = None,
    retry_delay: float | None = None,
    timeout: float | None = None,
    cache: bool | None = None,
    env: Mapping[str, str | Secret] | None = None,
    tags: Collection[str] | None = None,
    at_most_once: bool | None = None,
    **others: Any,
) -> Any:
    """Make a function a lattice; with or without arguments, as a decorator or called.

    The options of :func:`covalent.electron` are given here for the electrons that say nothing themselves.
    ``workflow_executor``, by default the executor, is where operators, sublattices and the return value are worked
    out; ``"client"`` leaves the return value to :meth:`Result.post_process`. ``postprocess="replay"`` runs the
    function once more on the values of its electrons, so that ordinary code in it acts on what they gave.
    With ``triggers``, one of :mod:`covalent.triggers` or a list of them, dispatching registers the workflow, and each
    firing runs it.

    >>> @ct.lattice
    ... def sum_of_squares(n):
    ...     return sum([square(x) for x in range(n)])
    >>> sum_of_squares(10)  # plain Python; ct.dispatch(sum_of_squares)(10) runs its electrons as tasks
    285
    """
    executor = chosen_executor("ct.lattice", executor, others)

    def decorate(function: Callable[P, Any]) -> Lattice[P]:
        return Lattice(
            function,
            executor=executor,
            workflow_executor=workflow_executor,
            postprocess=postprocess,
            triggers=triggers,
            deps_bash=deps_bash,
            deps_pip=deps_pip,
            deps_module=deps_module,
            call_before=call_before,
            call_after=call_after,
            retries=retries,
            retry_delay=retry_delay,
            timeout=timeout,
            cache=cache,
            env=env,
            tags=tags,
            at_most_once=at_most_once,
        )

    return decorate if func is None else decorate(func)
