"""Environments that share nothing: the server's and the client's, made from wheels, and one for each peer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROBES: Final = ROOT / "benchmarks" / "probes"
#: What the workloads import beside the SDK.
EXTRA: Final = ("numpy",)
_EXPORT: Final = ("--frozen", "--no-default-groups", "--no-emit-workspace", "--no-hashes")
#: Variables that would mix environments up, or point a client at another server.
_FOREIGN: Final = ("PYTHON", "VIRTUAL_ENV", "CONDA", "COVALENT_", "DASK_", "RAY_", "DBOS_", "PREFECT_", "PARSL_")
#: Nothing that is measured goes further than this machine; some peers would ask a proxy for it nevertheless.
_PROXIES: Final = "_PROXY"
#: Seconds that a program may take before it is held to hang.
PATIENCE: Final = 420.0
#: The end of what a program has said, in characters: enough for a traceback.
_TAIL: Final = 3000


class BenchError(Exception):
    """What keeps the bench from measuring, in words for who runs it; a wrong result above all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """The interpreters."""

    server: Path
    client: Path
    peers: dict[str, Path] = field(default_factory=dict)
    #: Why a peer could not be installed; it is not measured then.
    missing: dict[str, str] = field(default_factory=dict)


def build(wheels: Sequence[Path], directory: Path, peers: Iterable[str]) -> Environments:
    """Make ours anew below a directory, with the dependencies of ``uv.lock``; a peer's is kept while its pins are.

    A peer that cannot be installed is noted, and everything else goes on.
    """
    directory.mkdir(parents=True, exist_ok=True)
    sdk = [wheel for wheel in wheels if wheel.name.startswith("covalent_sdk-")]
    environments = Environments(
        server=_from_wheels(directory / "server", "covalent-server", wheels),
        client=_from_wheels(directory / "client", "covalent-sdk", sdk, EXTRA),
    )
    for name in peers:
        try:
            environments.peers[name] = _pinned(directory / name, ROOT / "benchmarks" / "peers" / name)
        except BenchError as error:
            environments.missing[name] = str(error)
    return environments


def clean_environ() -> dict[str, str]:
    """This process's environment variables without those of other installations, and without a proxy."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.upper().endswith(_PROXIES)
    }


def run(*command: str, environ: dict[str, str] | None = None) -> str:
    """What a program prints; raises BenchError with what it said when it fails or takes too long.

    All that it has started ends with it.
    """
    with subprocess.Popen(
        command,
        env=clean_environ() if environ is None else environ,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, complained = process.communicate(timeout=PATIENCE)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            said, complained = process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            complained += f"\nit was ended after {PATIENCE:.0f} seconds"
    if process.returncode != 0:
        told = f"{said}{complained}".rstrip()[-_TAIL:]
        raise BenchError(f"{' '.join(command)} ended with exit code {process.returncode}:\n{told}")
    return said


def installed(python: Path) -> dict[str, dict[str, Any]]:
    """Version and size of each distribution in an environment."""
    plain: dict[str, dict[str, Any]] = json.loads(run(str(python), str(PROBES / "installed.py")))
    return plain


def _pinned(home: Path, peer: Path) -> Path:
    pins = (peer / "requirements.txt").read_text(encoding="utf-8")
    stamp = home.with_suffix(".installed")
    written = f"{sys.version}\n{pins}"
    if home.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == written:
        return home / "bin" / "python"
    stamp.unlink(missing_ok=True)
    python = _create(home)
    _install(python, "--requirement", str(peer / "requirements.txt"))
    stamp.write_text(written, encoding="utf-8")
    return python


def _from_wheels(home: Path, package: str, wheels: Sequence[Path], extra: Sequence[str] = ()) -> Path:
    python = _create(home)
    pins, every_pin = home.with_suffix(".txt"), home.with_suffix(".all.txt")
    _uv("export", *_EXPORT, "--package", package, "--output-file", str(pins))
    _uv("export", *_EXPORT, "--all-groups", "--output-file", str(every_pin))
    _install(python, "--requirement", str(pins), "--constraint", str(every_pin), *extra)
    _install(python, "--no-deps", *map(str, wheels))
    return python


def _create(home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
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
