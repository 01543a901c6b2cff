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
        self._files = _identities(*map(os.fstat, _NUMBERS))
        #: Where the next byte of each would be written when :meth:`put_back` was called and found them intact.
        self.at = (0, 0)

    def ends(self) -> tuple[int, int]:
        """Where the next byte of each will be written."""
        stdout, stderr = self._copies
        return os.fstat(stdout).st_size, os.fstat(stderr).st_size

    def put_back(self) -> bool:
        """Make 1 and 2 what they were; whether they were so already."""
        with suppress(OSError):  # one of them is closed
            stdout, stderr = os.fstat(1), os.fstat(2)
            if _identities(stdout, stderr) == self._files:
                self.at = (stdout.st_size, stderr.st_size)
                return True
        for number, copy in zip(_NUMBERS, self._copies, strict=True):
            os.dup2(copy, number)
        return False

    def tell(self, text: str) -> None:
        """Write to stderr, whatever has become of ``sys.stderr``."""
        left = memoryview(text.encode("utf-8", "backslashreplace"))
        with suppress(OSError):  # the disk is full: the text reaches the server in the reply
            while left:
                left = left[os.write(self._copies[1], left) :]


def _identities(stdout: os.stat_result, stderr: os.stat_result) -> tuple[int, ...]:
    return stdout.st_dev, stdout.st_ino, stderr.st_dev, stderr.st_ino
