from __future__ import annotations

import json
from typing import Any

import pytest

import covalent as ct
from covalent import deps, executors
from covalent.errors import GraphError, WireError
from covalent.executors import NamedExecutor


def test_local_executors_round_trip_with_attributes_set_later() -> None:
    executor = ct.executor.LocalExecutor(workdir="/w")
    executor.create_unique_workdir = True
    plain = json.loads(json.dumps(executor.to_dict()))
    assert (plain["type"], plain["short_name"]) == ("LocalExecutor", "local")
    assert plain["attributes"] == {"python": None, "workdir": "/w", "create_unique_workdir": True}
    assert ct.executor.LocalExecutor.from_dict(plain) == executor
    assert executors.from_json("executor", executors.to_json("executor", executor)) == executor
    assert executors.from_json("executor", executors.to_json("executor", None)) is None


def test_short_names_stand_for_executors() -> None:
    assert executors.checked("local") == ct.executor.LocalExecutor()
    assert executors.checked("slurm") == NamedExecutor(short_name="slurm")
    assert executors.checked(None) is None


def test_relative_directories_are_those_of_who_dispatches(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert executors.resolve("local", {"workdir": "out"})["workdir"] == str(tmp_path / "out")


def test_a_process_that_does_not_know_its_interpreter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "")
    with pytest.raises(GraphError, match="LocalExecutor"):
        executors.resolve("local", {})


def test_calls_are_functions_or_depscalls_one_or_several() -> None:
    call = ct.DepsCall(print, ["a"], {"end": ""}, retval_keyword="x")
    assert (call.func, call.args, call.kwargs, call.retval_keyword) == (print, ("a",), {"end": ""}, "x")
    checked = deps.checked("call_before", [call, print])
    assert checked is not None
    assert checked[0] is call
    assert checked[1].func is print
    assert deps.checked("call_before", None) is None
    assert deps.checked("call_before", ()) == ()
    for wrong in (3, [3], "text"):
        with pytest.raises(TypeError, match="call_before takes"):
            deps.checked("call_before", wrong)  # type: ignore[arg-type] # what is shown
    with pytest.raises(TypeError, match="DepsCall takes a function"):
        ct.DepsCall(3)  # type: ignore[arg-type] # what is shown


def test_calls_round_trip_by_json_and_open_only_when_asked() -> None:
    calls = (ct.DepsCall(pow, (2,), {"exp": 3}),)
    plain = json.loads(json.dumps(deps.to_json(calls)))
    back = deps.from_json(plain)
    assert back is not None
    assert deps.to_json(back) == plain
    assert (back[0].func, back[0].args, back[0].kwargs) == (pow, (2,), {"exp": 3})
    assert back[0].transportable() == calls[0].transportable()
    with pytest.raises(WireError):
        ct.DepsCall.from_dict({"attributes": {}})
