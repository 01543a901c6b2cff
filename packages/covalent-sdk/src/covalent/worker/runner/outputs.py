"""The runner's stdout and stderr as the operating system knows them: descriptors 1 and 2.

A task may close them or put others in their place. Copies that it does not know of tell where its output ends, and
put back what the next task would miss.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

_NUMBERS: Final = (1, 2)


class Outputs:
    """Descriptors 1 and 2 as they were when the runner started."""

    def __init__(self) -> None:
        self._copies = tuple(os.dup(number) for number in _NUMBERS)
        self._files = tuple(_file(copy) for copy in self._copies)

    def ends(self) -> tuple[int, int]:
        """Where the next byte of each will be written."""
        stdout, stderr = self._copies
        return os.fstat(stdout).st_size, os.fstat(stderr).st_size

    def put_back(self) -> bool:
        """Make 1 and 2 what they were; whether they were so already."""
        intact = True
        for number, copy, file in zip(_NUMBERS, self._copies, self._files, strict=True):
            if _file(number) != file:
                os.dup2(copy, number)
                intact = False
        return intact

    def tell(self, text: str) -> None:
        """Write to stderr, whatever has become of ``sys.stderr``."""
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        with suppress(OSError):  # the disk is full: the text reaches the server in the reply
            while left:
                left = left[os.write(self._copies[1], left) :]


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
