"""Layers of packages, built in processes of their own: what an installer starts is no task's, and ends with the worker.

A builder is a Python of the worker's own interpreter that is told on its standard input what to build and answers on
its standard output. It leads a session, so that stopping it stops its installer, too.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from covalent.context import RUNNER_VARIABLE
from covalent.errors import WorkerError
from covalent.worker import environment, processes
from covalent.worker.layers import Layer, LayerError, Layers

#: A build that takes longer than this is stopped, in seconds: it waits for what does not come.
_LONGEST: Final = 7200.0
_CODE: Final = "from covalent.worker.building import main; main()"


class _KilledError(LayerError):
    """The process that built a layer was killed."""


class Builders:
    """Finds layers, and has those built that there are not."""

    def __init__(
        self, directory: Path, environ: Mapping[str, str], registry: Path, *, longest: float = _LONGEST
    ) -> None:
        """``directory`` holds the layers, ``registry`` a file for each process that the janitor is to end.

        ``longest`` is how many seconds a build may take.
        """
        self._longest = longest
        self._stopped = False
        self._directory = directory
        # Also for who installs: a build runs code of the packages that are built.
        self._environ = environment.without_secrets(environ)
        self._registry = registry
        self._layers = Layers(directory, self._environ)
        #: Living builders with their markers.
        self._living: dict[int, str] = {}
        #: Held while a builder is started and not yet known, and while what is unknown is ended.
        self.starting = threading.Lock()

    def processes(self) -> set[int]:
        """The living builders; what descends from them is theirs."""
        return set(self._living)

    def find(self, python: str, requirements: tuple[str, ...]) -> Layer | None:
        """A layer that is there already."""
        return self._layers.find(python, requirements)

    def build(self, python: str, requirements: tuple[str, ...]) -> Layer:
        """Have a layer built and wait for it; called in a courier's thread. Raises LayerError."""
        try:
            return self._built(python, requirements)
        except _KilledError:
            # By somebody, or for want of memory: that may pass. Killed twice, it is for what is built.
            return self._built(python, requirements)

    def _built(self, python: str, requirements: tuple[str, ...]) -> Layer:
        if self._stopped:
            raise LayerError("the worker is leaving")
        marker = secrets.token_hex(8)
        with self.starting:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _CODE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={**self._environ, RUNNER_VARIABLE: marker},
            )
            self._living[process.pid] = marker
        registered = self._registry / str(process.pid)
        try:
            registered.write_text(marker, encoding="ascii")
            asked = {"directory": str(self._directory), "python": python, "requirements": requirements}
            answer, words = process.communicate(json.dumps(asked).encode(), timeout=self._longest)
        except subprocess.TimeoutExpired:
            processes.kill_tree(process.pid, marker)
            process.communicate()
            raise LayerError(
                f"it took more than {self._longest:g} seconds and was stopped; see that the package index answers and "
                "that the packages can be built, with: "
                f"{python} -m pip download --no-deps {shlex.quote(requirements[-1])}"
            ) from None
        finally:
            with suppress(FileNotFoundError):
                registered.unlink()
            del self._living[process.pid]
        # In use by this process: whoever removes layers lets it be. It is not looked for again by what it was built
        # for, since a build may write into the directory that it builds.
        found = self._layers.use(_key(answer, words, process.returncode))
        return self._built(python, requirements) if found is None else found

    def stop(self) -> None:
        """End what is being built, and build nothing more; the layers are not there then."""
        self._stopped = True
        for pid, marker in list(self._living.items()):
            processes.kill_tree(pid, marker)


def _key(answer: bytes, words: bytes, status: int) -> str:
    """The key of the layer that a builder has built; raises LayerError when it has not."""
    if not answer:
        last = words.decode("utf-8", "replace").strip()
        raise (_KilledError if status < 0 else LayerError)(
            f"the process that built it ended with status {status} before it was done"
            + (f"; its last words were:\n{last}" if last else "")
        )
    told: dict[str, str] = json.loads(answer)
    if "error" in told:
        raise LayerError(told["error"])
    return told["key"]


def main() -> None:
    """Build one layer."""
    asked = json.load(sys.stdin)
    # What the installer prints must not be taken for the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    layers = Layers(Path(asked["directory"]), os.environ)
    try:
        told = {"key": layers.build(asked["python"], tuple(asked["requirements"])).key}
    except WorkerError as refused:
        told = {"error": str(refused)}
    with answer:
        json.dump(told, answer)
