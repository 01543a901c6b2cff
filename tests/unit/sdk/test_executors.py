"""Executors as a user declares them, gives them by name, and finds them in a task's metadata."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent import executors
from covalent.errors import WireError
from covalent.executors import KINDS, NamedExecutor
from covalent.executors.declared import DeclaredExecutor
from tests.unit.sdk.evaluation import graph_of

EVERYWHERE = {"workdir", "create_unique_workdir", "time_limit", "retries", "conda_env"}


def filled(kind: type[DeclaredExecutor]) -> DeclaredExecutor:
    """An executor of which every attribute is given."""
    given: dict[str, Any] = {name: {"a": [name]} if name == "options" else name for name in kind.known_attributes()}
    return kind(**given)


def test_executors_are_known_by_their_short_names() -> None:
    assert {name: kind.__name__ for name, kind in KINDS.items()} == {
        "local": "LocalExecutor",
        "dask": "DaskExecutor",
        "worker_pool": "WorkerPoolExecutor",
        "ssh": "SSHExecutor",
        "slurm": "SlurmExecutor",
    }
    assert {kind.__name__ for kind in KINDS.values()} == set(ct.executor.__all__)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_executor_round_trips_by_json_and_by_itself_and_equals_its_like(kind: type[DeclaredExecutor]) -> None:
    assert set(kind().to_dict()["attributes"]) >= EVERYWHERE
    for executor in (kind(), filled(kind)):
        plain = json.loads(json.dumps(executor.to_dict()))
        assert (plain["type"], plain["short_name"]) == (kind.__name__, kind.short_name)
        back = kind.from_dict(plain)
        assert back.to_dict() == plain
        assert executors.from_json("x", executors.to_json("x", executor)) == back
        assert copy.deepcopy(executor) == pickle.loads(pickle.dumps(executor)) == executor  # noqa: S301 - our own
    assert kind() == kind()
    assert kind(workdir="/a") != kind()
    assert kind() != object()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_attributes_may_be_set_later_and_misspelt_ones_say_what_may_be_meant(kind: type[DeclaredExecutor]) -> None:
    executor = kind()
    executor.workdir, executor.time_limit = Path("/later"), 60
    assert executor.to_dict()["attributes"]["workdir"] == "/later"
    with pytest.raises(
        AttributeError, match=rf"{kind.__name__} has no attribute 'time_limt'; did you mean time_limit\?"
    ):
        executor.time_limt = 1  # type: ignore[attr-defined] # what is shown
    with pytest.raises(TypeError, match="unexpected keyword argument 'time_limt'"):
        kind(time_limt=1)  # type: ignore[call-arg] # as above


def test_what_earlier_constructors_took_by_position_is_taken_so() -> None:
    assert ct.executor.DaskExecutor("tcp://host:8786").scheduler_address == "tcp://host:8786"
    ssh = ct.executor.SSHExecutor("user", "host", "~/.ssh/id_rsa")
    assert (ssh.username, ssh.hostname, ssh.ssh_key_file) == ("user", "host", "~/.ssh/id_rsa")
    slurm = ct.executor.SlurmExecutor("user", "login", "~/.ssh/id_rsa")
    assert (slurm.username, slurm.address, slurm.ssh_key_file) == ("user", "login", "~/.ssh/id_rsa")
    local = ct.executor.LocalExecutor("/w", True)  # noqa: FBT003 - as scripts have it
    assert (local.workdir, local.create_unique_workdir) == ("/w", True)
    assert ct.executor.WorkerPoolExecutor("gpus").pool == "gpus"


def test_what_earlier_constructors_took_is_kept_and_shown_only_when_it_is_given() -> None:
    old = ct.executor.SlurmExecutor(
        username="u", address="a", ssh_key_file="~/k", cert_file="~/c", remote_workdir="/scratch", conda_env="e",
        cache_dir="/tmp/c", options={"nodes": 1, "time": "00:10:00"}, srun_options={"cpu_bind": "cores"},  # noqa: S108
        srun_append="nsys", prerun_commands=["module load x"], postrun_commands=[], use_srun=False, poll_freq=60,
        cleanup=False, create_unique_workdir=True, log_stdout="out.log", time_limit=-1, retries=0,
    )  # fmt: skip
    attributes = old.to_dict()["attributes"]
    assert (attributes["options"], attributes["cleanup"], attributes["cache_dir"]) == (
        {"nodes": 1, "time": "00:10:00"},
        False,
        "/tmp/c",  # noqa: S108 - as given
    )
    assert "cache_dir" not in ct.executor.SlurmExecutor().to_dict()["attributes"]
    ct.executor.SSHExecutor("u", "h", remote_cache_dir="c", python_path="p", run_local_on_ssh_fail=False, poll_freq=5)
    ct.executor.DaskExecutor("tcp://h:1", log_stdout="o", cache_dir="c", current_env_on_conda_fail=False)
    ct.executor.LocalExecutor(log_stdout="o", log_stderr="e", cache_dir="c")


def test_what_is_shown_of_an_executor_is_what_was_given() -> None:
    assert repr(ct.executor.SSHExecutor("u", "h", retries=2)) == "SSHExecutor(retries=2, username='u', hostname='h')"


def test_a_password_stays_where_it_is() -> None:
    executor = ct.executor.SlurmExecutor(address="a", sshproxy={"password": "p", "secret": "s"})
    assert "sshproxy" not in repr(executor)
    node = graph_of(ct.electron(len, executor=executor), []).nodes[0]
    assert node.metadata.executor_data == {"address": "a"}


def test_attributes_that_are_no_json_are_refused_by_name() -> None:
    executor = ct.executor.SlurmExecutor(options={"begin": object()})
    with pytest.raises(TypeError, match=r"SlurmExecutor\(options=\.\.\.\) takes text, numbers, .* not object: <object"):
        graph_of(ct.electron(len, executor=executor), [])
    with pytest.raises(TypeError, match="the executor 'other' takes text"):
        graph_of(ct.electron(len, executor=NamedExecutor(short_name="other", attributes={"x": {1}})), [])
    paths = ct.executor.SlurmExecutor(ssh_key_file=Path("~/k"), options={"nodes": (1, 2)}).to_dict()["attributes"]
    assert (paths["ssh_key_file"], paths["options"]) == ("~/k", {"nodes": [1, 2]})


def test_a_short_name_stays_what_was_given_until_a_workflow_is_built() -> None:
    task = ct.electron(len, executor="slurm")
    assert task.electron_object.executor == "slurm"
    assert (task.electron_object.metadata["executor"], task.electron_object.metadata["executor_data"]) == (
        "slurm",
        None,
    )
    lattice = ct.lattice(task, executor="local", workflow_executor="dask")
    assert (lattice.executor, lattice.workflow_executor) == ("local", "dask")
    assert ct.Lattice.deserialize_from_json(lattice.serialize_to_json()).executor == "local"


@pytest.mark.parametrize("wrong", [3, "", print, object(), ct.executor.LocalExecutor])
def test_what_is_no_executor_is_refused(wrong: Any) -> None:
    for take in (
        lambda: ct.electron(len, executor=wrong),
        lambda: ct.lattice(len, executor=wrong),
        lambda: ct.lattice(len, workflow_executor=wrong),
    ):
        with pytest.raises(TypeError, match=r"executor takes an executor such as .* or its short name, not"):
            take()


def test_tasks_cannot_be_left_to_the_client_but_the_return_value_can() -> None:
    for decorator in (ct.electron, ct.lattice):
        with pytest.raises(ValueError, match=r"leave tasks to nobody; workflow_executor='client'"):
            decorator(executor="client")(len)
    assert ct.lattice(len, workflow_executor="client").workflow_executor == "client"


def test_an_unknown_kind_of_executor_keeps_what_it_was_given() -> None:
    for plain in ({"x": "awsbatch", "x_data": {"vcpu": 2}}, {"x": "local", "x_data": {"new": 1, "workdir": "/w"}}):
        found = executors.from_json("x", plain)
        assert executors.to_json("x", found) == plain
    with pytest.raises(WireError, match=r"not the JSON form of a LocalExecutor: .*'new'"):
        ct.executor.LocalExecutor.from_dict({"attributes": {"new": 1}})
    with pytest.raises(WireError, match="not the JSON form"):
        ct.executor.LocalExecutor.from_dict({})


def test_an_executor_that_there_is_not_is_told_how_to_be_given() -> None:
    with pytest.raises(AttributeError, match=r"no ct\.executor\.AWSBatchExecutor; there are .*executor='awsbatch'"):
        ct.executor.AWSBatchExecutor  # noqa: B018 - what is shown
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        ct.executor.nothing  # noqa: B018 - as above
