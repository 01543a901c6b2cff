"""Executors that a user declares: a short name and attributes, plain JSON. They start nothing themselves.

An attribute that is None is left open: it is taken from the table ``[executors.<short name>]`` of the configuration
when a workflow is built.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from covalent.errors import WireError
from covalent.secret import Secret

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
#: Names under which earlier executors kept credentials: they stay on the user's machine.
CREDENTIALS: Final = frozenset({"sshproxy", "password", "passphrase", "secret", "token"})
Text = str | os.PathLike[str]
#: The kinds of executor that have been imported, by short name.
KINDS: Final[dict[str, type[DeclaredExecutor]]] = {}


@dataclass(kw_only=True, repr=False)
class DeclaredExecutor:
    """What all executors have. Attributes may be set after construction."""

    short_name: ClassVar[str]
    #: Attributes of earlier Covalents, which are shown only when they are given.
    former: ClassVar[frozenset[str]] = frozenset({"log_stdout", "log_stderr", "cache_dir"})

    #: Where tasks run; None means a directory that the worker chooses.
    workdir: Text | None = None
    #: Whether every task gets ``<workdir>/<dispatch>/node_<id>`` for itself.
    create_unique_workdir: bool | None = None
    #: Whether such a directory stays when its task was well; None means: where ``workdir`` says what is above it.
    keep_workdir: bool | None = None
    #: Seconds that one attempt at a task may take, where neither its electron nor its lattice says ``timeout``.
    time_limit: float | None = None
    #: How many failed attempts are followed by another, where neither the electron nor the lattice says ``retries``.
    retries: int | None = None
    #: Whether a ``ct.File`` or ``ct.Folder`` that a task returns is stored; False leaves it where it is.
    store_files: bool | None = None
    #: What a task takes of its machine: ``{"cpus": 2, "memory_gb": 8, "gpus": 1}``, or some of these.
    resources: Mapping[str, float] | None = None
    #: Environment variables of tasks, below those that lattice and electron name.
    env: Mapping[str, str | Secret] | None = None
    #: The conda environment to run tasks in, by name or directory.
    conda_env: Text | None = None
    log_stdout: Text | None = None
    log_stderr: Text | None = None
    cache_dir: Text | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "short_name" in vars(cls):
            KINDS[cls.short_name] = cls

    if not TYPE_CHECKING:  # type checkers know the attributes by themselves

        def __setattr__(self, name: str, value: Any) -> None:
            if name not in self.known_attributes():
                import difflib  # noqa: PLC0415 - slow to load, and only an error needs it

                near = difflib.get_close_matches(name, self.known_attributes(), 1)
                meant = f"; did you mean {near[0]}?" if near else ""
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{meant}")
            object.__setattr__(self, name, value)

    @classmethod
    @functools.cache
    def known_attributes(cls) -> frozenset[str]:
        """What can be said of such an executor."""
        return frozenset(item.name for item in fields(cls))

    def __repr__(self) -> str:
        given = [f"{name}={value!r}" for name, value in self.to_dict()["attributes"].items() if value is not None]
        return f"{type(self).__name__}({', '.join(given)})"

    def to_dict(self) -> dict[str, Any]:
        """``{"type", "short_name", "attributes"}``, plain JSON; credentials are left out."""
        attributes = {
            name: value if type(value) in _SCALARS else plain(value, f"{type(self).__name__}({name}=...)")
            for name, value in vars(self).items()
            if name not in CREDENTIALS and (value is not None or name not in self.former)
        }
        return {"type": type(self).__name__, "short_name": self.short_name, "attributes": attributes}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """From what :meth:`to_dict` gave."""
        try:
            return cls(**plain["attributes"])
        except (KeyError, TypeError) as error:
            raise WireError(f"not the JSON form of a {cls.__name__}: {error}") from None


@dataclass(kw_only=True)
class NamedExecutor:
    """An executor of which only its short name and attributes are known."""

    short_name: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """``{"type", "short_name", "attributes"}``, plain JSON."""
        attributes = plain(self.attributes, f"the executor {self.short_name!r}")
        return {"type": "NamedExecutor", "short_name": self.short_name, "attributes": attributes}


def plain(value: Any, what: str) -> Any:
    """The value as JSON has it: paths as text, tuples as lists; raises TypeError that says ``what`` it is."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Secret):
        return value.to_dict()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(item, what) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, what) for item in value]
    raise TypeError(
        f"{what} takes text, numbers, true and false, and lists and dicts of those, "
        f"not {type(value).__name__}: {value!r}"
    )
