"""Which interpreter a user means: by path, program, version, virtual environment or conda environment.

Nothing is started to find out. A version is looked for in few places, in this order: the Python that dispatches, the
programs of the ``PATH``, the Pythons that pyenv installed, those that uv installed. A conda environment is looked for
by its name below the homes that the variables of a shell with conda name, in the list that conda keeps, and where conda
and its like are usually installed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from covalent.errors import GraphError

_VERSION: Final = re.compile(r"3\.\d+(\.\d+)?")
_PROGRAM: Final = re.compile(r"python(3\.\d+)")
#: Directories of programs that only look for a Python themselves, whether or not there is one.
_SHIMS: Final = "shims"
_CONDA_VARIABLES: Final = ("MAMBA_ROOT_PREFIX", "CONDA_PREFIX")
#: Where conda and its like are installed when nobody says where, below the home directory.
_USUAL_HOMES: Final = ("miniconda3", "miniforge3", "mambaforge", "anaconda3", "micromamba", ".conda")


def interpreter(given: str) -> Path:
    """The interpreter that ``LocalExecutor(python=...)`` names; raises GraphError that says where it was looked for."""
    if _VERSION.fullmatch(given):
        return _of_version(given)
    bare = Path(given).name == given
    found = shutil.which(given) if bare else None
    if found is not None:
        program = _PROGRAM.fullmatch(given)
        shim = Path(found).parent.name == _SHIMS
        return _of_version(program[1]) if shim and program else Path(found)
    path = Path(given).expanduser()
    if bare and not path.exists():
        raise GraphError(
            f"LocalExecutor(python={given!r}): no such program is on the PATH; give its whole path, a version such as "
            "'3.12', or the directory of a virtual environment"
        )
    return _inside(path) if path.is_dir() else path


def _inside(directory: Path) -> Path:
    for name in ("python", "python3"):
        if (directory / "bin" / name).exists():
            return directory / "bin" / name
    raise GraphError(
        f"LocalExecutor(python={str(directory)!r}) is a directory and no environment: there is no bin/python in it; "
        f"make one: python -m venv {directory}"
    )


# -- versions


def _of_version(version: str) -> Path:
    own = ".".join(map(str, sys.version_info[:3]))
    if sys.executable and f"{own}.".startswith(f"{version}."):
        return Path(sys.executable)
    found = next((path for path in _candidates(version) if path.is_file() and os.access(path, os.X_OK)), None)
    if found is not None:
        return found
    looked = [f"this one is {own}", *(f"on the PATH as {name}" for name in _programs(version))]
    looked += [f"in {directory}" for directory in (*_pyenv_versions(), _uv_pythons())]
    raise GraphError(
        f"LocalExecutor(python={version!r}): no Python {version} was found; looked: {', '.join(looked)}. "
        f"Get one with `uv python install {version}`, or give its path"
    )


def _candidates(version: str) -> Iterator[Path]:
    for name in _programs(version):
        for entry in os.environ.get("PATH", "").split(os.pathsep):
            if entry and Path(entry).name != _SHIMS:
                yield Path(entry) / name
    minor = ".".join(version.split(".")[:2])
    wanted = version if version != minor else f"{minor}.*"
    for directory in _pyenv_versions():
        yield from _newest(directory.glob(f"{wanted}/bin/python{minor}"))
    yield from _newest(_uv_pythons().glob(f"cpython-{wanted}-*/bin/python{minor}"))


def _programs(version: str) -> list[str]:
    """What a version is called as a program; one that is told to the last digit has no program of its own."""
    return [f"python{version}"] if version.count(".") == 1 else []


def _newest(paths: Iterator[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: [int(digits) for digits in re.findall(r"\d+", path.parts[-3])], reverse=True)


def _pyenv_versions() -> list[Path]:
    said = os.environ.get("PYENV_ROOT")
    return [Path(said or "~/.pyenv").expanduser() / "versions"]


def _uv_pythons() -> Path:
    said = os.environ.get("UV_PYTHON_INSTALL_DIR")
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return (Path(said) if said else Path(data) / "uv" / "python").expanduser()


# -- conda


def of_conda(env: str) -> Path:
    """The interpreter of a conda environment, by its name or its directory; raises GraphError as above."""
    named = Path(env).name == env
    homes = list(dict.fromkeys(_conda_homes(env))) if named else [Path(env).expanduser()]
    for home in homes:
        if (home / "bin" / "python").exists():
            return home / "bin" / "python"
    raise GraphError(
        f"LocalExecutor(conda_env={env!r}): there is no such environment with a Python, not at "
        f"{', '.join(map(str, homes))}; make one: conda create {'-n' if named else '-p'} {env} python; "
        "or give its directory, or its interpreter: LocalExecutor(python=...)"
    )


def _conda_homes(name: str) -> Iterator[Path]:
    """Where an environment of that name may be."""
    roots = [Path(os.environ["CONDA_EXE"]).parents[1]] if os.environ.get("CONDA_EXE") else []
    roots += [Path(os.environ[variable]) for variable in _CONDA_VARIABLES if os.environ.get(variable)]
    for root in roots:
        yield _below(root.parents[1] if root.parent.name == "envs" else root, name)
    for directory in filter(None, os.environ.get("CONDA_ENVS_PATH", "").split(os.pathsep)):
        yield Path(directory).expanduser() / name
    home = Path.home()
    yield from (prefix for prefix in _listed(home / ".conda" / "environments.txt") if prefix.name == name)
    yield from (_below(home / usual, name) for usual in _USUAL_HOMES)
    yield _below(Path("/opt/conda"), name)


def _below(root: Path, name: str) -> Path:
    return root if name == "base" else root / "envs" / name


def _listed(path: Path) -> list[Path]:
    """The environments in the list that conda keeps of all that it made for this account."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(line.strip()) for line in lines if line.strip()]
