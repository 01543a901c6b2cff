"""The demonstration as a stranger runs it, from fresh environments to nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"

pytestmark = [pytest.mark.demo, pytest.mark.timeout(600)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", str(DEMO), "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        yield process
        process.kill()


def _mentioning(directory: Path) -> list[str]:
    """The processes whose command line names the directory."""
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True)  # noqa: S607
    return [line for line in listing.stdout.splitlines() if str(directory) in line]


def test_the_demonstration_shows_all_that_it_claims_and_leaves_nothing_running(
    demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    told, _ = demo.communicate()
    assert demo.returncode == 0, told
    assert "All of it held." in told
    assert _mentioning(tmp_path) == []


def test_interrupted_in_the_middle_of_the_workflow_it_fails_and_leaves_nothing_running(
    demo: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert demo.stdout is not None
    told = ""
    for line in demo.stdout:
        told += line
        if "tasks done" in line:
            os.kill(demo.pid, signal.SIGINT)
            break
    told += demo.communicate()[0]
    assert demo.returncode == 1, told
    assert "[FAILED] interrupted" in told
    assert "[ok] nothing that the demonstration started is left running" in told
    assert _mentioning(tmp_path) == []
