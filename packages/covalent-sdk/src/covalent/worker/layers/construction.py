"""One new layer over a parent.

The parent's packages are constraints, except those that are named: what is installed is to fit to what is there. Where
nothing fits, the layer is resolved without regard to the parent, but for what is ours; then it says what it shadows.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from covalent.requirements import name_of, normalised
from covalent.worker.installed import LAYER_MARK
from covalent.worker.layers.installers import Installer, InstallError, Room
from covalent.worker.layers.key import local
from covalent.worker.layers.parent import Parent, distributions
from covalent.worker.layers.record import Layer, LayerError

#: What talks to the worker and opens what it is sent: always the parent's.
_OURS: Final = ("cloudpickle", "covalent-sdk")
#: The interpreter that a layer lies over, as its ``pyvenv.cfg`` tells it.
_PARENT: Final = "covalent-parent"
#: Kept of what an installer says; the end tells most.
_WORDS: Final = 6000
#: What pip and uv say of a package that they could not build.
_BUILDING: Final = re.compile(
    r"build backend (?:returned|failed)|BackendUnavailable|failed (?:to build|building)|did not run successfully",
    re.IGNORECASE,
)
#: What they say when they fetch from a repository, which has no wheels.
_FETCHING: Final = re.compile(r"git (?:clone|fetch|operation)", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")


def built(key: str, requirements: tuple[str, ...], parent: Parent, directory: Path, installer: Installer) -> Layer:
    """Build a layer in a directory that is not there yet; raises LayerError."""
    began = time.monotonic()
    room = _room(parent, directory)
    shadowed = _install(room, requirements, installer, directory)
    # Made by the first import of a module otherwise, which would look like an installation after it.
    (room.site / "__pycache__").mkdir(exist_ok=True)
    return Layer(
        key=key,
        python=str(room.python),
        resolved=tuple(sorted(f"{item.name}=={item.version}" for item in distributions((str(room.site),)))),
        warning=shadowed,
        seconds=round(time.monotonic() - began, 3),
        requirements=requirements,
        parent=parent.python,
        built_at=time.time(),
    )


def program_directories(python: str) -> list[str]:
    """Where the programs of an environment lie, its parent's behind a layer's; none for Pythons outside of one."""
    found: list[str] = []
    while True:
        prefix = Path(python).parent.parent
        settings = _settings(prefix)
        if settings is None and not (prefix / "conda-meta").is_dir():
            return found
        found.append(str(Path(python).parent))
        if settings is None or _PARENT not in settings:
            return found
        python = settings[_PARENT]


def _settings(prefix: Path) -> dict[str, str] | None:
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}


def _room(parent: Parent, directory: Path) -> Room:
    command = [parent.python, "-P", "-m", "venv", "--without-pip", str(directory)]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = getattr(error, "stderr", None) or error
        raise LayerError(
            f"no packages can be laid over {parent.python}: it cannot make a virtual environment: {words}\n"
            f"see whether this works: {' '.join(command)}"
        ) from None
    site = next(directory.glob("lib/python*/site-packages"))
    lines = "; ".join(f"site.addsitedir({entry!r})" for entry in parent.site)
    (site / LAYER_MARK).write_text(f"import site; {lines}\n", encoding="utf-8")
    with (directory / "pyvenv.cfg").open("a", encoding="utf-8") as file:
        file.write(f"{_PARENT} = {parent.python}\n")
    return Room(python=directory / "bin" / "python", site=site, parent=parent)


def _install(room: Room, requirements: tuple[str, ...], installer: Installer, directory: Path) -> str:
    """Install; what is shadowed that nobody has named, in words."""
    wanted = directory / "requirements.txt"
    wanted.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    versions, asked = room.parent.versions, set(map(name_of, requirements))
    ours = {name: versions[name] for name in _OURS if name in versions}
    fitting = ours | {name: version for name, version in versions.items() if name not in asked}
    try:
        installer.install(room, wanted, _constraints(directory, fitting))
    except InstallError as error:
        if fitting == ours:
            raise _unresolved(installer, requirements, error, room.parent) from None
        try:
            installer.install(room, wanted, _constraints(directory, ours))
        except InstallError as other:
            raise _unresolved(installer, requirements, other, room.parent) from None
    return _shadowed(room, asked)


def _constraints(directory: Path, versions: Mapping[str, str]) -> Path:
    path = directory / "constraints.txt"
    path.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
    return path


def _shadowed(room: Room, asked: Collection[str | None]) -> str:
    there = room.parent.versions
    shadows = sorted(
        f"{item.name} {item.version} instead of {there[normalised(item.name)]}"
        for item in distributions((str(room.site),))
        if there.get(normalised(item.name), item.version) != item.version and normalised(item.name) not in asked
    )
    if not shadows:
        return ""
    return f"deps_pip brings {', '.join(shadows)} of {room.parent.python}"


def _unresolved(installer: Installer, requirements: tuple[str, ...], error: InstallError, parent: Parent) -> LayerError:
    words = str(error)
    cut = words if len(words) <= _WORDS else f"…{words[-_WORDS:]}"
    plain = (line.removeprefix("--editable ") for line in requirements)
    asked = ", ".join(line for line in plain if not line.startswith("--"))
    advice = _advice(installer, requirements, words, parent)
    return LayerError(f"{asked} cannot be installed. {installer.name} says:\n{cut}\n{advice}")


def _advice(installer: Installer, requirements: tuple[str, ...], words: str, parent: Parent) -> str:
    unset = sorted(set(_VARIABLE.findall("\n".join(requirements))) - set(installer.environ))
    if unset:
        return f"set {' and '.join(unset)} where covalent start is run: what installs packages has no such variable"
    gone = next((path for path, _ in local(requirements) if not path.exists()), None)
    if gone is not None:
        return f"there is no {gone} on the worker's machine; relative paths begin where the workflow was built"
    if _BUILDING.search(words) and not _FETCHING.search(words):
        python = parent.build[0].partition(" ")[0]
        return (
            f"building from source has failed, which is tried where there is no wheel for Python {python}: name a "
            "version that has one, or run the task on an older Python, as with LocalExecutor(python='3.11')"
        )
    return (
        "name versions that exist and fit together in deps_pip; where no package index is reached, name a place for "
        "packages with --find-links or an index with --index-url there"
    )
