"""Provisioners as their users start them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.installation import Installation, wait_until


@contextmanager
def provisioner(
    installation: Installation, name: str, *, python: str = sys.executable, **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """One of an executor, with more variables, once it has reported or ended."""
    command = [python, "-m", "covalent.worker", "--provision", name]
    with (installation.root / f"provisioner-{name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=installation.environ | environ, stdout=log, stderr=log)
    try:
        wait_until(lambda: name in executors(installation) or process.poll() is not None, "the provisioner to report")
        yield process
    finally:
        process.terminate()
        process.wait(40)


def executors(installation: Installation) -> list[str]:
    """Those that the server says it has."""
    told: list[str] = installation.request("GET", "/api/v1/server").plain["executors"]
    return told
