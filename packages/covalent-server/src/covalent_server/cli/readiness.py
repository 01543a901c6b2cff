"""How a server in the background tells the command that started it how that went: one line through a pipe.

The end of the pipe without a line means that the server died; so the waiting side never polls and never guesses.
"""

from __future__ import annotations

import json
import os
import select
import time
from dataclasses import dataclass
from typing import Final

from covalent_server.cli import exits
from covalent_server.errors import CovalentServerError

_CHUNK: Final = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What came through the pipe: the server is ready, or failed, or neither."""

    ready: bool = False
    #: The pipe ended without a line: the server is gone.
    ended: bool = False
    error: CovalentServerError | None = None


class Reporter:
    """The server's end of the pipe; without one (a server in the foreground) it says nothing."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            # The processes that the server starts must not hold it open.
            os.set_inheritable(descriptor, False)  # noqa: FBT003  (os takes it by position alone)

    def ready(self) -> None:
        """Requests are answered."""
        self._say({"ready": True})

    def failed(self, error: CovalentServerError) -> None:
        """The server cannot start."""
        self._say({"error": str(error), "exit_code": exits.code_of(error)})

    def _say(self, line: dict[str, object]) -> None:
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        except BrokenPipeError:  # who started us has gone away, and we go on
            pass
        finally:
            os.close(descriptor)


def wait(descriptor: int, seconds: float) -> Waited:
    """Wait for the server's word on ``descriptor``; neither ready nor ended when it did not come in time."""
    deadline = time.monotonic() + seconds
    text = b""
    while not text.endswith(b"\n"):
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return Waited()
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return Waited(ended=True)
        text += chunk
    word = json.loads(text)
    if "error" in word:
        return Waited(error=exits.error_of(word["exit_code"], word["error"]))
    return Waited(ready=True)
