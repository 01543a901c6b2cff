"""uv and pip, and how each is brought to see what the parent has.

pip runs in the layer's interpreter, whose path shows it the parent's packages: it takes them as installed, and where
another version is needed it leaves theirs alone, since they lie outside of its environment. uv looks into the layer's
own site directory and nowhere else. For it each of the parent's packages has a *stand-in* there while it works: the
metadata without the package. What it puts in a stand-in's place is what the layer needs; the others are removed again.
Both take settings from files of the user's, which may name another place to install to: that would be no layer, and
perhaps somebody's environment. pip is told better, and uv, which cannot be, is not started.
uv also keeps what it has built of a directory until the directory's ``pyproject.toml`` changes. A layer is built anew
when any file there has changed, so uv is told to look again.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from covalent.worker.layers.key import local, settings_files
from covalent.worker.layers.parent import Parent, distributions
from covalent.worker.layers.record import LayerError

#: Says of a package that it is a stand-in.
_STAND_IN: Final = "covalent-stand-in"
#: Settings of pip's that are no words of its command line, and none of a user's files then.
_PIP_INSTALLS: Final = {"PIP_USER": "0", "PIP_DRY_RUN": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
#: Settings in the table ``pip`` of uv's files that name another place to install to.
_ELSEWHERE: Final = ("target", "prefix")
#: Prints where the pip lies that comes with an interpreter.
_BUNDLED: Final = """
import ensurepip, glob, os
print(max(glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl")), default=""))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A layer that is being built."""

    python: Path
    #: Its own site directory.
    site: Path
    parent: Parent


class Installer(Protocol):
    """What resolves requirements and installs them."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables that it has."""

    def install(self, room: Room, requirements: Path, constraints: Path) -> None:
        """Install what the files ask for and the parent lacks; raises InstallError."""


class InstallError(Exception):
    """An installer has given up; the text is its own."""


@dataclass(frozen=True, slots=True)
class Uv:
    """Installs with uv."""

    program: str
    environ: Mapping[str, str]
    name: str = "uv"

    def install(self, room: Room, requirements: Path, constraints: Path) -> None:
        """As :class:`Installer` says."""
        _refuse_other_places(self.environ)
        # The first that uv finds on its way up from where it is run: those of a project above are none of the layer's.
        (_directory(room) / "uv.toml").touch()
        command = [self.program, "pip", "install", "--python", str(room.python), "--quiet", "--no-progress"]
        if any(path.is_dir() for path, _ in local(requirements.read_text(encoding="utf-8").splitlines())):
            command.append("--refresh")
        _put_stand_ins(room)
        try:
            _run([*command, "-r", str(requirements), "-c", str(constraints)], room, self.environ)
        finally:
            _remove_stand_ins(room.site)


@dataclass(frozen=True, slots=True)
class Pip:
    """Installs with pip: the parent's, else the one that comes with its Python, else the worker's."""

    environ: Mapping[str, str]
    name: str = "pip"

    def install(self, room: Room, requirements: Path, constraints: Path) -> None:
        """As :class:`Installer` says."""
        command = [*self._pip(room), "install", "--progress-bar", "off", "--disable-pip-version-check", "--no-input"]
        command += ["--target=", f"--prefix={_directory(room)}", "--root=/"]
        command += ["-r", str(requirements), "-c", str(constraints)]
        environ = {name: value for name, value in self.environ.items() if name != "PIP_PYTHON"}
        _run(command, room, environ | _PIP_INSTALLS)

    def _pip(self, room: Room) -> list[str]:
        python = str(room.python)
        if "pip" in room.parent.versions:
            return [python, "-P", "-m", "pip"]
        asked = subprocess.run([python, "-P", "-c", _BUNDLED], capture_output=True, text=True, check=False)
        if asked.stdout.strip():
            return [python, "-P", f"{asked.stdout.strip()}/pip"]
        if find_spec("pip") is not None:
            return [sys.executable, "-P", "-m", "pip", "--python", python]
        raise LayerError(
            f"packages cannot be installed: neither {room.parent.python} nor the worker has pip, and there is no uv; "
            f"get one of them, with {sys.executable} -m ensurepip for example"
        )


def available(environ: Mapping[str, str]) -> Installer:
    """uv, which is many times as fast, where there is one: on the path or beside the worker's interpreter."""
    beside = os.pathsep.join([environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    program = shutil.which("uv", path=beside)
    return Pip(environ) if program is None else Uv(program, environ)


def _run(command: Sequence[str], room: Room, environ: Mapping[str, str]) -> None:
    """Run an installer in the layer's directory, where no settings of a project's are."""
    try:
        done = subprocess.run(
            command,
            cwd=room.site,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    except OSError as error:
        raise InstallError(str(error)) from error
    if done.returncode:
        raise InstallError(done.stdout.decode(errors="replace").strip() or f"it ended with status {done.returncode}")


def _directory(room: Room) -> Path:
    return room.python.parent.parent


def _refuse_other_places(environ: Mapping[str, str]) -> None:
    """Raise LayerError when uv would install elsewhere than where it is told to."""
    for path in _uv_files(environ):
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8")).get("pip")
        except (OSError, ValueError):
            continue  # there is none, or uv will say what is wrong with it
        named = [name for name in _ELSEWHERE if isinstance(told, dict) and name in told]
        if named:
            raise LayerError(
                f"packages cannot be installed: {path} has uv install to another place than it is told, with "
                f"pip.{named[0]}; leave that out there, or run covalent start with UV_CONFIG_FILE naming another file"
            )


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("UV_CONFIG_FILE"):
        yield Path(environ["UV_CONFIG_FILE"])
    elif not environ.get("UV_NO_CONFIG"):
        yield from (path for path in settings_files(environ) if path.name == "uv.toml")


def _put_stand_ins(room: Room) -> None:
    seen: set[str] = set()
    for item in distributions(room.parent.path):
        text = item.read_text("METADATA") or item.read_text("PKG-INFO")
        name = f"{item.name.replace('-', '_')}-{item.version}.dist-info"
        if text is None or item.name in seen:
            continue
        seen.add(item.name)
        place = room.site / name
        place.mkdir()
        (place / "METADATA").write_text(text, encoding="utf-8", errors="surrogateescape")
        (place / "INSTALLER").write_text(_STAND_IN, encoding="ascii")
        with (place / "RECORD").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([f"{name}/{own}", "", ""] for own in ("METADATA", "INSTALLER", "RECORD"))


def _remove_stand_ins(site: Path) -> None:
    for mark in site.glob("*.dist-info/INSTALLER"):
        if mark.read_text(encoding="utf-8", errors="replace") == _STAND_IN:
            shutil.rmtree(mark.parent)
