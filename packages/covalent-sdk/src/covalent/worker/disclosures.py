"""The secrets that a runner's tasks have looked up, told to its supervisor, which hides them in what they print.

Their values are in memory alone, in a file that has no name. One is told before its task has it: who looks here after
something was printed knows all that is to be hidden in it.
"""

from __future__ import annotations

import json
import os
from typing import Final

from covalent.masks import Masks

#: What is read of it at most, in bytes: a task may write to it what it likes.
_MOST_BYTES: Final = 1 << 20


class Disclosures:
    """Those of one runner, seen from its supervisor."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("secrets")
        self._size = 0
        self._masks = Masks()

    def masks(self) -> Masks:
        """What is to be hidden from now on in everything that was printed before now."""
        size = min(os.fstat(self.descriptor).st_size, _MOST_BYTES)
        if size != self._size:
            self._size = size
            self._masks = Masks(filter(None, map(_value, os.pread(self.descriptor, size, 0).splitlines())))
        return self._masks

    def close(self) -> None:
        """Forget them."""
        os.close(self.descriptor)


def disclose(descriptor: int, value: str) -> None:
    """Tell of a value; called by the runner. Raises OSError when that cannot be done."""
    os.write(descriptor, json.dumps(value).encode() + b"\n")


def _value(line: bytes) -> str:
    """The value in a line; nothing in one that the runner did not write."""
    try:
        value = json.loads(line)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""
