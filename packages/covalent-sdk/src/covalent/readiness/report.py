"""What a look at a workflow has found before it is dispatched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from covalent import markup
from covalent.errors import PreflightError
from covalent.wire.codec import to_json

_MOST_NAMES: Final = 3
_MOST_FILES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that will, or may, keep tasks from running."""

    #: The names of the tasks.
    tasks: tuple[str, ...]
    #: What is wrong.
    what: str
    #: What to do; mostly a command.
    remedy: str
    #: The package it is about, with its versions in the environment that dispatches and in the task's.
    package: str | None = None
    here: str | None = None
    there: str | None = None

    def __str__(self) -> str:
        what = f"{_few(self.tasks)}: {self.what}" if self.tasks else self.what
        return f"{what}\n    {self.remedy}" if self.remedy else what


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An interpreter that tasks run in."""

    python: str
    #: Its implementation and version; empty when it could not be asked.
    version: str = ""
    tasks: tuple[str, ...] = ()
    #: What is laid over its packages for these tasks, as lines of a requirements file.
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """Something that is sent along with the workflow."""

    name: str
    #: Its size in bytes.
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What :func:`covalent.preflight` gives; ``to_dict()`` is plain JSON."""

    workflow: str
    #: What keeps tasks from running; ``ct.dispatch`` refuses a workflow with any.
    problems: tuple[Finding, ...] = ()
    #: What may keep tasks from running; ``ct.dispatch`` warns of it.
    warnings: tuple[Finding, ...] = ()
    #: The interpreters of tasks that run on this machine.
    places: tuple[Place, ...] = ()
    #: The files of your own modules that are sent along.
    shipped: tuple[Shipped, ...] = ()
    #: The size of functions, arguments and constants in bytes.
    values_size: int = 0

    @property
    def ok(self) -> bool:
        """Whether ``ct.dispatch`` would send the workflow."""
        return not self.problems

    @property
    def shipped_size(self) -> int:
        """The size of all shipped files in bytes."""
        return sum(item.size for item in self.shipped)

    def raise_for_problems(self) -> None:
        """Raise PreflightError, which tells all problems, if there are any."""
        if self.problems:
            raise PreflightError(
                f"{self.workflow} cannot run as it is, so nothing was dispatched:\n{_listed(self.problems)}\n"
                "(preflight=False dispatches without looking)",
                self.problems,
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = to_json(self)
        return {**plain, "ok": self.ok, "shipped_size": self.shipped_size}

    def __str__(self) -> str:
        return "\n".join(f"{label}: {text}" for label, text in self._rows().items() if text)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return markup.card("Preflight", self._rows())

    def _rows(self) -> dict[str, str]:
        return {
            "workflow": self.workflow,
            "can run": "yes, as far as can be told here" if self.ok else "no",
            "problems": _listed(self.problems),
            "warnings": _listed(self.warnings),
            "interpreters": "".join(
                f"\n  {place.python} {place.version or '(cannot be asked)'}"
                f"{f', with {chr(44).join(place.requirements)}' if place.requirements else ''}"
                f": {_few(place.tasks)}"
                for place in self.places
            ),
            "shipped": self._told_shipped(),
        }

    def _told_shipped(self) -> str:
        largest = sorted(self.shipped, key=lambda item: (-item.size, item.name))[:_MOST_FILES]
        lines = [f"{sized(self.shipped_size)} in {len(self.shipped)} files, {sized(self.values_size)} of values"]
        lines += [f"  {item.name} {sized(item.size)}" for item in largest]
        if len(self.shipped) > len(largest):
            lines.append(f"  and {len(self.shipped) - len(largest)} smaller ones")
        return "\n".join(lines)


def sized(size: int) -> str:
    """A size for people to read."""
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KiB" if size < 2**20 else f"{size / 2**20:.1f} MiB"


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"{', '.join(names[:_MOST_NAMES])}{more}"


def _listed(findings: Iterable[Finding]) -> str:
    return "".join(f"\n  - {finding}" for finding in findings)
