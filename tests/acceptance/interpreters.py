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
        # A plain path would not do: what is installed there in editable form is found through its own .pth files.
        line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (packages / "sdk.pth").write_text(line)
    return str(directory / "bin" / "python")


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
