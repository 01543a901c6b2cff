"""What lines of a requirements file bring, as far as the packages of this environment tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from covalent.requirements import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Distributions by normalised name."""

    names: frozenset[str]
    #: Whether there may be more: something is not installed here, or is named by a file or an address.
    open: bool


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
