"""What interpreters have: each is asked once, and again when something was installed into it since.

The answer is kept in memory and below the cache directory, with the times at which the interpreter and the directories
on its path were modified: every installation, upgrade and removal changes one of those.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from covalent.errors import WireError
from covalent.readiness import probe
from covalent.wire import places
from covalent.wire.codec import from_json

#: An interpreter on a slow file system, asked for the first time.
_SECONDS: Final = 30
_SAID: Final = 500
#: What would show an interpreter other packages than those that its tasks will see.
_FOREIGN: Final = ("PYTHON", "COVALENT_", "VIRTUAL_ENV", "__PYVENV")
_known: dict[str, Interpreter] = {}


class UnusableError(Exception):
    """An interpreter that cannot be run; the message says why."""


class SilentError(Exception):
    """An interpreter that does not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """What one interpreter said of itself."""

    version: tuple[int, ...]
    implementation: str
    #: Versions of what is installed, by normalised name.
    distributions: dict[str, str] = field(default_factory=dict)
    #: The distributions that an import name comes from.
    owners: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: What can be imported.
    names: tuple[str, ...] = ()
    #: Whether there are finders of modules that find more than what stands in ``names``.
    strange: bool = False
    #: When its program and the directories on its path were modified.
    stamps: dict[str, int] = field(default_factory=dict)

    @property
    def python(self) -> str:
        """Its implementation and minor version, which have to match for code."""
        return f"{self.implementation} {'.'.join(map(str, self.version[:2]))}"


def ask(python: str) -> Interpreter:
    """What an interpreter has; raises UnusableError or SilentError."""
    known = _known.get(python) or _kept(python)
    if known is None or known.stamps != probe.stamps(list(known.stamps)):
        known = _asked(python)
        _keep(python, known)
    _known[python] = known
    return known


def _asked(python: str) -> Interpreter:
    import subprocess  # noqa: PLC0415 - most workflows ask nobody

    environ = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    try:
        done = subprocess.run(
            [python, probe.__file__],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=Path(python).parent,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode == 0:
            known = _read(json.loads(done.stdout))
            return replace(known, stamps=known.stamps | probe.stamps([python]))
    except (OSError, ValueError, WireError) as error:
        raise UnusableError(str(error)) from None
    except subprocess.TimeoutExpired:
        raise SilentError(f"did not say within {_SECONDS} seconds what it has") from None
    said = done.stderr.decode("utf-8", "replace").strip()
    raise UnusableError(said[-_SAID:] or f"it ended with exit code {done.returncode}")


def _read(plain: Mapping[str, Any]) -> Interpreter:
    return from_json(Interpreter, plain)


# -- what is kept between processes


def _file(python: str) -> Path:
    name = hashlib.sha256(python.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return places.cache_dir(os.environ) / "interpreters" / f"{name}.json"


def _kept(python: str) -> Interpreter | None:
    try:
        return _read(json.loads(_file(python).read_bytes()))
    except (OSError, ValueError):  # it is not there, or was kept by another version
        return None


def _keep(python: str, known: Interpreter) -> None:
    import tempfile  # noqa: PLC0415 - as above

    path = _file(python)
    with suppress(OSError):  # it is asked again next time
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, delete=False) as file:
            file.write(json.dumps(_plain(known)).encode())
        Path(file.name).replace(path)


def _plain(known: Interpreter) -> dict[str, Any]:
    return {name: getattr(known, name) for name in Interpreter.__slots__}
