"""Which interpreter a user means, by path, program, version, environment; nothing is started to find out."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from covalent import executors
from covalent.errors import GraphError

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
#: A version that no test runs on.
OTHER = "3.99"
VARIABLES = (
    "CONDA_EXE", "CONDA_PREFIX", "MAMBA_ROOT_PREFIX", "CONDA_ENVS_PATH", "PYENV_ROOT", "UV_PYTHON_INSTALL_DIR",
    "XDG_DATA_HOME",
)  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is installed."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.chdir(home / "project")
    return home


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    path.chmod(0o755)
    return path


def _python(python: object) -> Any:
    return executors.resolve("local", {"python": str(python)})["python"]


def _conda(env: object) -> Any:
    return executors.resolve("local", {"conda_env": str(env)})["python"]


def test_an_interpreter_may_be_named_by_the_home_directory_or_by_the_path_of_programs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = _program(home / "bin" / "python3.9")
    monkeypatch.setenv("PATH", str(home / "bin"))
    Path("python3.9").mkdir()  # what stands beside the script does not matter
    assert _python("~/bin/python3.9") == _python("python3.9") == str(python)
    with pytest.raises(GraphError, match=r"'python3\.8'.*no such program is on the PATH; give its whole path, a ver"):
        _python("python3.8")


# -- environments


@pytest.mark.parametrize("name", ["python", "python3"])
def test_a_virtual_environment_is_named_by_its_directory(home: Path, name: str) -> None:
    python = _program(home / "project" / ".venv" / "bin" / name)
    assert _python(home / "project" / ".venv") == _python(".venv") == _python("~/project/.venv") == str(python)


def test_a_directory_that_is_no_environment_is_refused_with_the_command_that_makes_one(home: Path) -> None:
    with pytest.raises(GraphError, match=f"is a directory and no environment: .*make one: python -m venv {home}$"):
        _python(home)


# -- versions


def test_the_version_that_dispatches_is_the_interpreter_that_dispatches() -> None:
    whole = ".".join(map(str, sys.version_info[:3]))
    assert _python(OWN) == _python(whole) == executors.resolve("local", {})["python"]


def test_a_version_is_looked_for_on_the_path_then_among_pyenvs_then_among_uvs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [
        home / "bin" / "python3.99",
        home / ".pyenv" / "versions" / "3.99.2" / "bin" / "python3.99",
        home / ".local" / "share" / "uv" / "python" / "cpython-3.99.1-linux-x86_64-gnu" / "bin" / "python3.99",
    ]
    monkeypatch.setenv("PATH", f"{home / 'bin'}:relative")
    for place in reversed(places):
        _program(place)
        assert _python(OTHER) == str(place)
    assert _python("3.99.2") == str(places[1])
    assert _python("3.99.1") == str(places[2])


def test_of_several_the_newest_is_taken(home: Path) -> None:
    for patch in ("9", "10", "2"):
        _program(home / ".pyenv" / "versions" / f"3.99.{patch}" / "bin" / "python3.99")
    assert _python(OTHER) == str(home / ".pyenv" / "versions" / "3.99.10" / "bin" / "python3.99")


def test_pyenv_and_uv_may_keep_theirs_elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = _program(home / "pythons" / "cpython-3.99.1-linux" / "bin" / "python3.99")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", "~/pythons")
    assert _python(OTHER) == str(uv)
    pyenv = _program(home / "py" / "versions" / "3.99.0" / "bin" / "python3.99")
    monkeypatch.setenv("PYENV_ROOT", str(home / "py"))
    assert _python(OTHER) == str(pyenv)


def test_a_shim_stands_for_what_pyenv_has(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(home / ".pyenv" / "shims" / "python3.99")
    monkeypatch.setenv("PATH", str(home / ".pyenv" / "shims"))
    with pytest.raises(GraphError, match=r"no Python 3\.99 was found"):
        _python("python3.99")
    python = _program(home / ".pyenv" / "versions" / "3.99.1" / "bin" / "python3.99")
    assert _python("python3.99") == _python(OTHER) == str(python)


def test_a_version_that_is_not_there_says_where_it_was_looked_for_and_how_to_get_it(home: Path) -> None:
    with pytest.raises(GraphError) as told:
        _python(OTHER)
    message = str(told.value)
    assert "LocalExecutor(python='3.99'): no Python 3.99 was found; looked: this one is " in message
    assert "on the PATH as python3.99" in message
    assert f"in {home}/.pyenv/versions, in {home}/.local/share/uv/python" in message
    assert "`uv python install 3.99`" in message


# -- conda


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"CONDA_EXE": "conda/bin/conda"}, "conda/envs/chem"),
        ({"CONDA_PREFIX": "conda"}, "conda/envs/chem"),
        ({"CONDA_PREFIX": "conda/envs/other"}, "conda/envs/chem"),
        ({"MAMBA_ROOT_PREFIX": "mamba", "CONDA_PREFIX": "conda"}, "mamba/envs/chem"),
        ({"CONDA_ENVS_PATH": "environments"}, "environments/chem"),
        ({}, "home/miniforge3/envs/chem"),
        ({}, "home/.conda/envs/chem"),
    ],
)
def test_a_conda_environment_is_found_by_its_name(
    environ: dict[str, str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, path in environ.items():
        monkeypatch.setenv(variable, str(tmp_path / path))
    python = _program(tmp_path / place / "bin" / "python")
    assert _conda("chem") == _conda(tmp_path / place) == str(python)
    other = _program(tmp_path / "other" / "bin" / "python")
    assert executors.resolve("local", {"conda_env": "chem", "python": str(other)})["python"] == str(other)


def test_a_conda_environment_is_found_in_the_list_that_conda_keeps(home: Path, tmp_path: Path) -> None:
    python = _program(tmp_path / "far" / "away" / "chem" / "bin" / "python")
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"{tmp_path}/far/other\n{tmp_path}/far/away/chem\n\n")
    assert _conda("chem") == str(python)


def test_the_base_environment_is_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = _program(tmp_path / "conda" / "bin" / "python")
    monkeypatch.setenv("CONDA_EXE", str(tmp_path / "conda" / "bin" / "conda"))
    assert _conda("base") == str(python)


def test_a_conda_environment_that_is_not_there_says_where_it_was_looked_for_and_how_to_make_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path))
    (tmp_path / "envs" / "chem").mkdir(parents=True)  # one without a Python
    with pytest.raises(GraphError) as told:
        _conda("chem")
    message = str(told.value)
    assert f"there is no such environment with a Python, not at {tmp_path}/envs/chem, {home}/miniconda3/envs" in message
    assert "make one: conda create -n chem python; or give its directory" in message
    with pytest.raises(GraphError, match=rf"not at {re.escape(str(home))}/x/y; make one: conda create -p ~/x/y python"):
        _conda("~/x/y")
