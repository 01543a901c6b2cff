"""Hiding known values in what is shown: each letter of them becomes a star, so that all else stays where it was.

A value is found as it stands, and as Python, JSON and addresses write it: with escapes. One that was changed otherwise
(encoded in base64, cut into pieces, turned round) is another text, and is not found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

Buffer = bytes | bytearray | memoryview

#: The shortest value that can be told from other text, in characters.
SHORTEST: Final = 8
#: The end of a text that was cut is hidden where at least so many bytes of it begin a value.
_TELLING: Final = 4
_STAR: Final = b"*"
_CUT: Final = "…"


class Masks:
    """What is not to be shown, and how it is hidden."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms = frozenset(form for value in values for form in _forms(value))
        # One for each: a search for one text passes over what it cannot be in, one for many looks at every byte.
        self._patterns = [re.compile(re.escape(form)) for form in self._forms]
        #: The bytes of the longest form of a value, 0 when there is none.
        self.longest = max(map(len, self._forms), default=0)

    def __bool__(self) -> bool:
        return bool(self._forms)

    def find(self, data: Buffer) -> bool:
        """Whether a value stands anywhere in it."""
        return any(pattern.search(data) for pattern in self._patterns)

    def hidden(self, data: bytes) -> bytes:
        """The same bytes, every value in them hidden, also where several overlap."""
        spans = [span for pattern in self._patterns for span in _spans(pattern, data)]
        if not spans:
            return data
        shown = bytearray(data)
        for start, end in spans:
            shown[start:end] = _STAR * (end - start)
        return bytes(shown)

    def begun(self, data: bytes) -> int:
        """How many bytes at the end of it may be the beginning of a value."""
        return max((_begun(data, form) for form in self._forms), default=0)

    def hidden_end(self, data: bytes) -> bytes:
        """The same bytes, and hidden what begins a value at their end, where they were cut."""
        length = self.begun(data)
        return data[:-length] + _STAR * length if length >= _TELLING else data

    def text(self, text: str) -> str:
        """A text with every value in it hidden; it may have been cut."""
        if not self._forms:
            return text
        whole = text.removesuffix(_CUT)
        data = self.hidden_end(self.hidden(whole.encode("utf-8", "surrogatepass")))
        return data.decode("utf-8", "surrogatepass") + text[len(whole) :]


def _spans(pattern: re.Pattern[bytes], data: bytes) -> Iterator[tuple[int, int]]:
    """Where it stands, also in itself."""
    found = pattern.search(data)
    while found:
        yield found.span()
        found = pattern.search(data, found.start() + 1)


def _begun(data: bytes, form: bytes) -> int:
    """How many bytes at the end of it are the beginning of a form, and not all of it."""
    at = data.find(form[:1], max(0, len(data) - len(form) + 1))
    while at >= 0:
        # The first few bytes tell in most places, and need no copy of all that comes after them.
        if form.startswith(data[at : at + _TELLING]) and form.startswith(data[at:]):
            return len(data) - at
        at = data.find(form[:1], at + 1)
    return 0


def _forms(value: str) -> Iterator[bytes]:
    """The ways in which a value is written; of several lines, each by itself too, as in a log."""
    from urllib.parse import quote, quote_plus  # noqa: PLC0415 - few processes have anything to hide

    lines = [line for line in value.splitlines() if len(line) >= SHORTEST]
    for text in (value, *lines):
        data = text.encode("utf-8", "surrogatepass")
        yield data
        yield repr(data)[2:-1].encode()
        for written in (repr(text)[1:-1], json.dumps(text)[1:-1], quote(data), quote(data, safe=""), quote_plus(data)):
            yield written.encode("utf-8", "surrogatepass")
