"""The throw-away server: dispatches go to it, and afterwards everything is as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import cloudpickle
import pytest

import covalent as ct
from covalent.errors import ServerCommandError
from tests.installation import alive, wait_until
from tests.unit.testing.test_running import add


@ct.lattice
def workflow(x: int) -> Any:
    return add(x, 1)


@pytest.fixture(autouse=True)
def _settings_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("COVALENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COVALENT_SERVER_URL", "http://localhost:1")
    monkeypatch.setenv("COVALENT_DISPATCHER_ADDR", "elsewhere")
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(tmp_path / "mine"))
    ct.set_config("mine.setting", 1)


def processes(directory: Path) -> list[int]:
    """Processes that have the directory in their environment: the server and its workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and alive(int(entry.name)):
            try:
                environ = (entry / "environ").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in environ:
                found.append(int(entry.name))
    return found


def test_dispatches_go_there_and_everything_is_put_back() -> None:
    before = dict(os.environ)
    with ct.testing.server() as server:
        assert ct.is_covalent_running()
        result = ct.dispatch_sync(workflow)(2)
        assert (result.status, result.result) == ("COMPLETED", 3)
        assert [found.dispatch_id for found in ct.dispatches()] == [result.dispatch_id]
        assert "accepted a dispatch" in server.log()
        assert server.token not in repr(server)
        assert processes(server.directory)
        with pytest.raises(KeyError):  # settings of the user's own are not known there
            ct.get_config("mine.setting")
        os.environ["COVALENT_API_TOKEN"] = "changed inside"  # noqa: S105  made up
    assert dict(os.environ) == before
    assert ct.get_config("mine.setting") == 1
    assert not server.directory.exists()
    wait_until(lambda: processes(server.directory) == [], "the server and its workers to be gone")
    assert not ct.is_covalent_running()


def fail_inside(directories: list[Path]) -> None:
    with ct.testing.server() as server:
        directories.append(server.directory)
        raise LookupError("the test's own")


def test_after_an_error_everything_is_put_back_too() -> None:
    before = dict(os.environ)
    directories: list[Path] = []
    with pytest.raises(LookupError, match="the test's own"):
        fail_inside(directories)
    assert dict(os.environ) == before
    assert not directories[0].exists()


def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    program = "import sys, covalent as ct\nwith ct.testing.server(): print('up', flush=True); sys.stdin.read()"
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert [entry for entry in tmp_path.iterdir() if entry.name.startswith("covalent-testing-")]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith("covalent-testing-")]
    wait_until(lambda: processes(tmp_path) == [], "the server and its workers to be gone")


def test_a_process_has_one_at_a_time() -> None:
    with ct.testing.server() as server:
        with pytest.raises(ServerCommandError, match="share that one"), ct.testing.server():
            pass
        assert ct.is_covalent_running()
        assert os.environ["COVALENT_SERVER_URL"] == server.url
    with ct.testing.server() as second:
        assert second.directory != server.directory


def test_programs_that_the_block_starts_use_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        dedent(
            """
            import covalent as ct

            @ct.lattice
            def workflow(x):
                return ct.electron(abs)(x)

            print(ct.dispatch_sync(workflow)(-5).result)
            """
        )
    )
    with ct.testing.server():
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "5\n"


def test_the_server_is_never_imported_into_the_users_process() -> None:
    program = "import sys, covalent as ct\nwith ct.testing.server(): print('covalent_server' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("no directory")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "aiohttp.py").write_text("raise ImportError('a broken installation')")
    before = dict(os.environ)
    with pytest.raises(ServerCommandError, match="a broken installation"), ct.testing.server():
        pass
    assert dict(os.environ) == before


def test_without_the_servers_package_it_says_what_to_install() -> None:
    packages = [str(Path(ct.__file__).parents[1]), str(Path(cloudpickle.__file__).parents[1])]
    program = f"""
import sys
sys.path[:0] = {packages!r}
import covalent as ct
for ask in (ct.testing.server().__enter__, ct.covalent_start, ct.covalent_stop):
    try:
        ask()
    except ct.errors.ServerCommandError as error:
        print(error)
print(ct.is_covalent_running())
"""
    # -S: what is installed as a link to its sources, as the server is here, is not found
    environ = os.environ | {"COVALENT_SERVER_URL": "http://localhost:1"}
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    *refusals, running = done.stdout.splitlines()
    assert len(refusals) == 3
    assert all(f"install it: {sys.executable} -m pip install covalent-server" in line for line in refusals)
    assert running == "False"
