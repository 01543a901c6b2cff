"""What keeps a server from starting: each a sentence that says what to do, an exit code of its own, no traceback."""

from __future__ import annotations

import json
import socket
import sqlite3

import pytest

from covalent_server import errors
from covalent_server.cli import exits, lock
from tests.integration.cli.conftest import House

EVERYWHERE = pytest.mark.parametrize("foreground", [[], ["--foreground"]], ids=["background", "foreground"])


def refused(house: House, kind: type[errors.CovalentServerError], *arguments: str, **more: str) -> str:
    """Start a server that cannot start; returns what is said to the user."""
    run = house.run("start", *arguments, **more)
    assert run.returncode == exits.CODES[kind], run.stdout + run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    assert lock.holder(house.data / "lock") is None
    return run.stderr.partition("Error: ")[2]


@EVERYWHERE
def test_a_taken_port(house: House, foreground: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        said = refused(house, errors.PortInUseError, "--port", port, *foreground)
    assert f"port {port}" in said
    assert "--port 0" in said


@EVERYWHERE
def test_a_data_directory_that_cannot_be_written(house: House, foreground: list[str]) -> None:
    (house.root / "file").touch()
    path = house.root / "file" / "data"
    assert f"{path} cannot be written" in refused(
        house, errors.UnwritableDirectoryError, "--data-dir", str(path), *foreground
    )


@EVERYWHERE
def test_a_data_directory_that_a_newer_version_wrote(house: House, foreground: list[str]) -> None:
    house.json("start")
    house.json("stop")
    with sqlite3.connect(house.data / "covalent.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    database.close()
    assert "pip install -U covalent-server" in refused(house, errors.NewerDataError, *foreground)


@EVERYWHERE
def test_a_data_directory_that_holds_other_things(house: House, foreground: list[str]) -> None:
    house.data.mkdir(mode=0o755)
    (house.data / "thesis.tex").touch()
    assert "holds other things" in refused(house, errors.DataDirectoryError, *foreground)


@EVERYWHERE
def test_a_database_that_is_none(house: House, foreground: list[str]) -> None:
    house.data.mkdir(mode=0o700)
    (house.data / "covalent.db").write_text("no database at all" * 1000)
    assert "covalent.db" in refused(house, errors.DataDirectoryError, *foreground)


@EVERYWHERE
def test_a_token_that_cannot_be_stored(house: House, foreground: list[str]) -> None:
    house.config.mkdir()
    (house.config / "tokens").touch()
    assert "COVALENT_CONFIG_DIR" in refused(house, errors.TokenFileError, *foreground)


@EVERYWHERE
def test_a_setting_that_does_not_exist(house: House, foreground: list[str]) -> None:
    house.config.mkdir()
    (house.config / "covalent.toml").write_text("[server]\nprot = 1\n")
    said = refused(house, errors.SettingsError, *foreground)
    assert f"{house.config / 'covalent.toml'}: server.prot is no setting" in said


@EVERYWHERE
def test_an_address_beyond_this_machine(house: House, foreground: list[str]) -> None:
    assert "SSH tunnel" in refused(house, errors.SettingsError, "--host", "0.0.0.0", *foreground)  # noqa: S104


@EVERYWHERE
def test_an_account_without_a_home(house: House, foreground: list[str]) -> None:
    early = house.root / "early"
    early.mkdir()
    (early / "sitecustomize.py").write_text(
        "import os, pwd\nos.environ.pop('HOME')\ndel pwd.getpwuid\n"
        "def unknown(uid):\n    raise KeyError(uid)\npwd.getpwuid = unknown\n"
    )
    homeless = {"PYTHONPATH": str(early), "COVALENT_DATA_DIR": ""}
    said = refused(house, errors.SettingsError, *foreground, **homeless)
    assert "COVALENT_CONFIG_DIR and COVALENT_DATA_DIR" in said


@EVERYWHERE
def test_a_guard_that_came_late_unless_it_is_accepted(house: House, foreground: list[str]) -> None:
    early = house.root / "early"
    early.mkdir()
    (early / "sitecustomize.py").write_text("import pickle")
    path = {"PYTHONPATH": str(early)}
    assert "--allow-late-guard" in refused(house, errors.GuardError, *foreground, **path)
    if not foreground:
        assert house.json("start", "--allow-late-guard", **path)["guard"] == "late"
        assert house.json("restart", **path)["guard"] == "late"


def breaking(house: House, argument: str) -> dict[str, str]:
    """What makes each Python that has such an argument die before it does anything."""
    early = house.root / "early"
    early.mkdir()
    last_words = "print('the disk is on fire', file=sys.stderr, flush=True)"
    program = f"import os, sys\nif {argument!r} in sys.orig_argv:\n    {last_words}\n    os._exit(1)\n"
    (early / "sitecustomize.py").write_text(program)
    return {"PYTHONPATH": str(early)}


def test_a_server_that_dies_before_it_is_ready_leaves_its_last_words(house: House) -> None:
    said = refused(house, errors.StartError, **breaking(house, "--ready-fd"))
    assert "the disk is on fire" in said
    assert str(house.data / "logs" / "server.log") in said


@EVERYWHERE
def test_a_migration_that_fails_says_why(house: House, foreground: list[str]) -> None:
    assert "the disk is on fire" in refused(house, errors.MigrationError, *foreground, **breaking(house, "migrate"))


def test_an_error_is_json_too_when_that_is_asked_for(house: House) -> None:
    run = house.run("start", "--host", "0.0.0.0", "--json")  # noqa: S104
    said = json.loads(run.stdout)
    assert said["schema_version"] == 1
    assert said["error"]["exit_code"] == run.returncode == exits.CODES[errors.SettingsError]
    assert said["error"]["message"] in run.stderr


def test_a_wrong_command_line_is_a_usage_error(house: House) -> None:
    for arguments in (["start", "--colour"], ["begin"], ["stop", "--timeout", "long"]):
        run = house.run(*arguments)
        assert run.returncode == exits.USAGE
        assert "Traceback" not in run.stderr
