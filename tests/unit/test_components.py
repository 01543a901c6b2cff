from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import components
from tests.components import Program, Python

HERE = "{}.{}".format(*sys.version_info)


def test_an_interpreter_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter = tmp_path / f"python{HERE}"
    interpreter.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Python(version=HERE).find() == interpreter


def test_a_command_that_only_pretends_to_be_an_interpreter_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "pyenv" / "shims" / f"python{HERE}"
    real = tmp_path / "pyenv" / "versions" / f"{HERE}.1" / "bin" / f"python{HERE}"
    for directory in (shim.parent, real.parent):
        directory.mkdir(parents=True)
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    real.symlink_to(sys.executable)
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Python(version=HERE).find() == real


def test_pyenv_says_itself_where_it_keeps_its_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "versions" / f"{HERE}.1" / "bin" / f"python{HERE}"
    real.parent.mkdir(parents=True)
    real.symlink_to(sys.executable)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", "/nowhere")
    assert Python(version=HERE).find() == real


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_a_missing_component_is_listed_and_fails_only_in_ci(
    ci: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(components, "COMPONENTS", (Python(version="3.99"),))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    assert components.main([]) == code
    assert "python3.99: MISSING, so skipped: nox -s tests-3.99" in capsys.readouterr().out


def test_a_program_that_only_root_has_on_the_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    program = Program(name="ldconfig", package="libc-bin", skipped="nothing")
    assert program.find() in (Path("/usr/sbin/ldconfig"), None)  # None where there is no such program


@pytest.mark.parametrize(("ci", "outcome"), [("", "Skipped"), ("true", "Failed")])
def test_a_test_that_needs_what_is_missing_is_skipped_and_fails_in_ci(
    ci: str, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(BaseException, match=r"no-such-thing is missing; get it: sh -c apt-get .* nothing") as caught:
        components.found(Program(name="no-such-thing", package="nothing", skipped="this"))
    assert type(caught.value).__name__ == outcome
