"""What a stranger's machine may lack: each component with what is skipped without it and how to get it.

``python -m tests.components`` lists them. With ``CI=true`` a missing one is a failure; ``--install`` gets it first.
Sessions and tests that need a component ask for it here, so that nothing is skipped without being listed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """A Python interpreter to run the tests on."""

    version: str

    @property
    def name(self) -> str:
        """The command by which it is known."""
        return f"python{self.version}"

    @property
    def skipped(self) -> str:
        """What is not checked without it."""
        return f"nox -s tests-{self.version}"

    @property
    def install(self) -> tuple[str, ...]:
        """The command that gets it, without root."""
        return ("uv", "python", "install", self.version)

    def find(self) -> Path | None:
        """Where it is: the first candidate that really starts (a pyenv shim may be there for nothing)."""
        return next((path for path in self._candidates() if _answers(path, self.version)), None)

    def _candidates(self) -> Iterator[Path]:
        if on_path := shutil.which(self.name):
            yield Path(on_path)
        for root in _pyenv_roots():
            yield from sorted(root.glob(f"versions/{self.version}.*/bin/{self.name}"), reverse=True)
        # Where `uv python install` puts it.
        directory = os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local" / "share" / "uv" / "python"
        yield from sorted(Path(directory).glob(f"cpython-{self.version}.*/bin/{self.name}"), reverse=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of the system, which Debian's package manager installs for root."""

    name: str
    package: str
    #: What is not checked without it.
    skipped: str
    #: Where it may be besides the path, as a pattern; of several the last counts.
    places: str = "usr/sbin"

    @property
    def install(self) -> tuple[str, ...]:
        """The command that gets it, as root."""
        return ("sh", "-c", f"apt-get update -q && apt-get install -y -q --no-install-recommends {self.package}")

    def find(self) -> Path | None:
        """Where it is; servers are not on everybody's path."""
        places = [str(place) for place in sorted(Path("/").glob(self.places), reverse=True)]
        found = shutil.which(self.name, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))
        return Path(found) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """Networks of their own for processes, which take root and a kernel that lets it."""

    name: str = "network namespaces"
    skipped: str = "tests/acceptance/test_several_hosts.py"
    install: tuple[str, ...] = ("sh", "-c", "apt-get update -q && apt-get install -y -q iproute2, and run it as root")

    def find(self) -> Path | None:
        """Where the command is that makes them, if it can."""
        command = shutil.which("ip", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
        if command is None or shutil.which("tc") is None:
            return None
        name = f"cov{os.getpid()}try"
        makes, removes = ([command, "netns", do, name] for do in ("add", "del"))
        tried = [subprocess.run(do, capture_output=True, check=False).returncode for do in (makes, removes)]
        return None if any(tried) else Path(command)


#: One of the interpreters is the one that runs the checks, and is there for certain.
PYTHONS: Final = (Python(version="3.11"), Python(version="3.12"), Python(version="3.13"))
SSH: Final = tuple(
    Program(name=name, package=package, skipped="tests/integration/files/test_rsync.py, tests/acceptance/test_files.py")
    for name, package in (("rsync", "rsync"), ("ssh", "openssh-client"), ("sshd", "openssh-server"))
)
SLURM: Final = tuple(
    Program(name=name, package=f"{package} slurm-client", skipped="tests/acceptance/test_slurm_executor.py")
    for name, package in (("munged", "munge"), ("slurmctld", "slurmctld"), ("slurmd", "slurmd"))
)
CC: Final = Program(name="cc", package="gcc libc6-dev", skipped="tests/integration/test_c_leptons.py")
#: Debian keeps all but the client away from the path, by version.
POSTGRESQL: Final = Program(
    name="initdb",
    package="postgresql",
    skipped="what tests/integration and tests/acceptance check on PostgreSQL, test names with [postgresql]",
    places="usr/lib/postgresql/*/bin",
)
#: With the typefaces that the page asks for, so that pictures of it are the same everywhere.
CHROMIUM: Final = Program(name="chromium", package="chromium fonts-inter fonts-jetbrains-mono", skipped="tests/ui")
NAMESPACES: Final = Namespaces()
COMPONENTS: Final[tuple[Python | Program | Namespaces, ...]] = (
    *PYTHONS,
    *SSH,
    *SLURM,
    CC,
    POSTGRESQL,
    CHROMIUM,
    NAMESPACES,
)


def required() -> bool:
    """Whether everything has to be there."""
    return os.environ.get("CI", "").lower() == "true"


def found(component: Python | Program | Namespaces) -> Path:
    """Where it is; the test that asks is skipped when this machine lacks it, unless everything has to be there."""
    path = component.find()
    if path is None:
        lacking(f"{component.name} is missing; get it: {' '.join(component.install)}")
    return path


def lacking(what: str) -> NoReturn:
    """Skip the test for what this machine lacks, unless everything has to be there."""
    import pytest  # what lists the components needs no tests

    if required():
        pytest.fail(what)
    pytest.skip(what)


def main(arguments: list[str]) -> int:
    """List the components; with ``--install``, get those that are missing. Exit code 1 if CI lacks one."""
    missing = []
    for component in COMPONENTS:
        found = component.find()
        if found is None and "--install" in arguments:
            subprocess.run(component.install, check=False)
            found = component.find()
        if found is None:
            missing.append(component)
        state = (
            str(found) if found else f"MISSING, so skipped: {component.skipped} (get it: {' '.join(component.install)})"
        )
        sys.stdout.write(f"component {component.name}: {state}\n")
    if missing and required():
        sys.stdout.write("CI=true, so a missing component is a failure\n")
        return 1
    return 0


def _pyenv_roots() -> list[Path]:
    """Where pyenv keeps its versions: as it says itself, beside its shims on the path, or where it is by default."""
    shims = (Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if Path(entry).name == "shims")
    said = [Path(root)] if (root := os.environ.get("PYENV_ROOT")) else []
    return [*said, *(entry.parent for entry in shims), Path.home() / ".pyenv"]


def _answers(path: Path, version: str) -> bool:
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        run = subprocess.run([path, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.stdout.strip() == version


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
