"""What passes the gate ends where it is to end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.chaos.inside import Gate


def test_who_comes_to_a_point_as_often_as_it_takes_ends_others_when_those_are_named(tmp_path: Path) -> None:
    for name in ("armed", "fired"):
        (tmp_path / name).mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        armed = tmp_path / "armed" / "point"
        armed.write_text(f"7 2 {int(signal.SIGKILL)} {victim.pid}")
        gate = Gate(tmp_path)
        gate.fire("point")
        assert armed.exists()
        assert victim.poll() is None
        gate.fire("point")
        assert victim.wait(60) == -signal.SIGKILL
    gate.fire("point")
    assert [path.name for path in (tmp_path / "fired").iterdir()] == ["7"]
    (deed,) = (tmp_path / "deeds").read_text().splitlines()
    assert deed.split()[:4] == ["7", "point", str(victim.pid), "session"]
