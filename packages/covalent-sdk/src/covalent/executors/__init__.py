"""Executors as metadata: where a task is to run, by short name and JSON attributes.

Other packages have kinds of their own: a class that is derived from :class:`DeclaredExecutor` and has a short name is
known as soon as it has been imported. How workers are started for it is its provisioner's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from covalent.executors.declared import CREDENTIALS, KINDS, DeclaredExecutor, NamedExecutor
from covalent.executors.local import LocalExecutor, resolve
from covalent.executors.remote import DaskExecutor, SlurmExecutor, SSHExecutor, WorkerPoolExecutor
from covalent.wire.manifest import CLIENT_EXECUTOR

__all__ = [
    "CREDENTIALS",
    "KINDS",
    "DaskExecutor",
    "DeclaredExecutor",
    "Described",
    "Executor",
    "LocalExecutor",
    "NamedExecutor",
    "SSHExecutor",
    "SlurmExecutor",
    "WorkerPoolExecutor",
    "checked",
    "described",
    "from_json",
    "name_of",
    "resolve",
    "to_json",
]

#: Attributes of which one answers for the others too.
_SAME_QUESTION: Final = (frozenset({"python", "python_path", "conda_env"}), frozenset({"workdir", "remote_workdir"}))


class Executor(Protocol):
    """What the machinery needs of an executor."""

    @property
    def short_name(self) -> str:
        """The name by which the server knows this kind of executor."""

    def to_dict(self) -> dict[str, Any]:
        """``{"type", "short_name", "attributes"}``, plain JSON."""


class Described(NamedTuple):
    """An executor as a task's metadata have it."""

    short_name: str
    attributes: dict[str, Any]


def checked(executor: Executor | str | None, *, workflow: bool = False) -> Executor | str | None:
    """What a user gave for an executor; a short name stays one until a workflow is built.

    Only what puts a ``workflow``'s return value together may be left to the client.
    """
    if executor is None:
        return None
    if not _is_executor(executor):
        keyword = "workflow_executor" if workflow else "executor"
        raise TypeError(
            f"{keyword} takes an executor such as ct.executor.LocalExecutor() or its short name, not {executor!r}"
        )
    if name_of(executor) == CLIENT_EXECUTOR and not workflow:
        raise ValueError(
            f"executor={CLIENT_EXECUTOR!r} would leave tasks to nobody; workflow_executor={CLIENT_EXECUTOR!r} leaves a "
            "workflow's return value to Result.post_process()"
        )
    return executor


def _is_executor(given: object) -> bool:
    if isinstance(given, (str, type)):
        return isinstance(given, str) and given != ""
    return isinstance(getattr(given, "short_name", None), str) and hasattr(given, "to_dict")


def name_of(executor: Executor | str) -> str:
    """Its short name."""
    return executor if isinstance(executor, str) else executor.short_name


def described(executor: Executor | str, tables: Mapping[str, Mapping[str, Any]]) -> Described:
    """An executor with what it leaves open taken from the table of its short name."""
    short_name, attributes = _told(executor)
    said, table = _given(attributes or {}), _given(tables.get(short_name, {}))
    for names in _SAME_QUESTION:
        if names & said.keys():  # whatever the table says of it is answered already
            table = {name: value for name, value in table.items() if name not in names}
    return Described(short_name, {**table, **said})


def to_json(prefix: str, executor: Executor | str | None) -> dict[str, Any]:
    """``{prefix: short name, prefix_data: attributes}``; None for an executor, and for attributes, not given."""
    short_name, attributes = (None, None) if executor is None else _told(executor)
    return {prefix: short_name, f"{prefix}_data": attributes}


def from_json(prefix: str, plain: Mapping[str, Any]) -> Executor | str | None:
    """From what :func:`to_json` gave; an executor of an unknown kind, or with unknown attributes, keeps them."""
    short_name, attributes = plain.get(prefix), plain.get(f"{prefix}_data")
    if short_name is None or attributes is None:
        return None if short_name is None else str(short_name)
    kind = KINDS.get(short_name)
    if kind is None or not attributes.keys() <= kind.known_attributes():
        return NamedExecutor(short_name=str(short_name), attributes=dict(attributes))
    return kind(**attributes)


def _given(attributes: Mapping[str, Any]) -> dict[str, Any]:
    # Earlier Covalents wrote an empty text for what was not given.
    return {name: value for name, value in attributes.items() if value is not None and value != ""}


def _told(executor: Executor | str) -> tuple[str, dict[str, Any] | None]:
    """The short name, and the attributes unless there is only the name."""
    if isinstance(executor, str):
        return executor, None
    plain = executor.to_dict()
    return plain["short_name"], plain["attributes"]
