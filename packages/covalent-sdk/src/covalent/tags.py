"""Tags: words that users give to tasks, for limits to go by, and to dispatches, to find them again."""

from __future__ import annotations

import re
from typing import Final

#: What breaks a line or cannot be stored.
_UNFIT: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST: Final = 200
_MOST: Final = 100


def checked(tags: object, of: str) -> tuple[str, ...]:
    """Tags from what a user wrote; raises TypeError or ValueError that says what to write."""
    if isinstance(tags, str):
        raise TypeError(f"tags is a list of words, so write tags=[{tags!r}]")
    if not isinstance(tags, (list, tuple, set, frozenset)):
        raise TypeError(f"tags is a list of words such as ['nightly', 'small'], not {tags!r}")
    if len(tags) > _MOST:
        raise ValueError(f"a {of} has at most {_MOST} tags, not {len(tags)}")
    for tag in tags:
        check_line("a tag", tag, _LONGEST, "a text such as 'nightly'")
    return tuple(sorted(tags) if isinstance(tags, (set, frozenset)) else tags)


def check_line(what: str, text: object, longest: int, meaning: str) -> None:
    """Refuse what is not one line of text."""
    if not isinstance(text, str):
        raise TypeError(f"{what} is {meaning}, not {text!r}")
    if not text.strip() or len(text) > longest or _UNFIT.search(text):
        raise ValueError(f"{what} is one line of 1 to {longest} characters, not {text[:50]!r}")
