"""The linter refuses unpicklers and imports by name in the server: each ban is shown to fire."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from covalent_server import guard
from tests.architecture.tree import ROOT, SDK, SERVER, configuration, modules

RULES = Path("packages") / "covalent-server" / "ruff.toml"
BANNED: list[str] = sorted(
    tomllib.loads((ROOT / RULES).read_text(encoding="utf-8"))["lint"]["flake8-tidy-imports"]["banned-api"]
)
#: What hands over control to a string; ruff's S rules know some of them, and none may be used at all.
RUNNING_STRINGS = frozenset({"__import__", "compile", "eval", "exec"})


def reported(directory: Path) -> dict[str, str]:
    """What ruff says about the banned names in each file of a directory."""
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "json", "."],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr == ""
    return {Path(finding["filename"]).stem: finding["message"] for finding in json.loads(run.stdout)}


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ruff's report on a copy of the server in which one module for each ban breaks it."""
    root = tmp_path_factory.mktemp("workspace")
    source = root / SERVER.relative_to(ROOT)
    shutil.copytree(SERVER, source, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for file in (Path("pyproject.toml"), RULES):
        shutil.copy(ROOT / file, root / file)
    for name in BANNED:
        module, _, member = name.rpartition(".")
        line = f"from {module} import {member}\n" if module else f"import {member}\n"
        (source / f"breaks_{name.replace('.', '_')}.py").write_text(line, encoding="utf-8")
    return reported(root / "packages" / "covalent-server")


@pytest.mark.parametrize("name", BANNED)
def test_a_planted_use_of_a_banned_name_is_reported(name: str, findings: dict[str, str]) -> None:
    assert f"`{name}` is banned" in findings[f"breaks_{name.replace('.', '_')}"]


def test_only_the_planted_modules_are_reported(findings: dict[str, str]) -> None:
    assert set(findings) == {f"breaks_{name.replace('.', '_')}" for name in BANNED}


def test_only_the_guard_which_stands_in_the_way_of_imports_may_touch_their_machinery() -> None:
    switched_off = [
        line.strip()
        for path in modules(SERVER)
        for line in path.read_text(encoding="utf-8").splitlines()
        if "TID251" in line
    ]
    assert [line.partition("  #")[0] for line in switched_off] == ["from importlib.machinery import ModuleSpec"]


def test_linter_contract_and_guard_name_the_same_modules() -> None:
    contracts = {contract["id"]: contract for contract in configuration()["importlinter"]["contracts"]}
    unpicklers = set(contracts["server-reaches-no-unpickler"]["forbidden_modules"])
    assert unpicklers <= set(BANNED)
    # marshal stays importable (the import system needs it): the guard refuses its functions instead.
    assert unpicklers - {"marshal"} == guard._REPLACED | guard._FORBIDDEN


def calls_that_run_strings(source: str) -> Iterator[str]:
    """The names from RUNNING_STRINGS that a module calls or mentions as builtins."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) if name in RUNNING_STRINGS:
                yield name
            case ast.Attribute(value=ast.Name(id="builtins" | "__builtins__"), attr=name) if name in RUNNING_STRINGS:
                yield name


@pytest.mark.parametrize("name", sorted(RUNNING_STRINGS))
def test_running_a_string_is_noticed(name: str) -> None:
    assert list(calls_that_run_strings(f"def f(text):\n    return {name}(text)")) == [name]
    assert list(calls_that_run_strings(f"import builtins\nbuiltins.{name}('1')")) == [name]


def test_neither_the_server_nor_the_wire_runs_a_string() -> None:
    bound = [*modules(SERVER, SDK / "wire"), SDK / "errors.py", SDK / "status.py"]
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path in bound
        for name in calls_that_run_strings(path.read_text(encoding="utf-8"))
    ] == []


def decoders_made_at_work(source: str) -> list[int]:
    """The lines at which a function makes a decoder of msgspec's, or has one made by ``decode(…, type=…)``."""
    found = set()
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and (
                    ast.unparse(call.func).endswith("json.Decoder")
                    or any(keyword.arg == "type" and "decode" in ast.unparse(call.func) for keyword in call.keywords)
                ):
                    found.add(call.lineno)
    return sorted(found)


def test_the_server_makes_decoders_only_when_modules_are_loaded() -> None:
    # Two threads that make one of the same class at the same time crash the process.
    planted = (
        "D = msgspec.json.Decoder(A)\ndef f():\n    g(msgspec.json.Decoder(A))\n    msgspec.json.decode(t, type=A)\n"
    )
    assert decoders_made_at_work(planted) == [3, 4]
    made = {str(path): decoders_made_at_work(path.read_text(encoding="utf-8")) for path in modules(SERVER)}
    assert {path: lines for path, lines in made.items() if lines} == {}
