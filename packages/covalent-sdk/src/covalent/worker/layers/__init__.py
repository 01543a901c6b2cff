"""Layers: packages over the environment of an interpreter, which itself is not changed.

::

    <directory>/parents/<interpreter>.json    what an interpreter's environment is: its prefix and site directories
    <directory>/<key>/                        a virtual environment that looks into its parent's site directories
    <directory>/<key>/layer.json              written last: without it there is no layer
    <directory>/<key>.lock                    held by who builds it

A layer is found by its requirements, by what is installed in its parent, and by the settings of the installer.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from covalent.errors import WorkerError

#: What tells that a distribution is installed, and mostly its version.
_INSTALLED: Final = (".dist-info", ".egg-info", ".egg-link", ".pth")
#: Settings of installers that say what a requirement is found to be.
_SETTINGS: Final = re.compile(r"(?:PIP|UV)_(?!CACHE)\w*")
#: They are the parent's in every layer: a task's supervisor speaks to it through them.
_KEPT: Final = ("cloudpickle", "covalent-sdk")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DESCRIBE: Final = """
import json, site, sys
from importlib import metadata
sites = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
sites += [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
found = {item.name: item.version for item in reversed(list(metadata.distributions())) if item.name}
print(json.dumps({"prefix": sys.prefix, "build": sys.version, "sites": list(dict.fromkeys(sites)), "found": found}))
"""


class LayerError(WorkerError):
    """A layer cannot be built; in the installer's own words where it has any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Packages over an interpreter's environment, ready to be used."""

    key: str
    #: An interpreter that has them.
    python: str
    #: What was installed, as in ``pandas==2.2.3``.
    resolved: tuple[str, ...]
    #: What its user should know, or an empty text.
    warning: str
    #: How long it took to build.
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parent:
    """The environment of an interpreter."""

    prefix: str
    build: str
    sites: tuple[str, ...]
    #: What is installed, version by name.
    found: Mapping[str, str]


class Layers:
    """The layers in a directory."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._directory = directory
        self._environ = dict(environ)
        #: What is installed in each site directory, and when that was changed.
        self._seen: dict[str, tuple[int, list[str]]] = {}
        self._settings = sorted(item for item in environ.items() if _SETTINGS.fullmatch(item[0]))

    def find(self, python: str, requirements: tuple[str, ...]) -> Layer | None:
        """A layer that is there; nothing is started to find it."""
        try:
            parent = _read_parent(self._noted(python))
            return _read(self._directory / self._key(parent, requirements))
        except (OSError, ValueError, TypeError, KeyError):
            return None  # not there, or written by another version

    def build(self, python: str, requirements: tuple[str, ...]) -> Layer:
        """Build a layer, unless somebody else has done so meanwhile; raises LayerError."""
        begun = time.monotonic()
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            parent = self._describe(python)
            place = self._directory / self._key(parent, requirements)
            with _locked(place.with_suffix(".lock")):
                if (place / "layer.json").exists():
                    return _read(place)
                shutil.rmtree(place, ignore_errors=True)
                try:
                    return self._built(place, python, parent, requirements, begun)
                except LayerError:
                    shutil.rmtree(place, ignore_errors=True)
                    raise
        except OSError as error:
            raise LayerError(f"its directory {self._directory} cannot be written: {error}") from error

    def _built(self, place: Path, python: str, parent: _Parent, requirements: Sequence[str], begun: float) -> Layer:
        self._run([python, "-m", "venv", "--without-pip", str(place)])
        (site,) = place.glob("lib/python*/site-packages")
        lines = "".join(f"import site; site.addsitedir({directory!r})\n" for directory in parent.sites)
        (site / "_covalent_parent.pth").write_text(lines, encoding="utf-8")
        asked = place / "requirements.txt"
        asked.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        named = {_normal(name[0]) for line in requirements if (name := _NAME.match(line))}
        kept = {name: version for name, version in parent.found.items() if _normal(name) not in named}
        interpreter = str(place / "bin" / "python")
        try:
            self._install(python, interpreter, asked, kept)
        except LayerError:
            own = {name: version for name, version in parent.found.items() if _normal(name) in _KEPT}
            self._install(python, interpreter, asked, own)
        # Made by the first import of a module otherwise, which would look like an installation after it.
        (site / "__pycache__").mkdir(exist_ok=True)
        installed = _installed(site)
        shadowed = [
            f"{name} {installed[_normal(name)]} instead of {version}"
            for name, version in kept.items()
            if installed.get(_normal(name), version) != version
        ]
        warning = f"deps_pip brings {', '.join(sorted(shadowed))} of the environment" if shadowed else ""
        layer = Layer(
            key=place.name,
            python=interpreter,
            resolved=tuple(f"{name}=={version}" for name, version in sorted(installed.items())),
            warning=warning,
            seconds=round(time.monotonic() - begun, 3),
        )
        _write(place / "layer.json", asdict(layer))
        return layer

    def _install(self, python: str, interpreter: str, asked: Path, kept: Mapping[str, str]) -> None:
        limits = asked.with_name("constraints.txt")
        limits.write_text("".join(f"{name}=={version}\n" for name, version in kept.items()), encoding="utf-8")
        self._run([*self._installer(python, interpreter), "-r", str(asked), "-c", str(limits)])

    def _installer(self, python: str, interpreter: str) -> list[str]:
        """The command that installs for an interpreter: uv, else the parent's pip, else that which Python brings."""
        uv = shutil.which("uv", path=self._environ.get("PATH"))
        if uv is not None:
            return [uv, "pip", "install", "--quiet", "--python", interpreter]
        code = "import importlib.util as u, ensurepip as e; print('' if u.find_spec('pip') else e.__path__[0])"
        bundled = self._run([python, "-P", "-c", code]).strip()
        pip = ["-m", "pip"] if not bundled else [str(next(Path(bundled).glob("_bundled/pip-*.whl"))) + "/pip"]
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        return [python, *pip, "--python", interpreter, "install", *quiet]

    def _run(self, command: Sequence[str]) -> str:
        try:
            done = subprocess.run(
                command,
                cwd=self._directory,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as error:
            raise LayerError(f"{command[0]} cannot be run: {error}") from error
        if done.returncode:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
            raise LayerError(said or f"{' '.join(command[:4])} … ended with status {done.returncode}")
        return done.stdout.decode()

    def _noted(self, python: str) -> Path:
        """Where it stands what an interpreter's environment is; another place once another interpreter is there."""
        status = os.stat(python)  # noqa: PTH116  it is asked for every task
        told = f"{python} {status.st_ino} {status.st_mtime_ns}"
        return self._directory / "parents" / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.json"

    def _describe(self, python: str) -> _Parent:
        plain = json.loads(self._run([python, "-P", "-c", _DESCRIBE]))
        noted = self._noted(python)
        noted.parent.mkdir(exist_ok=True)
        _write(noted, plain)
        return _read_parent(noted)

    def _entries(self, site: str) -> list[str]:
        """What is installed in a directory, looked at anew when it was changed."""
        try:
            changed = os.stat(site).st_mtime_ns  # noqa: PTH116  as in _noted
            if self._seen.get(site, (0, []))[0] != changed:
                names = (name for name in os.listdir(site) if name.endswith(_INSTALLED))  # noqa: PTH208  as in _noted
                self._seen[site] = changed, sorted(names)
        except OSError:
            return []
        return self._seen[site][1]

    def _key(self, parent: _Parent, requirements: Sequence[str]) -> str:
        there = [(site, self._entries(site)) for site in parent.sites]
        told = json.dumps([list(requirements), parent.prefix, parent.build, there, self._settings])
        return hashlib.sha256(told.encode()).hexdigest()[:24]


def _read_parent(path: Path) -> _Parent:
    plain = json.loads(path.read_bytes())
    return _Parent(**{**plain, "sites": tuple(plain["sites"])})


def _read(place: Path) -> Layer:
    plain = json.loads((place / "layer.json").read_bytes())
    return Layer(**{**plain, "resolved": tuple(plain["resolved"])})


def _write(path: Path, plain: Mapping[str, object]) -> None:
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.write_text(json.dumps(plain), encoding="utf-8")
    half.replace(path)


def _installed(site: Path) -> dict[str, str]:
    found = {}
    for path in site.glob("*.dist-info"):
        name, _, version = path.name.removesuffix(".dist-info").partition("-")
        found[_normal(name)] = version
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
