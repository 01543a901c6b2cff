"""Asking whether a workflow can run, without dispatching it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec

from covalent.client.dispatching import check_lattice
from covalent.client.inspecting import executors_of
from covalent.connection import connect
from covalent.errors import GraphError, ProjectError
from covalent.hydration import dehydrate
from covalent.lattice import Lattice
from covalent.readiness.checks import report
from covalent.readiness.report import Finding, Report
from covalent.workflows import built

P = ParamSpec("P")


def preflight(lattice: Lattice[P], dispatcher_addr: str | None = None) -> Callable[P, Report]:
    """A function that takes the workflow's arguments and tells whether the workflow can run; nothing is dispatched.

    The workflow function is run, as ``ct.dispatch`` runs it. Then its executors and their interpreters are looked at:
    whether they are there, understand the functions that travel by value, and have the packages that the tasks'
    functions and modules import. The report has ``problems``, for which ``ct.dispatch`` would refuse the workflow,
    ``warnings``, of which it would warn, and ``shipped``, the files that would be sent along with their sizes.

    >>> ct.preflight(sum_of_squares)(10).ok
    True
    """
    check_lattice("ct.preflight", lattice)

    def look(*args: P.args, **kwargs: P.kwargs) -> Report:
        complete = built(lattice, args, kwargs)
        try:
            package = dehydrate(complete)
        except (
            GraphError,
            ProjectError,
        ) as error:  # an interpreter that is not to be found, modules that are too large
            problem = Finding(tasks=(), what=str(error), remedy="")
            return Report(workflow=lattice.__name__, problems=(problem,))
        return report(package, executors_of(connect(dispatcher_addr)))

    return look
