"""How addresses are written, and how the shell of a machine finds the interpreter."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from covalent.errors import ProvisioningError
from covalent.provisioning import interpreters
from covalent.provisioning.ssh import Address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("host", Address(host="host")),
        ("me@host", Address(host="host", user="me")),
        ("me@host:22", Address(host="host", user="me", port=22)),
        ("a@b@host", Address(host="host", user="a@b")),
    ],
)
def test_an_address_is_read_as_it_is_written(text: str, address: Address) -> None:
    assert Address.parsed(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "me@", ":22", "host:ssh", "me@host:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ProvisioningError, match="write user@host:port"):
        Address.parsed(text)


@pytest.mark.parametrize("hostname", [None, "", 7])
def test_an_executor_has_to_name_a_machine(hostname: object) -> None:
    with pytest.raises(ProvisioningError, match="on which machine"):
        Address.of({"hostname": hostname})


def chosen(attributes: dict[str, Any], home: Path) -> subprocess.CompletedProcess[str]:
    """What a shell takes for the interpreter."""
    script = f'{interpreters.lines(attributes)}\nprintf %s "$python"'
    return subprocess.run(
        ["/bin/sh", "-c", script], env={"HOME": str(home)}, capture_output=True, text=True, check=False
    )


def test_the_interpreter_is_given_by_path_or_is_the_one_of_the_path(tmp_path: Path) -> None:
    assert chosen({}, tmp_path).stdout == "python3"
    assert chosen({"python_path": "/opt/it's here/python"}, tmp_path).stdout == "/opt/it's here/python"
    assert chosen({"python_path": "~/env/bin/python"}, tmp_path).stdout == f"{tmp_path}/env/bin/python"
    assert chosen({"conda_env": "~/envs/a b"}, tmp_path).stdout == f"{tmp_path}/envs/a b/bin/python"


def test_a_conda_environment_is_found_by_its_name_where_conda_usually_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "miniforge3" / "envs" / "science" / "bin").mkdir(parents=True)
    python = tmp_path / "miniforge3" / "envs" / "science" / "bin" / "python"
    python.touch(mode=0o755)
    assert chosen({"conda_env": "science"}, tmp_path).stdout == str(python)
    missing = chosen({"conda_env": "art'"}, tmp_path)
    assert missing.returncode == 69
    assert 'there is no conda environment "art\'"' in missing.stdout
