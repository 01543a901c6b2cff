"""Three environments that share nothing: the server's, the client's, and the peer's; ours are made from wheels."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROBES: Final = ROOT / "benchmarks" / "probes"
#: What the workloads import beside the SDK.
EXTRA: Final = ("numpy",)
_EXPORT: Final = ("--frozen", "--no-default-groups", "--no-emit-workspace", "--no-hashes")
#: Variables that would mix environments up, or point a client at another server.
_FOREIGN: Final = ("PYTHON", "VIRTUAL_ENV", "CONDA", "COVALENT_", "DASK_")


class BenchError(Exception):
    """What keeps the bench from measuring, in words for who runs it; a wrong result above all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """The interpreters."""

    server: Path
    client: Path
    peer: Path


def build(wheels: Sequence[Path], directory: Path) -> Environments:
    """Make them anew below a directory, with the dependencies of ``uv.lock`` for the server and the client."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    sdk = [wheel for wheel in wheels if wheel.name.startswith("covalent_sdk-")]
    peer = _create(directory / "peer")
    _install(peer, "--requirement", str(ROOT / "benchmarks" / "peer.txt"))
    return Environments(
        server=_from_wheels(directory / "server", "covalent-server", wheels),
        client=_from_wheels(directory / "client", "covalent-sdk", sdk, EXTRA),
        peer=peer,
    )


def clean_environ() -> dict[str, str]:
    """This process's environment variables without those of other installations."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def run(*command: str, environ: dict[str, str] | None = None) -> str:
    """What a program prints; raises BenchError with all it said when it fails."""
    done = subprocess.run(
        command,
        env=clean_environ() if environ is None else environ,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(
            f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}".rstrip()
        )
    return done.stdout


def installed(python: Path) -> dict[str, dict[str, Any]]:
    """Version and size of each distribution in an environment."""
    plain: dict[str, dict[str, Any]] = json.loads(run(str(python), str(PROBES / "installed.py")))
    return plain


def _from_wheels(home: Path, package: str, wheels: Sequence[Path], extra: Sequence[str] = ()) -> Path:
    python = _create(home)
    pins, every_pin = home.with_suffix(".txt"), home.with_suffix(".all.txt")
    _uv("export", *_EXPORT, "--package", package, "--output-file", str(pins))
    _uv("export", *_EXPORT, "--all-groups", "--output-file", str(every_pin))
    _install(python, "--requirement", str(pins), "--constraint", str(every_pin), *extra)
    _install(python, "--no-deps", *map(str, wheels))
    return python


def _create(home: Path) -> Path:
    _uv("venv", "--python", sys.executable, str(home))
    return home / "bin" / "python"


def _install(python: Path, *what: str) -> None:
    # Compiled, as pip does it: otherwise the first start would compile what it imports, and keep the memory of that.
    _uv("pip", "install", "--compile-bytecode", "--python", str(python), *what)


def _uv(*arguments: str) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        ["uv", *arguments, "--quiet"],  # noqa: S607  nox has put its own uv on the path
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"uv {' '.join(arguments)} failed:\n{done.stdout}")
