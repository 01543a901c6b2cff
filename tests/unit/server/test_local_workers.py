from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from covalent_server.executors import local
from covalent_server.settings import WORKER_UMASK


@pytest.mark.parametrize(("environ", "umask"), [({WORKER_UMASK: "027"}, 0o027), ({}, 0o077)])
def test_a_worker_gets_the_umask_that_the_server_was_started_with(
    environ: dict[str, str], umask: int, tmp_path: Path
) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!{sys.executable}\nimport os\nprint(os.umask(0), os.environ.get({WORKER_UMASK!r}))\n")
    interpreter.chmod(0o700)
    order = local.Start(
        python=str(interpreter),
        url="http://localhost:0",
        pool="pool",
        slots=1,
        token="t",  # noqa: S106  (nobody's)
        directory=tmp_path / "pool",
        max_idle=1.0,
    )
    before = os.umask(0o077)
    try:
        worker = local.start(order, environ)
    finally:
        os.umask(before)
    worker.reap()
    assert worker.last_words() == f"{umask} None"
