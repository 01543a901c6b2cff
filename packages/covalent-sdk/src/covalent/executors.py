"""Executors as a user declares them: a short name and JSON attributes. They start nothing themselves."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from covalent.errors import GraphError
from covalent.wire.places import host_identity


class Executor(Protocol):
    """What the machinery needs of an executor."""

    @property
    def short_name(self) -> str:
        """The name by which the server knows this kind of executor."""

    def to_dict(self) -> dict[str, Any]:
        """``{"type", "short_name", "attributes"}``, plain JSON."""


@dataclass(kw_only=True)
class LocalExecutor:
    """Runs tasks on the server's host, in the environment that the workflow was dispatched from.

    Attributes may be set after construction.
    """

    short_name: ClassVar[str] = "local"

    #: The interpreter to run tasks with, a path or a name on the ``PATH``; None means the one that dispatches.
    python: str | None = None
    #: Where tasks run; None means a directory that the worker chooses.
    workdir: str | None = None
    #: Whether every task gets ``<workdir>/<dispatch>/node_<id>`` for itself.
    create_unique_workdir: bool = False

    def to_dict(self) -> dict[str, Any]:
        """``{"type", "short_name", "attributes"}``, plain JSON."""
        return {"type": "LocalExecutor", "short_name": self.short_name, "attributes": dict(vars(self))}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> LocalExecutor:
        """From what :meth:`to_dict` gave."""
        self = cls()
        vars(self).update(plain["attributes"])
        return self


@dataclass(kw_only=True)
class NamedExecutor:
    """An executor of which only its short name and attributes are known."""

    short_name: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """``{"type", "short_name", "attributes"}``, plain JSON."""
        return {"type": "NamedExecutor", "short_name": self.short_name, "attributes": dict(self.attributes)}


def from_description(short_name: str, attributes: Mapping[str, Any]) -> Executor:
    """The executor that a short name and attributes describe."""
    if short_name == LocalExecutor.short_name:
        return LocalExecutor.from_dict({"attributes": attributes})
    return NamedExecutor(short_name=short_name, attributes=dict(attributes))


def checked(executor: Executor | str | None) -> Executor | None:
    """An executor from whatever a user gave for one."""
    if executor is None:
        return None
    if isinstance(executor, str):
        return from_description(executor, {})
    if not isinstance(getattr(executor, "short_name", None), str) or not hasattr(executor, "to_dict"):
        raise TypeError(
            f"executor takes an executor such as ct.executor.LocalExecutor() or its short name, not {executor!r}"
        )
    return executor


def resolve(short_name: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with everything filled in that only the dispatching process knows."""
    resolved = dict(attributes)
    if short_name == LocalExecutor.short_name:
        _resolve_local(resolved)
    return resolved


def _resolve_local(attributes: dict[str, Any]) -> None:
    chosen = attributes.get("python")
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


def to_json(prefix: str, executor: Executor | None) -> dict[str, Any]:
    """``{prefix: short name, prefix_data: attributes}``, None for an executor that was not given."""
    described = None if executor is None else executor.to_dict()
    return {
        prefix: described and described["short_name"],
        f"{prefix}_data": described and described["attributes"],
    }


def from_json(prefix: str, plain: Mapping[str, Any]) -> Executor | None:
    """From what :func:`to_json` gave."""
    short_name = plain.get(prefix)
    return None if short_name is None else from_description(str(short_name), plain.get(f"{prefix}_data") or {})
