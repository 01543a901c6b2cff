"""What may be said of a dispatch as a whole, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from covalent import variables
from covalent.secret import Secret
from covalent.tags import check_line
from covalent.tags import checked as checked_tags
from covalent.wire.manifest import Manifest, required_by

_LONGEST_NAME: Final = 1024
_HIGHEST: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchOptions:
    """What a dispatch is called and found by, what its tasks see, when it runs."""

    name: str | None = None
    tags: tuple[str, ...] = ()
    #: Environment variables of all its tasks.
    env: dict[str, str | Secret] = field(default_factory=dict)
    priority: int = 0
    #: Whether it is registered and not started.
    hold: bool = False

    @classmethod
    def given(
        cls,
        *,
        name: str | None,
        tags: Sequence[str],
        env: Mapping[str, str | Secret] | None,
        priority: int,
        disable_run: bool,
    ) -> Self:
        """From what a user gave to ``ct.dispatch``; raises TypeError or ValueError that names the argument."""
        if name is not None:
            check_line("name", name, _LONGEST_NAME, "what the dispatch is called, a text")
        if not isinstance(disable_run, bool):
            raise TypeError(f"disable_run is True or False, not {disable_run!r}")
        return cls(
            name=name,
            tags=checked_tags(tags, "dispatch"),
            env={} if env is None else variables.checked(env),
            priority=_priority(priority),
            hold=disable_run,
        )

    def applied(self, manifest: Manifest) -> Manifest:
        """A manifest that says all this."""
        env = variables.plain(self.env)
        return replace(
            manifest,
            requires=tuple(sorted({*manifest.requires, *required_by(env)})),
            name=self.name,
            tags=self.tags,
            env=env,
            priority=self.priority,
            hold=self.hold,
        )


def _priority(priority: object) -> int:
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise TypeError(f"priority is a whole number, higher for sooner, 0 for the usual, not {priority!r}")
    if not -_HIGHEST <= priority <= _HIGHEST:
        raise ValueError(f"priority is a whole number from {-_HIGHEST} to {_HIGHEST}, not {priority}")
    return priority
