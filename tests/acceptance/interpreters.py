"""Environments made without a network: of other Pythons for executors, and of users who have the SDK alone.

The SDK and its dependencies are pure Python, so one installed copy, that of the environment that runs the tests,
serves every interpreter: an environment that is to have it gets its directory on the path. A user's environment must
not see that directory, where the server and the test's tools are too: it gets copies.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path

import covalent
from tests.components import PYTHONS, lacking

OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ROOT = Path(__file__).resolve().parents[2]
OTHERS = [component for component in PYTHONS if component.version != OWN_VERSION]


def environment(python: Path | str, directory: Path, *, sdk: bool, wheels: Sequence[str] = ()) -> str:
    """A new environment of a Python, with the SDK or with nothing at all; the path of its interpreter.

    ``wheels`` are installed by pip, which needs an index of packages; without one the test is skipped.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    bare = [] if wheels else ["--without-pip"]
    subprocess.run([python, "-m", "venv", *bare, directory], check=True, env=environ)
    if wheels:
        _install(directory / "bin" / "python", wheels, environ)
    if sdk:
        (packages,) = directory.glob("lib/python*/site-packages")
        _show_the_sdk(packages)
    return str(directory / "bin" / "python")


def _show_the_sdk(packages: Path) -> None:
    # A plain path would not do: what is installed there in editable form is found through its own .pth files.
    (packages / "sdk.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")


def conda_like(python: Path, prefix: Path) -> Path:
    """A prefix as conda makes them, with the SDK: an interpreter and a library of its own, and no base below them."""
    asked = "import sys, sysconfig; print(sys.base_prefix); print(sysconfig.get_path('stdlib'))"
    told = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.splitlines()
    base, library = map(Path, told)
    own = prefix / "lib" / library.name
    shutil.copytree(library, own, symlinks=True, ignore=shutil.ignore_patterns("site-packages", "test", "__pycache__"))
    for shared in base.glob("lib/libpython*"):
        shutil.copy(shared, prefix / "lib")
    (prefix / "bin").mkdir()
    shutil.copy(base / "bin" / library.name, prefix / "bin" / "python")
    (prefix / "conda-meta").mkdir()
    (own / "site-packages").mkdir()
    _show_the_sdk(own / "site-packages")
    return prefix


def _install(python: Path, names: Sequence[str], environ: Mapping[str, str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-input", "--only-binary", ":all:", *names]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        lacking(f"pip cannot install {', '.join(names)}: an index of packages is needed\n{done.stderr}")


def with_the_sdk_alone(directory: Path, *more: str) -> str:
    """A new environment in which the SDK and its dependencies lie as pip lays them there; its interpreter's path.

    ``more`` names other distributions that are wanted there.
    """
    python = environment(sys.executable, directory, sdk=False)
    (packages,) = directory.glob("lib/python*/site-packages")
    shutil.copytree(Path(covalent.__file__).parent, packages / "covalent", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("covalent-sdk", "cloudpickle", "networkx", "urllib3", *more):
        _copy(name, packages)
    return python


def _copy(name: str, packages: Path) -> None:
    """Copy what is installed of a distribution; of an editable one that is what describes it."""
    installed = distribution(name)
    for file in installed.files or ():
        if file.suffix not in {".pth", ".pyc"} and ".." not in file.parts and file.name != "direct_url.json":
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(installed.locate_file(file)), target)


def by_uv(python: Path | str, directory: Path, *requirements: str | Path) -> str:
    """A new environment of what an index of packages has, and of wheels; the path of its interpreter.

    uv links what it has in its cache, so a second one of the same packages takes a moment.
    """
    uv("venv", "--python", str(python), str(directory))
    installed = str(directory / "bin" / "python")
    uv("pip", "install", "--python", installed, *map(str, requirements))
    return installed


def uv(*arguments: str) -> str:
    """What uv prints; the test is skipped without uv, or without an index of packages."""
    path = shutil.which("uv")
    if path is None:
        lacking("uv is missing; get it: pip install uv")
    withheld = ("PYTHON", "COVERAGE", "VIRTUAL_ENV", "UV_PROJECT")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(withheld)}
    done = subprocess.run([path, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        lacking(f"uv {' '.join(arguments)} fails: an index of packages is needed\n{done.stderr}")
    return done.stdout
