"""A stand-in for a Python interpreter: the server starts it as a worker, and the test does the talking in its place."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from covalent.wire import FEATURES, FRAMES_CONTENT_TYPE, codec, frames, places
from covalent.wire.work import Hello, Lease, Poll, Work
from tests.installation import Answer, Installation, wait_until

_SCRIPT = """\
#!/bin/sh
printf '%s\\n' $$ "$@" > "$0.told.partial"
mv "$0.told.partial" "$0.told"
exec tail -f /dev/null
"""


class StandIn:
    """What is started for a pool of its own, and knows what a real local worker is told."""

    def __init__(self, directory: Path, installation: Installation) -> None:
        self._installation = installation
        self._script = directory / "python"
        self._script.write_text(_SCRIPT)
        self._script.chmod(0o755)
        self._told = directory / "python.told"
        self._token = ""
        self.worker = "spoken by hand"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._told.exists():
            with suppress(ProcessLookupError):
                os.kill(int(self._lines()[0]), signal.SIGKILL)

    @property
    def python(self) -> str:
        """What an executor names to get it."""
        return str(self._script)

    def hello(self) -> None:
        """Introduce itself, once the server has started it."""
        wait_until(self._told.exists, "the server to start the stand-in")
        pid, *told = self._lines()
        self._token = Path(told[told.index("--token-file") + 1]).read_text()
        hello = Hello(
            worker=self.worker,
            pool=told[told.index("--pool") + 1],
            slots=1,
            host=places.host_identity(),
            pid=int(pid),
            features=tuple(sorted(FEATURES)),
        )
        answer = self.post("/worker/hello", codec.dumps(hello), "application/json")
        assert answer.status == 200, answer

    @property
    def token(self) -> str:
        """The token that the worker was given."""
        return self._token

    def poll(self, poll: Poll, blobs: Sequence[bytes] = ()) -> tuple[Work, list[bytes]]:
        """Results in, leases out."""
        answer = self.post("/worker/poll", frames.pack(codec.dumps(poll), blobs))
        assert answer.status == 200, answer
        text, received = frames.unpack(answer.body)
        return codec.from_json(Work, codec.loads(text)), [bytes(blob) for blob in received]

    def leases(self) -> list[Lease]:
        """All that can be had."""
        leases: list[Lease] = []
        while new := self.poll(Poll(worker=self.worker, want=256))[0].leases:
            leases += new
        return leases

    def post(self, path: str, body: bytes, content_type: str = FRAMES_CONTENT_TYPE) -> Answer:
        """One request with the worker's token."""
        headers: dict[str, Any] = {"Content-Type": content_type}
        return self._installation.request("POST", f"/api/v1{path}", body, headers=headers, token=self._token)

    def _lines(self) -> list[str]:
        return self._told.read_text().splitlines()
