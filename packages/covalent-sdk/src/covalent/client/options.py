"""What may be said of a dispatch as a whole, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from covalent import variables
from covalent.secret import Secret
from covalent.wire.manifest import Manifest, required_by

#: What breaks a line or cannot be stored.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST_NAME: Final = 1024
_LONGEST_TAG: Final = 200
_MOST_TAGS: Final = 100
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
            _check_text("name", name, _LONGEST_NAME, "what the dispatch is called, a text")
        if not isinstance(disable_run, bool):
            raise TypeError(f"disable_run is True or False, not {disable_run!r}")
        return cls(
            name=name,
            tags=_tags(tags),
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


def _tags(tags: object) -> tuple[str, ...]:
    if isinstance(tags, str):
        raise TypeError(f"tags is a list of words, so write tags=[{tags!r}]")
    if not isinstance(tags, (list, tuple, set, frozenset)):
        raise TypeError(f"tags is a list of words such as ['nightly', 'small'], not {tags!r}")
    if len(tags) > _MOST_TAGS:
        raise ValueError(f"a dispatch has at most {_MOST_TAGS} tags, not {len(tags)}")
    for tag in tags:
        _check_text("a tag", tag, _LONGEST_TAG, "a text such as 'nightly'")
    return tuple(sorted(tags) if isinstance(tags, (set, frozenset)) else tags)


def _check_text(what: str, text: object, longest: int, meaning: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{what} is {meaning}, not {text!r}")
    if not text.strip() or len(text) > longest or _UNFIT.search(text):
        raise ValueError(f"{what} is one line of 1 to {longest} characters, not {text[:50]!r}")


def _priority(priority: object) -> int:
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise TypeError(f"priority is a whole number, higher for sooner, 0 for the usual, not {priority!r}")
    if not -_HIGHEST <= priority <= _HIGHEST:
        raise ValueError(f"priority is a whole number from {-_HIGHEST} to {_HIGHEST}, not {priority}")
    return priority
