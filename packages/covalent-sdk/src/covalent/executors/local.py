"""The executor of the server's own machine, and what only the process that dispatches knows of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from covalent.errors import GraphError
from covalent.executors.declared import DeclaredExecutor, Text
from covalent.wire.places import host_identity


@dataclass(repr=False)
class LocalExecutor(DeclaredExecutor):
    """Runs tasks on the server's host, in the environment that the workflow was dispatched from."""

    short_name: ClassVar[str] = "local"

    #: Where tasks run; None means a directory that the worker chooses.
    workdir: Text | None = None
    #: Whether every task gets ``<workdir>/<dispatch>/node_<id>`` for itself.
    create_unique_workdir: bool | None = None
    #: The interpreter to run tasks with, a path or a name on the ``PATH``; None means that of ``conda_env``, or else
    #: the one that dispatches.
    python: Text | None = field(default=None, kw_only=True)


def resolve(short_name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with everything filled in that only the dispatching process knows."""
    resolved = dict(attributes)
    if short_name == LocalExecutor.short_name:
        _resolve_local(resolved)
    return resolved


def _resolve_local(attributes: dict[str, Any]) -> None:
    chosen = attributes.get("python") or _of_conda(attributes.get("conda_env"))
    if not chosen and not sys.executable:
        raise GraphError(
            "this process does not know its interpreter; name one: LocalExecutor(python='/path/to/python')"
        )
    attributes["python"] = _spelled(_interpreter(str(chosen)) if chosen else Path(sys.executable))
    own = bool(sys.executable) and attributes["python"] == _spelled(Path(sys.executable))
    attributes["python_version"] = ".".join(map(str, sys.version_info[:3])) if own else None
    attributes["host"] = host_identity()
    if attributes.get("workdir"):
        attributes["workdir"] = str(Path(attributes["workdir"]).expanduser().absolute())


def _of_conda(env: str | None) -> Path | None:
    """The interpreter of a conda environment, by its name or its directory."""
    if not env:
        return None
    named = Path(env).name == env
    homes = list(_conda_homes(env)) if named else [Path(env).expanduser()]
    for home in homes:
        if (home / "bin" / "python").exists():
            return home / "bin" / "python"
    looked = f"not at {', '.join(map(str, homes))}" if homes else "and neither CONDA_EXE nor CONDA_PREFIX tells where"
    raise GraphError(
        f"LocalExecutor(conda_env={env!r}): there is no such environment, {looked}; "
        "give its directory, or its interpreter: LocalExecutor(python=...)"
    )


def _conda_homes(name: str) -> Iterator[Path]:
    """Where an environment of that name may be, as far as the variables of a shell with conda tell."""
    roots = [Path(os.environ["CONDA_EXE"]).parents[1]] if os.environ.get("CONDA_EXE") else []
    roots += [
        Path(os.environ[variable]) for variable in ("MAMBA_ROOT_PREFIX", "CONDA_PREFIX") if os.environ.get(variable)
    ]
    for root in roots:
        above = root.parents[1] if root.parent.name == "envs" else root
        yield above if name == "base" else above / "envs" / name


def _interpreter(given: str) -> Path:
    """The interpreter that a user means by a path or by a name on the ``PATH``."""
    bare = Path(given).name == given
    found = shutil.which(given) if bare else None
    if found is not None:
        return Path(found)
    path = Path(given).expanduser()
    if bare and not path.exists():
        raise GraphError(f"LocalExecutor(python={given!r}): no such program is on the PATH; give its whole path")
    if path.is_dir():
        inside = path / "bin" / "python"
        hint = f"; did you mean {str(inside)!r}?" if inside.exists() else "; give the path of the interpreter"
        raise GraphError(f"LocalExecutor(python={given!r}) is a directory{hint}")
    return path


def _spelled(path: Path) -> str:
    """One path for all names that an interpreter has in its directory, so that its tasks share one pool of workers.

    Links out of the directory are kept: they are what makes a virtual environment.
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolving links leaves a virtual environment
    real = whole.resolve()
    plain = (whole.with_name(name) for name in ("python", "python3"))
    return str(next((other for other in plain if other.is_file() and other.resolve() == real), whole))
