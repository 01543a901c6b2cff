"""Errors as a task's owner reads them."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import covalent as ct
from covalent.errors import GraphError
from covalent.worker.installed import LAYER_MARK
from covalent.worker.messages import ERROR_BYTES
from covalent.worker.runner.failures import NotedError, TaskFailedError, describe, while_opening


def raised(function: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011  any, the test says which
        function()
    return caught.value


def noted(error: BaseException, note: str) -> BaseException:
    outer = NotedError(note)
    outer.__cause__ = error
    return outer


@ct.electron
def deep(number: int) -> int:
    return int(deep(number + 1))


def test_deep_recursion_through_an_electron_is_told_in_a_few_lines() -> None:
    text = describe(raised(lambda: deep(0)))
    assert "[Previous line repeated " in text
    assert "covalent/electron" not in text
    assert "RecursionError" in text
    assert len(text.splitlines()) < 40


def test_our_frames_are_left_out_of_the_causes_of_an_error_too() -> None:
    @ct.electron
    def inner() -> None:
        raise KeyError("first")

    def outer() -> None:
        try:
            inner()
        except KeyError as error:
            raise ValueError("second") from error

    text = describe(raised(outer))
    assert "KeyError: 'first'" in text
    assert "direct cause" in text
    assert "ValueError: second" in text
    assert "covalent/electron" not in text


def test_our_frames_are_left_out_of_groups_of_errors() -> None:
    def grouped() -> None:
        raise BaseExceptionGroup("several", [raised(lambda: deep(0)), ValueError("other")])

    text = describe(raised(grouped))
    assert "ValueError: other" in text
    assert "covalent/electron" not in text


def test_an_error_of_ours_is_told_without_a_traceback() -> None:
    assert describe(GraphError("say so")) == "covalent.errors.GraphError: say so"
    assert describe(TaskFailedError("a sentence")) == "a sentence"


def test_a_long_error_keeps_its_beginning_and_its_end() -> None:
    def fail() -> None:
        raise ValueError("x" * 100_000 + " the end")

    text = describe(raised(fail))
    assert text.startswith("Traceback")
    assert text.endswith("the end")
    assert len(text.encode()) <= ERROR_BYTES <= 16 * 1024


def test_a_note_is_told_after_the_traceback_and_is_not_left_on_the_error() -> None:
    error = raised(lambda: 1 / 0)
    assert describe(noted(error, "in call_before of f")).endswith("division by zero\nin call_before of f")
    assert describe(error).endswith("division by zero")
    assert traceback.format_exception_only(error) == ["ZeroDivisionError: division by zero\n"]


def test_a_file_of_a_relative_path_is_told_with_the_tasks_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = describe(raised(lambda: open("data.csv")))  # noqa: PTH123, SIM115
    advice = "use an absolute path, or give its executor a workdir"
    assert text.endswith(f"'data.csv'\nthe task ran in {tmp_path}; {advice}")
    assert advice not in describe(raised((tmp_path.parent / "data.csv").open))
    program = "no-such-program-anywhere"
    assert advice not in describe(raised(lambda: subprocess.run([program], check=True)))


def test_a_relative_path_that_was_made_absolute_or_is_not_told_is_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def as_numpy_does() -> None:
        raise FileNotFoundError("data.csv not found.")

    for look in (lambda: ct.File("data.csv").read_text(), as_numpy_does):
        assert f"\nthe task ran in {tmp_path}; use an absolute path" in describe(raised(look))


def test_a_variable_that_is_not_set_is_told_with_those_that_tasks_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE_SET", raising=False)
    there = "tasks have the variables that the server was started with, not your script's, and those of env={...}"
    assert describe(raised(lambda: os.environ["NOWHERE_SET"])).endswith(f"KeyError: 'NOWHERE_SET'\n{there}")
    assert there not in describe(raised(lambda: dict(os.environ)["NOWHERE_SET"]))


def test_an_error_in_a_directory_that_was_removed_is_told_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert describe(raised(lambda: open("data.csv"))).endswith("'data.csv'")  # noqa: PTH123, SIM115


@pytest.mark.parametrize(
    ("module", "package"),
    [("no_such_package_1", "no_such_package_1"), ("no_such_package_1.inside", "no_such_package_1")],
)
def test_a_module_that_is_missing_is_told_with_the_command_that_installs_it(module: str, package: str) -> None:
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    command = f"{sys.executable} -m pip install {package}    or, for this task alone: deps_pip=[{package!r}]"
    assert while_opening("the function", error) == (
        f"while opening the function in {sys.executable}; install it there: {command}"
    )
    own = f"; or, a module of your own: deps_module={package!r}"
    assert describe(error).endswith(f"the task ran in {sys.executable}; install it there: {command}{own}")
    assert describe(ModuleNotFoundError(name="fitz.utils")).endswith("deps_pip=['pymupdf']")


def test_the_command_names_the_package_and_not_the_module() -> None:
    assert while_opening("x", ModuleNotFoundError(name="sklearn.base")).endswith("deps_pip=['scikit-learn']")
    # The distribution of the module's name is the old one.
    assert while_opening("x", ModuleNotFoundError(name="covalent")).endswith("pip install covalent-sdk")


def test_nothing_is_to_be_installed_into_a_layer_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / LAYER_MARK).touch()
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    where = f"while opening x in {sys.executable}"
    assert while_opening("x", ModuleNotFoundError(name="yaml")) == (
        f"{where}; that is a layer of packages: name pyyaml in deps_pip, too"
    )
    there = "where pytest may have another version than where you dispatched from"
    advice = "name the version of pytest that you dispatched with in deps_pip"
    assert while_opening("x", ImportError(name="pytest")) == f"{where}, {there}; {advice}"


def test_a_part_that_is_missing_asks_for_another_version() -> None:
    for error in (ModuleNotFoundError(name="pytest.not_there"), ImportError(name="pytest")):
        text = while_opening("the argument 'x'", error)
        assert "pytest may have another version" in text
        assert text.endswith(f"{sys.executable} -m pip install --upgrade pytest")


def test_nothing_is_advised_where_pip_would_not_help() -> None:
    for error in (ImportError("why not"), ImportError(name=__name__.partition(".")[0])):
        assert while_opening("the function", error) == f"while opening the function in {sys.executable}"
