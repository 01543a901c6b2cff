"""What lines of a requirements file bring, as far as the packages of this environment tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

#: A name, then what may follow it in a requirement: extras, versions, an address, a marker.
_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:$|[\[(<>=!~;@#\s])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Distributions by normalised name."""

    names: frozenset[str]
    #: Whether there may be more: something is not installed here, or is named by a file or an address.
    open: bool


def normalised(name: str) -> str:
    """A distribution's name as indexes know it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(line: str) -> str | None:
    """The distribution that a line asks for, None when the line does not begin with its name."""
    found = _REQUIREMENT.match(line)
    return normalised(found[1]) if found else None


def brought(lines: Iterable[str]) -> Brought:
    """What installing these lines brings: the named distributions, and what they need here."""
    import importlib.metadata  # noqa: PLC0415 - slow, and needed only by who names packages

    names: set[str] = set()
    unknown = False
    waiting = [name_of(line) for line in lines]
    while waiting:
        name = waiting.pop()
        if name is None:
            unknown = True
        elif name not in names:
            names.add(name)
            try:
                others = importlib.metadata.requires(name) or ()
                waiting += [name_of(other) for other in others if "extra ==" not in other]
            except importlib.metadata.PackageNotFoundError:
                unknown = True
    return Brought(names=frozenset(names), open=unknown)
