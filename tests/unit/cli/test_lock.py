from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from covalent_server.cli import lock, processes
from covalent_server.errors import AlreadyRunningError

HOLD = """
import sys
from pathlib import Path
from covalent_server.cli import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def test_the_lock_names_its_holder(path: Path) -> None:
    assert lock.holder(path) is None
    with lock.hold(path):
        assert lock.holder(path) == processes.this()
    assert lock.holder(path) is None


def test_the_lock_is_held_once(path: Path) -> None:
    with lock.hold(path), pytest.raises(AlreadyRunningError, match="covalent status"), lock.hold(path):
        pass
    with lock.hold(path):
        pass


def test_a_look_by_another_command_does_not_keep_a_server_from_starting(path: Path) -> None:
    path.touch()
    look = os.open(path, os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)

    def end() -> None:
        while all(thread.name != "lock" for thread in threading.enumerate()):  # until the start waits for it
            pass
        os.close(look)

    ending = threading.Thread(target=end, daemon=True)
    ending.start()
    with lock.hold(path):
        ending.join()
        assert lock.holder(path) is not None


def test_the_lock_dies_with_its_holder_and_a_waiting_command_notices(path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        found = lock.holder(path)
        assert found is not None
        assert found.pid == process.pid
        assert found.alive
        release = lock.Release(path)
        assert not release.wait(0)
        process.kill()
        assert release.wait(30)
    assert lock.holder(path) is None
    assert not found.alive


def test_a_lock_file_without_a_holder_means_nothing(path: Path) -> None:
    path.write_text(f"{processes.this().pid} {processes.this().started}\n")
    assert lock.holder(path) is None
