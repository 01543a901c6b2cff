"""Distributions made by hand, so that tests install packages without a network."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

#: Builds the wheel that lies in the source distribution once the file exists whose path stands in ``wait``.
_BACKEND: Final = """
import os, shutil, time
from pathlib import Path

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    here = Path(__file__).resolve().parent
    Path((here / "began").read_text()).write_text(str(os.getpid()))
    while not os.path.exists((here / "wait").read_text()):
        time.sleep(0.01)
    wheel, = here.glob("*.whl")
    shutil.copy(wheel, wheel_directory)
    return wheel.name
"""


#: Builds a wheel of ``<name>.py``, and writes a file into the project, as those do that note a version there.
_PROJECT: Final = """
import sys, zipfile
from pathlib import Path
sys.dont_write_bytecode = True

def get_requires_for_build_wheel(config_settings=None):
    return []

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    Path("noted.py").write_text("version = '1.0'\\n")
    info = "{name}-1.0.dist-info"
    made = Path(wheel_directory, "{name}-1.0-py3-none-any.whl")
    with zipfile.ZipFile(made, "w") as archive:
        archive.write("{name}.py")
        archive.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
        archive.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(info + "/RECORD", "")
    return made.name
"""


def wheel(
    directory: Path, name: str, version: str, *, files: Mapping[str, str] | None = None, requires: Sequence[str] = ()
) -> Path:
    """A wheel of one module, which knows its version, unless other files are given."""
    directory.mkdir(parents=True, exist_ok=True)
    contents = dict(files or {f"{name}.py": f"__version__ = {version!r}\n"})
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    contents[f"{info}/METADATA"] = "\n".join([*metadata, *(f"Requires-Dist: {item}" for item in requires), ""])
    contents[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    made = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return made


def project(directory: Path, name: str) -> Path:
    """A project of one module, which is empty, in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (directory / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "1.0"\n{system}')
    (directory / "backend.py").write_text(_PROJECT.replace("{name}", name))
    (directory / f"{name}.py").touch()
    return directory


def slow(directory: Path, name: str, version: str, *, began: Path, wait: Path) -> Path:
    """A source distribution that takes until the file ``wait`` exists to build, and writes ``began`` before."""
    data = wheel(directory / "inner", name, version)
    project = f'[project]\nname = "{name}"\nversion = "{version}"\n'
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    contents = {
        "pyproject.toml": (project + system).encode(),
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        "backend.py": _BACKEND.encode(),
        "began": str(began).encode(),
        "wait": str(wait).encode(),
        data.name: data.read_bytes(),
    }
    made = directory / f"{name}-{version}.tar.gz"
    with tarfile.open(made, "w:gz") as archive:
        for path, content in contents.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made
