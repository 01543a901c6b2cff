from __future__ import annotations

import json
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent import deps, executors
from covalent.errors import GraphError, WireError
from covalent.options import Options


def test_relative_directories_are_those_of_who_dispatches(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert executors.resolve("local", {"workdir": "out"})["workdir"] == str(tmp_path / "out")


def _interpreters(directory: Path, *names: str) -> Path:
    """A directory of programs that are all one, as the ``bin`` of a virtual environment."""
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).symlink_to(sys.executable)
    return directory


def _resolved(python: object) -> Any:
    return executors.resolve("local", {"python": str(python)})["python"]


@pytest.mark.parametrize("others", [["python", "python3", "python3.11"], ["python3", "python3.11"], ["python3.11"]])
def test_all_names_of_an_interpreter_are_one(tmp_path: Path, others: list[str]) -> None:
    directory = _interpreters(tmp_path / "bin", *others)
    assert {_resolved(directory / name) for name in others} == {str(directory / others[0])}


def test_interpreters_of_two_environments_are_two_although_their_program_is_one(tmp_path: Path) -> None:
    one, two = _interpreters(tmp_path / "a" / "bin", "python"), _interpreters(tmp_path / "b" / "bin", "python")
    assert _resolved(one / "python") != _resolved(two / "python")


def test_another_program_called_python_beside_an_interpreter_is_another(tmp_path: Path) -> None:
    directory = _interpreters(tmp_path / "bin", "python3.11")
    (directory / "python").touch()
    assert _resolved(directory / "python3.11") == str(directory / "python3.11")


def test_a_process_that_does_not_know_its_interpreter_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "")
    with pytest.raises(GraphError, match="LocalExecutor"):
        executors.resolve("local", {})


def test_calls_are_functions_or_depscalls_one_or_several() -> None:
    call = ct.DepsCall(print, ["a"], {"end": ""}, retval_keyword="x")
    assert (call.func, call.args, call.kwargs, call.retval_keyword) == (print, ("a",), {"end": ""}, "x")
    checked = deps.checked_calls("call_before", [call, print])
    assert checked is not None
    assert checked[0] is call
    assert checked[1].func is print
    assert deps.checked_calls("call_before", None) is None
    assert deps.checked_calls("call_before", ()) == ()
    for wrong in (3, [3], "text"):
        with pytest.raises(TypeError, match="call_before takes"):
            deps.checked_calls("call_before", wrong)  # type: ignore[arg-type] # what is shown
    with pytest.raises(TypeError, match="DepsCall takes a function"):
        ct.DepsCall(3)  # type: ignore[arg-type] # what is shown


def everything() -> Options:
    """Options that leave nothing open that a lattice may say."""
    return Options.given(
        {
            "executor": ct.executor.LocalExecutor(workdir="/w"),
            "deps_bash": ["echo one", "echo two"],
            "deps_pip": ["pandas>=2.2", "tabulate"],
            "deps_module": ["json"],
            "call_before": ct.DepsCall(pow, (2,), {"exp": 3}),
            "call_after": [print],
            "retries": 2,
            "retry_delay": 0.5,
            "timeout": 9,
            "cache": True,
            "env": {"WHERE": "here"},
            "tags": ["licence"],
            "at_most_once": False,
        }
    )


def test_options_that_say_everything_leave_no_field_open() -> None:
    assert [field.name for field in fields(Options) if getattr(everything(), field.name) is None] == ["files"]


def test_options_round_trip_by_json_and_open_calls_only_when_asked() -> None:
    options = everything()
    plain = json.loads(json.dumps(options.to_json()))
    back = Options.from_json(plain)
    assert back.to_json() == plain
    assert back.call_before is not None
    assert (back.call_before[0].func, back.call_before[0].args, back.call_before[0].kwargs) == (pow, (2,), {"exp": 3})
    assert (back.deps_bash, back.deps_pip, back.deps_module, back.executor) == (
        options.deps_bash,
        options.deps_pip,
        options.deps_module,
        options.executor,
    )
    with pytest.raises(WireError):
        ct.DepsCall.from_dict({"attributes": {}})
    with pytest.raises(WireError):
        Options.from_json({})


@pytest.mark.parametrize("name", [field.name for field in fields(Options)])
def test_each_option_is_filled_in_by_itself(name: str) -> None:
    one = Options(**{name: getattr(everything(), name)})
    filled = Options(retries=7, timeout=1.0).filled(one)
    assert getattr(filled, name) == {"retries": 7, "timeout": 1.0}.get(name, getattr(one, name))
    assert (filled.retries, filled.timeout) == (7, 1.0)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"retries": -1}, ValueError, "retries is how many .* not -1"),
        ({"retries": "2"}, TypeError, "retries is how many .* not '2'"),
        ({"retries": True}, TypeError, "retries"),
        ({"at_most_once": 1}, TypeError, "at_most_once is True or False, not 1"),
        ({"at_most_once": True, "retries": 1}, ValueError, "retries=1 begins a task again .* at_most_once=True never"),
        ({"retry_delay": -0.5}, ValueError, "retry_delay is a number of seconds, 0 or more, not -0.5"),
        ({"timeout": 0}, ValueError, "timeout is a number of seconds, more than 0, not 0"),
        ({"timeout": float("nan")}, ValueError, "timeout"),
        ({"timeout": "1m"}, TypeError, "timeout is a number of seconds"),
        ({"cache": 1}, TypeError, "cache is True or False, not 1"),
        ({"deps_bash": [1]}, TypeError, r"DepsBash takes a command or a list of commands, each a text, not \[1\]"),
        ({"deps_bash": " "}, TypeError, "DepsBash takes"),
        ({"deps_module": "no_such_module"}, ModuleNotFoundError, r"DepsModule\('no_such_module'\): .* No module named"),
        ({"deps_module": 3}, TypeError, "DepsModule takes a module or a module's name, not 3"),
        ({"call_before": 3}, TypeError, "call_before takes functions"),
        ({"executor": 3}, TypeError, "executor takes an executor"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_takes(keywords: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Options.given(keywords)


def test_a_hook_does_not_take_the_clients_variables_along() -> None:
    with pytest.raises(TypeError, match="secrets too"):
        ct.DepsCall(os.environ.setdefault, ["NAME", "value"])
