"""Users' programs: scripts and modules in a directory of their own, run as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from textwrap import dedent
from typing import IO, Any, Self

from tests.installation import PATIENCE, Installation

_IMPORT = "import covalent as ct\n"
#: Dispatches the lattice ``workflow`` with the arguments on the command line, and tells how it went.
_MAIN = """
if __name__ == "__main__":
    import json
    import sys

    dispatch_id = ct.dispatch(workflow)(*json.loads(sys.argv[1]))
    print(dispatch_id, flush=True)
    result = ct.get_result(dispatch_id, wait=True)
    print(json.dumps({"status": result.status, "value": result.result, "error": result.error}))
"""
#: Before a script that finds facts out: what it puts into ``facts``, as plain JSON, is told.
_FINDING = """
import json
import sys

import covalent as ct

facts = {}


def raised(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


"""
_TELLING = "\nprint(json.dumps(facts))\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a program printed of its dispatch's end."""

    dispatch_id: str
    status: str
    value: Any
    error: str | None


class Program:
    """A program that runs."""

    def __init__(self, process: subprocess.Popen[str], complaints: IO[str]) -> None:
        self._process = process
        self._complaints = complaints
        self._dispatch_id = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._output.close()
        self._complaints.close()

    def dispatch_id(self) -> str:
        """Wait until the program has dispatched."""
        if not self._dispatch_id:
            self._dispatch_id = self._output.readline().strip()
            if not self._dispatch_id:
                raise AssertionError(self._complained())
        return self._dispatch_id

    def told(self) -> Told:
        """Wait until the program has ended well; what it told."""
        dispatch_id = self.dispatch_id()
        printed = self._output.read()
        if self._process.wait():
            raise AssertionError(self._complained())
        return Told(dispatch_id=dispatch_id, **json.loads(printed))

    @property
    def _output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _complained(self) -> str:
        self._process.wait()
        self._complaints.seek(0)
        return f"the program ended with {self._process.returncode}:\n{self._complaints.read()}"


class Project:
    """A user's directory with scripts and modules, the interpreter that runs them, and the server they work with."""

    def __init__(self, directory: Path, installation: Installation, python: str = sys.executable) -> None:
        self.directory = directory
        self.installation = installation
        self.python = python
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, text: str) -> Path:
        """Write a file."""
        path = self.directory / name
        path.write_text(dedent(text))
        return path

    def workflow(self, text: str, name: str = "script.py") -> None:
        """Write a script with a lattice ``workflow``."""
        self.write(name, _IMPORT + dedent(text) + _MAIN)

    def start(self, *arguments: Any, name: str = "script.py", python: Path | str = "") -> Program:
        """Run a script that dispatches its workflow with these arguments; return while it runs."""
        complaints = TemporaryFile("w+")  # noqa: SIM115  (it is the program's to close)
        process = subprocess.Popen(
            [python or self.python, name, json.dumps(arguments)],
            cwd=self.directory,
            env=self.installation.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
        )
        return Program(process, complaints)

    def run(self, *arguments: Any, name: str = "script.py") -> Told:
        """Run a script that dispatches its workflow with these arguments, to its end."""
        with self.start(*arguments, name=name) as program:
            return program.told()

    def attempt(self, name: str = "script.py", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script with more variables, and leave it to the caller whether it ends well."""
        return subprocess.run(
            [self.python, name, "[]"],
            cwd=self.directory,
            env=self.installation.environ | environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def facts(self, text: str, name: str = "script.py", **environ: str) -> dict[str, Any]:
        """Run a script to its end; what it found out.

        It has ``ct``, and puts into the dict ``facts`` what is to be told; ``raised(call, ...)`` is a call's error.
        """
        self.write(name, _FINDING + dedent(text) + _TELLING)
        done = self.attempt(name, **environ)
        if done.returncode:
            raise AssertionError(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def nodes(self, told: Told) -> dict[str, dict[str, Any]]:
        """The nodes of a dispatch as the server describes them, by name (of equal names, the last)."""
        answer = self.installation.request("GET", f"/api/v1/dispatches/{told.dispatch_id}/nodes")
        assert answer.status == 200, answer
        return {node["node_name"]: node for node in answer.plain["nodes"]}

    def printed(self, told: Told, name: str, stream: str = "stdout") -> bytes:
        """What the task of that name printed."""
        number = self.nodes(told)[name]["node_id"]
        answer = self.installation.request("GET", f"/api/v1/dispatches/{told.dispatch_id}/nodes/{number}/{stream}")
        assert answer.status == 200, answer
        return answer.body
