"""What plugins are given, how they are found, and executors of other packages on the client's side."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from covalent import executor as offered
from covalent import executors
from covalent.errors import ProvisioningError
from covalent.executors import DeclaredExecutor
from covalent.provisioning import Order, plugins


def order(directory: Path) -> Order:
    return Order(
        name="n",
        pool="7",
        attributes={},
        url="http://localhost:48008",
        token="a secret",  # noqa: S106 - no secret
        directory=directory,
        max_idle=300.0,
    )


def test_the_token_is_on_no_command_line_and_in_no_repr(tmp_path: Path) -> None:
    made = order(tmp_path)
    assert made.arguments(slots=2)[:3] == ["-P", "-m", "covalent.worker"]
    assert "a secret" not in " ".join(made.arguments()) + repr(made)
    assert made.environment() == {"COVALENT_TOKEN": "a secret"}


def test_a_script_is_the_worker(tmp_path: Path) -> None:
    _, export, execution = order(tmp_path).script(python="/opt/my python/bin/python", url="http://a:1").splitlines()
    assert shlex.split(export) == ["export", "COVALENT_TOKEN=a secret"]
    words = shlex.split(execution)
    assert words[:2] == ["exec", "/opt/my python/bin/python"]
    assert words[words.index("--server") + 1] == "http://a:1"
    assert words[words.index("--pool") + 1] == "7"


def test_a_worker_that_reaches_the_server_by_its_own_address_knows_its_certificates(tmp_path: Path) -> None:
    made = replace(order(tmp_path), ca_file=tmp_path / "ca.pem")
    assert made.arguments()[-2:] == ["--ca-file", str(tmp_path / "ca.pem")]
    assert "--ca-file" not in made.arguments(url="http://127.0.0.1:1")


def test_a_provisioner_that_is_not_installed_is_refused_with_those_that_are() -> None:
    with pytest.raises(ProvisioningError, match=r"no package in this environment has a provisioner .* 'abacus'"):
        plugins.load("abacus")


def test_an_executor_of_another_package_is_known_once_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("covalent.executors.declared.KINDS", executors.KINDS)  # put back, with what is in it, below
    before = dict(executors.KINDS)

    @dataclass(repr=False)
    class AbacusExecutor(DeclaredExecutor):
        short_name = "abacus"

        beads: int | None = None

    try:
        made = AbacusExecutor(beads=10)
        assert made.to_dict()["attributes"]["beads"] == 10
        plain = executors.to_json("executor", made)
        assert executors.from_json("executor", plain) == made
    finally:
        executors.KINDS.clear()
        executors.KINDS.update(before)


def test_ct_executor_has_no_executor_that_no_package_names() -> None:
    with pytest.raises(AttributeError, match=r"there is no ct\.executor\.AbacusExecutor"):
        _ = offered.AbacusExecutor
