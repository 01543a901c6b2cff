"""The reference of commands, settings and routes says what the code has, no less and no more."""

from __future__ import annotations

import re

import click
import pytest

from covalent.commands import command
from covalent.commands import exits as sdk_exits
from covalent_server import settings
from covalent_server.cli import exits
from covalent_server.cli.command import covalent
from covalent_server.web.app import ROUTES
from tests.architecture.tree import ROOT

COMMANDS = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
API = (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
#: What the introduction of the page says once for all commands.
SHARED = {option.flag for option in settings.OPTIONS} | {"--json", "--help"}


def section(title: str) -> str:
    """The text below a heading."""
    return COMMANDS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_command_has_its_section() -> None:
    assert set(re.findall(r"^## `covalent (\w+)`$", COMMANDS, flags=re.MULTILINE)) == set(covalent.commands)


@pytest.mark.parametrize("name", sorted(covalent.commands))
def test_the_section_of_a_command_lists_its_own_options(name: str) -> None:
    command = covalent.commands[name]
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    options = [option for part in (command, *inner) for option in part.params if isinstance(option, click.Option)]
    own = {word for option in options if not option.hidden for word in option.opts} - SHARED
    assert set(re.findall(r"`(--?[a-z-]+)`", section(f"`covalent {name}`"))) == own


def test_the_introduction_lists_every_setting_as_a_flag() -> None:
    introduction = COMMANDS.partition("\n## ")[0]
    assert set(re.findall(r"`(--[a-z-]+)`", introduction)) == SHARED


def test_every_exit_code_is_listed() -> None:
    codes = {exits.OK, exits.UNHEALTHY, exits.USAGE, exits.INTERRUPTED, *exits.CODES.values()}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), flags=re.MULTILINE)} == codes


def test_every_command_of_the_sdk_has_its_section() -> None:
    assert set(re.findall(r"^## `python -m covalent (\w+)`$", COMMANDS, flags=re.MULTILINE)) == set(command.COMMANDS)


@pytest.mark.parametrize("name", sorted(command.COMMANDS))
def test_the_section_of_a_command_of_the_sdk_lists_its_own_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main([name, "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    listed = set(re.findall(r"^\| `(--[a-z-]+)` \|", section(f"`python -m covalent {name}`"), flags=re.MULTILINE))
    assert listed == known - {"--help", "--json", "--server"}


def test_every_exit_code_of_the_sdk_is_listed() -> None:
    text = section("Exit codes of `python -m covalent`")
    codes = {value for name, value in vars(sdk_exits).items() if name.isupper() and isinstance(value, int)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)} == codes


def test_every_setting_of_the_server_is_listed_with_its_variable() -> None:
    server = CONFIGURATION.partition("\n## The server\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", server, flags=re.MULTILINE)
    assert listed == [(option.name, option.variable) for option in settings.OPTIONS]


def test_every_route_is_listed_with_who_may_call_it() -> None:
    listed = re.findall(r"^\| ([A-Z]+) \| `(\S+)` \| (\w+) \|", API, flags=re.MULTILINE)
    assert sorted(listed) == sorted((route.method, route.path, str(route.scope)) for route in ROUTES)
