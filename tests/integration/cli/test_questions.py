"""Commands that only look: version, settings, health."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from covalent.commands.command import COMMANDS
from covalent_server.cli import exits
from covalent_server.cli.command import ABOUT_DISPATCHES
from tests.integration.cli.conftest import House


def checks(house: House, *arguments: str) -> dict[str, dict[str, Any]]:
    said = json.loads(house.run("doctor", "--json", *arguments).stdout)
    return {finding["check"]: finding for finding in said["checks"]}


def test_the_version_is_the_distributions(house: House) -> None:
    assert house.run("--version").stdout.startswith(f"covalent-server {version('covalent-server')} ")
    assert house.json("--version")["covalent_server"] == version("covalent-server")


def test_the_module_and_the_script_are_the_same_command(house: House) -> None:
    command = [sys.executable, "-m", "covalent_server", "--version"]
    run = subprocess.run(command, env=house.environ(), capture_output=True, text=True, check=True)
    assert run.stdout == house.run("--version").stdout


def test_the_help_names_the_exit_codes(house: House) -> None:
    said = house.run("--help").stdout
    assert "Exit codes:" in said
    assert house.run().stdout == said


@pytest.mark.parametrize("arguments", [["--version"], ["status"], ["config"], ["logs"]])
def test_a_short_command_loads_neither_web_framework_nor_database(arguments: list[str], house: House) -> None:
    program = f"""
import sys
sys.argv = ["covalent", *{arguments!r}]
from covalent_server.__main__ import main
try:
    main()
finally:
    sys.stderr.write(repr(sorted(sys.modules.keys() & {{"aiohttp", "alembic", "asyncio", "msgspec", "sqlalchemy"}})))
"""
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, env=house.environ(), capture_output=True, text=True, check=False)
    assert run.stderr == "[]"


def test_config_shows_each_value_and_where_it_came_from(house: House) -> None:
    house.config.mkdir()
    (house.config / "covalent.toml").write_text("[server]\nlease_ttl = 5\n")
    said = house.json("config", "--log-level", "debug")
    assert said["settings"]["lease_ttl"] == {
        "value": 5.0,
        "origin": "file",
        "name": str(house.config / "covalent.toml"),
        "variable": "COVALENT_LEASE_TTL",
    }
    origins = {name: said["settings"][name]["origin"] for name in ("log_level", "port", "host")}
    assert origins == {"log_level": "flag", "port": "environment", "host": "default"}
    assert said["file"] == str(house.config / "covalent.toml")
    assert "environment COVALENT_SVC_PORT" in house.run("config").stdout


def test_config_hides_a_databases_password(house: House) -> None:
    said = house.run("config", "--database-url", "postgresql://me:hush@host/db").stdout
    assert "hush" not in said
    assert "postgresql://me:***@host/db" in said


def test_looking_creates_nothing(house: House) -> None:
    for arguments in (["status"], ["config"], ["doctor"], ["logs"], ["stop"]):
        house.run(*arguments)
    assert not house.data.exists()
    assert not house.config.exists()


def test_the_doctor_finds_a_new_house_healthy(house: House) -> None:
    said = house.json("doctor")
    assert said["healthy"] is True
    assert {finding["verdict"] for finding in said["checks"]} == {"ok"}
    names = [finding["check"] for finding in said["checks"]]
    assert names == ["python", "sqlite", "guard", "data directory", "disk", "port", "token"]


def test_the_doctor_asks_a_running_server(house: House) -> None:
    url = house.json("start")["url"]
    found = checks(house)
    assert found["server"] == {"check": "server", "verdict": "ok", "text": f"answers at {url}"}
    assert found["token"]["verdict"] == "ok"


def test_the_doctor_finds_a_token_that_others_can_read(house: House) -> None:
    token = Path(house.json("start")["token_file"])
    token.chmod(0o644)
    assert "open to other accounts (0644)" in checks(house)["token"]["text"]
    assert house.run("doctor").returncode == exits.UNHEALTHY
    token.unlink()
    assert "is missing" in checks(house)["token"]["text"]


def test_the_doctor_names_a_data_directory_that_cannot_be_used(house: House) -> None:
    (house.root / "file").touch()
    found = checks(house, "--data-dir", str(house.root / "file" / "data"))
    assert found["data directory"]["verdict"] == "failed"


def test_commands_about_dispatches_are_pointed_to_where_they_are(house: House) -> None:
    assert set(ABOUT_DISPATCHES) == set(COMMANDS)
    said = house.run("show")
    assert said.returncode == 2
    assert "python -m covalent show" in said.stderr
