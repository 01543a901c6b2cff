"""Two environments that share nothing: the server's, and the one that the workflow was written in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

PACKAGES: Final = Path(__file__).resolve().parents[2] / "packages"
SDK: Final = str(PACKAGES / "covalent-sdk")
SERVER: Final = str(PACKAGES / "covalent-server")
#: What a shell's own Python settings would smuggle into both.
_FOREIGN: Final = ("PYTHON", "VIRTUAL_ENV", "CONDA", "COVALENT_")
_TAIL: Final = 3000


class DemoError(Exception):
    """Something that keeps the demonstration from going on, in words for its user."""


def build(directory: Path, tell: Callable[[str], None]) -> tuple[Path, Path]:
    """Make both, at the same time, and return the server's and the client's interpreter."""
    pip = interpreter(directory / "client")
    _make(directory / "client")
    _make(directory / "server", "--without-pip")  # the client's pip installs there too, which saves seconds
    installing = {
        "server": _install(pip, directory / "server", SDK, SERVER),
        # Compiling all of pandas and scikit-learn takes longer than compiling what is imported of them, when it is.
        "client": _install(pip, directory / "client", "--no-compile", SDK, "pandas", "scikit-learn"),
    }
    try:
        for name, installation in installing.items():
            if installation.wait() != 0:
                log = _log(directory / name).read_text(encoding="utf-8", errors="replace")
                raise DemoError(f"pip could not install the {name}'s environment:\n{log[-_TAIL:]}")
            tell(f"the {name}'s is ready: {interpreter(directory / name)}")
    finally:
        for installation in installing.values():
            installation.kill()
            installation.wait()
    return interpreter(directory / "server"), interpreter(directory / "client")


def interpreter(environment: Path) -> Path:
    """The Python of an environment."""
    return environment / "bin" / "python"


def clean_environ(**extra: str) -> dict[str, str]:
    """This process's environment variables without those that would mix environments up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, **extra}


def _make(environment: Path, *options: str) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", *options, str(environment)],
        env=clean_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise DemoError(
            f"{sys.executable} cannot make environments; on Debian and Ubuntu install python3-venv\n{made.stdout}"
        )


def _install(pip: Path, environment: Path, *arguments: str) -> subprocess.Popen[bytes]:
    options = ["--python", str(interpreter(environment)), "--disable-pip-version-check", "--no-input"]
    command = [str(pip), "-m", "pip", *options, "install", *arguments]
    with _log(environment).open("wb") as log:
        return subprocess.Popen(command, env=clean_environ(), stdout=log, stderr=subprocess.STDOUT)


def _log(environment: Path) -> Path:
    return environment / "pip.log"
