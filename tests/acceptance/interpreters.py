"""Environments of other Pythons for executors, made without a network.

The SDK and its dependencies are pure Python, so one installed copy, that of the environment that runs the tests,
serves every interpreter: an environment that is to have it gets its directory on the path.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.components import COMPONENTS, Python, required

OWN_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHERS = [component for component in COMPONENTS if component.version != OWN_VERSION]


def found(component: Python) -> Path:
    """The interpreter; the test is skipped when this machine lacks it, unless everything has to be there."""
    path = component.find()
    if path is None:
        message = f"{component.name} is missing; get it: {' '.join(component.install)}"
        if required():
            pytest.fail(message)
        pytest.skip(message)
    return path


def environment(python: Path | str, directory: Path, *, sdk: bool) -> str:
    """A new environment of a Python, with the SDK or with nothing at all; the path of its interpreter."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    subprocess.run([python, "-m", "venv", "--without-pip", directory], check=True, env=environ)
    if sdk:
        (packages,) = directory.glob("lib/python*/site-packages")
        # A plain path would not do: what is installed there in editable form is found through its own .pth files.
        line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (packages / "sdk.pth").write_text(line)
    return str(directory / "bin" / "python")
