"""The executor of the server's own machine, and what only the process that dispatches knows of it."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from covalent.errors import GraphError
from covalent.executors.declared import DeclaredExecutor, Text
from covalent.executors.interpreters import interpreter, of_conda
from covalent.executors.remote import DaskExecutor
from covalent.wire.places import host_identity


@dataclass(repr=False)
class LocalExecutor(DeclaredExecutor):
    """Runs tasks on the server's host, in the environment that the workflow was dispatched from."""

    short_name: ClassVar[str] = "local"

    #: Where tasks run; None means a directory that the worker chooses.
    workdir: Text | None = None
    #: Whether every task gets ``<workdir>/<dispatch>/node_<id>`` for itself.
    create_unique_workdir: bool | None = None
    #: The interpreter to run tasks with: a path, a name on the ``PATH``, a version such as ``"3.12"``, or the directory
    #: of a virtual environment. None means that of ``conda_env``, or else the one that dispatches.
    python: Text | None = field(default=None, kw_only=True)


def resolve(short_name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with everything filled in that only the dispatching process knows."""
    resolved = dict(attributes)
    if short_name == LocalExecutor.short_name:
        _resolve_local(resolved)
    elif short_name == DaskExecutor.short_name and sys.executable:
        # A server on this machine starts the bridge to the cluster by itself, here.
        resolved["bridge"] = {"python": own_interpreter(), "host": host_identity()}
    return resolved


def _resolve_local(attributes: dict[str, Any]) -> None:
    python, env = attributes.get("python"), attributes.get("conda_env")
    chosen = interpreter(str(python)) if python else of_conda(str(env)) if env else None
    if chosen is None and not sys.executable:
        raise GraphError(
            "this process does not know its interpreter; name one: LocalExecutor(python='/path/to/python')"
        )
    attributes["python"] = _spelled(chosen) if chosen else own_interpreter()
    own = attributes["python"] == own_interpreter()
    attributes["python_version"] = ".".join(map(str, sys.version_info[:3])) if own else None
    attributes["host"] = host_identity()
    if attributes.get("workdir"):
        attributes["workdir"] = str(Path(attributes["workdir"]).expanduser().absolute())


def own_interpreter() -> str:
    """This process's interpreter as it stands in attributes; empty when it does not know it."""
    return _own(sys.executable) if sys.executable else ""


@functools.lru_cache(maxsize=1)
def _own(executable: str) -> str:
    return _spelled(Path(executable))


def _spelled(path: Path) -> str:
    """One path for all names that an interpreter has in its directory, so that its tasks share one pool of workers.

    Links out of the directory are kept: they are what makes a virtual environment.
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolving links leaves a virtual environment
    real = whole.resolve()
    plain = (whole.with_name(name) for name in ("python", "python3"))
    return str(next((other for other in plain if other.is_file() and other.resolve() == real), whole))
