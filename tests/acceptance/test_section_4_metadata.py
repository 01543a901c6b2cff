"""Metadata: what an electron says itself wins, then the lattice, then the default, each key by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.programs import Project

_SCRIPT = """
import os
from pathlib import Path


def say(word):
    print(word)


@ct.electron
def says_nothing():
    print(os.path.basename(os.getcwd()))


@ct.electron(
    executor=ct.executor.LocalExecutor(workdir="electron"), call_before=[ct.DepsCall(say, ["electron's before"])]
)
def says_some():
    print(os.path.basename(os.getcwd()))


@ct.electron(
    deps_bash="echo electron\\\\'s bash", call_after=[], retries=0, retry_delay=0.5, timeout=30.0, cache=False,
)
def says_the_others():
    print(os.path.basename(os.getcwd()))
    return 1


@ct.lattice(
    executor=ct.executor.LocalExecutor(workdir="lattice"),
    workflow_executor=ct.executor.LocalExecutor(workdir="workflow"),
    deps_bash=["echo lattice\\\\'s bash"],
    call_before=[ct.DepsCall(say, ["lattice's before"])],
    call_after=[ct.DepsCall(say, ["lattice's after"])],
    retries=2,
    retry_delay=0.25,
    timeout=60,
    cache=True,
)
def defaults():
    return [says_nothing(), says_some(), says_the_others() + 1]


@ct.lattice(executor="local")
def plain():
    return [says_nothing(), says_the_others() + 1]


result = ct.dispatch_sync(defaults)()
facts["defaults"] = {
    "dispatch_id": result.dispatch_id,
    "error": result.error,
    "printed": {node["node_name"]: node["stdout"].splitlines() for node in result.get_all_node_results()},
}
facts["plain"] = ct.dispatch_sync(plain)().dispatch_id
defaults.build_graph()
facts["seen"] = json.loads(defaults.transport_graph.serialize_to_json())["nodes"][0]["metadata"]
facts["electron"] = says_some.electron_object.metadata
facts["lattice"] = defaults.metadata
facts["plain lattice"] = plain.metadata
says_nothing.electron_object.executor = ct.executor.LocalExecutor(workdir="set later")
facts["set later"] = ct.dispatch_sync(plain)().get_node_result(0)["stdout"].strip()
"""


@pytest.fixture(scope="module")
def told(user: Project) -> dict[str, Any]:
    return user.facts(_SCRIPT)


def _stored(user: Project, dispatch_id: str) -> dict[str, dict[str, Any]]:
    """The metadata of a dispatch's nodes, as the server keeps them."""
    answer = user.installation.request("GET", f"/api/v1/dispatches/{dispatch_id}/graph")
    return {node["name"]: node["metadata"] for node in json.loads(answer.body)["nodes"]}


def test_hooks_and_directories_are_the_electrons_or_the_lattices_each_by_itself(told: dict[str, Any]) -> None:
    assert told["defaults"]["error"] is None
    printed = told["defaults"]["printed"]
    assert printed["says_nothing"] == ["lattice's bash", "lattice's before", "lattice", "lattice's after"]
    assert printed["says_some"] == ["lattice's bash", "electron's before", "electron", "lattice's after"]
    assert printed["says_the_others"] == ["electron's bash", "lattice's before", "lattice"]


def test_every_key_is_resolved_in_the_stored_json(told: dict[str, Any], user: Project) -> None:
    stored = _stored(user, told["defaults"]["dispatch_id"])
    keys = ("retries", "retry_delay", "timeout", "cache")
    assert [stored["says_nothing"][key] for key in keys] == [2, 0.25, 60.0, True]
    assert [stored["says_the_others"][key] for key in keys] == [0, 0.5, 30.0, False]
    assert stored["says_nothing"]["hooks"]["deps"]["bash"] == ["echo lattice\\'s bash"]
    assert stored["says_nothing"]["executor"] == "local"


def test_operators_and_the_return_value_are_worked_out_by_the_workflow_executor_without_hooks(
    told: dict[str, Any], user: Project
) -> None:
    stored = _stored(user, told["defaults"]["dispatch_id"])
    assert [stored[name]["executor_data"]["workdir"] for name in ("add", "collect", "says_nothing")] == [
        str(user.directory / name) for name in ("workflow", "workflow", "lattice")
    ]
    assert told["defaults"]["printed"]["collect"] == []


def test_what_nobody_says_is_left_to_the_defaults(told: dict[str, Any], user: Project) -> None:
    stored = _stored(user, told["plain"])
    assert stored["says_nothing"]["executor"] == "local"
    assert {stored["says_nothing"].get(key) for key in ("retries", "retry_delay", "timeout", "cache")} == {None}
    assert stored["says_nothing"]["executor_data"]["python"] == user.python
    assert told["plain lattice"]["workflow_executor"] == "local"


def test_an_executor_may_be_set_after_the_electron_was_made(told: dict[str, Any]) -> None:
    assert told["set later"] == "set later"


def test_what_is_said_can_be_seen_where_it_was_said_as_json(told: dict[str, Any]) -> None:
    electron, lattice = told["electron"], told["lattice"]
    assert (electron["executor"], electron["executor_data"]["workdir"]) == ("local", "electron")
    assert electron["hooks"]["deps"]["bash"] is None
    assert [call["attributes"]["name"] for call in electron["hooks"]["call_before"]] == ["say"]
    assert (electron["retries"], lattice["retries"], lattice["timeout"]) == (None, 2, 60.0)
    assert lattice["workflow_executor_data"]["workdir"] == "workflow"
    assert told["seen"]["retries"] == 2


_CONFIGURED = """
import os


@ct.electron
def here():
    return os.path.basename(os.getcwd())


@ct.electron(retries=0)
def says_it():
    return os.path.basename(os.getcwd())


@ct.electron
@ct.lattice
def sublattice():
    return [here()]


@ct.lattice
def workflow():
    return here(), says_it(), sublattice()


result = ct.dispatch_sync(workflow)()
facts["value"] = result.result
facts["id"] = result.dispatch_id
facts["sublattice's"] = result.get_node_result(2)["sublattice_result"].dispatch_id
facts["in the lattice"] = workflow.metadata["retries"]
"""


def test_what_nobody_says_is_taken_from_the_configuration_in_sublattices_too(user: Project) -> None:
    configuration = user.directory / "configuration"
    configuration.mkdir()
    (configuration / "covalent.toml").write_text(
        f'[defaults]\nretries = 4\n\n[executors.local]\nworkdir = "{user.directory / "configured"}"\n'
    )
    found = user.facts(
        _CONFIGURED,
        "configured.py",
        COVALENT_CONFIG_DIR=str(configuration),
        COVALENT_API_TOKEN=user.installation.token,
    )
    assert found["value"] == ["configured", "configured", ["configured"]]
    assert found["in the lattice"] is None
    stored = _stored(user, found["id"])
    assert (stored["here"]["retries"], stored["says_it"]["retries"]) == (4, 0)
    assert _stored(user, found["sublattice's"])["here"]["retries"] == 4
