"""Starting and stopping the server from Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import covalent as ct
from covalent.errors import ServerCommandError


@pytest.fixture(autouse=True)
def _an_account_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("COVALENT_")]:
        monkeypatch.delenv(name)
    for kind in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"COVALENT_{kind}_DIR", str(tmp_path / kind))
    yield
    ct.covalent_stop(quiet=True)


def test_a_server_is_started_found_and_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    ct.covalent_start(0, workers=1)  # a free port
    port = ct.get_config("dispatcher.port")
    assert ct.get_config("server.port") == port
    assert capsys.readouterr().out.startswith(f"Covalent is running at http://localhost:{port} (pid ")
    assert ct.is_covalent_running()
    assert ct.dispatches() == []

    ct.covalent_start()
    assert f"Covalent is already running at http://localhost:{port}" in capsys.readouterr().out

    ct.covalent_stop()
    assert capsys.readouterr().out.startswith("Covalent has stopped (pid ")
    assert not ct.is_covalent_running()

    ct.covalent_stop()
    assert capsys.readouterr().out == "No server was running\n"


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    ct.covalent_stop(quiet=True)
    assert capsys.readouterr().out == ""


def test_what_the_command_refuses_is_told() -> None:
    with pytest.raises(ServerCommandError, match="70000 is not a port") as raised:
        ct.covalent_start(port=70000)
    assert raised.value.exit_code == 10


def test_words_of_earlier_versions_are_taken_and_change_nothing() -> None:
    with pytest.warns(DeprecationWarning, match="no_cluster has no effect"), pytest.raises(ServerCommandError):
        ct.covalent_start(no_cluster=True, port="none")


def test_unknown_words_are_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'worker'"):
        ct.covalent_start(worker=3)
