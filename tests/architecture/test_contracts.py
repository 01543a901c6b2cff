"""Each import contract holds, and each is shown to report a violation that was planted in a copy of the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, SDK, SERVER, configuration

CONTRACTS = {contract["id"]: contract["name"] for contract in configuration()["importlinter"]["contracts"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Lines put at the end of modules (made if they are not there), and the words that the report must contain."""

    module: str
    lines: str
    reported: tuple[str, ...]
    beside: tuple[tuple[str, str], ...] = ()


VIOLATIONS: dict[str, list[Plant]] = {
    "sdk-layers": [
        Plant(module="covalent/errors.py", lines="import covalent.worker", reported=("covalent.worker",)),
        Plant(module="covalent/stranger.py", lines="", reported=("covalent.stranger",)),
    ],
    "server-layers": [
        Plant(
            module="covalent_server/core/__init__.py",
            lines="def later():\n    from covalent_server import web",
            reported=("covalent_server.core", "covalent_server.web"),
        ),
        Plant(module="covalent_server/stranger.py", lines="", reported=("covalent_server.stranger",)),
    ],
    "acyclic": [
        Plant(
            module="covalent/wire/left.py",
            lines="import covalent.wire.right",
            beside=(("covalent/wire/right.py", "import covalent.wire.left"),),
            reported=("covalent.wire",),
        ),
    ],
    "sdk-alone": [
        Plant(module="covalent/http/server.py", lines="import covalent_server.settings", reported=("covalent_server",)),
        Plant(module="covalent/http/server.py", lines="import aiohttp", reported=("covalent.http.server", "aiohttp")),
    ],
    "sdk-dependencies": [
        Plant(module="covalent/result.py", lines="import numpy", reported=("covalent.result", "numpy")),
    ],
    "wire-is-plain-data": [
        Plant(module="covalent/wire/work.py", lines="import covalent.http", reported=("covalent.wire.work",)),
        Plant(module="covalent/wire/work.py", lines="import msgspec", reported=("covalent.wire.work", "msgspec")),
    ],
    "wire-opens-nothing": [
        Plant(module="covalent/wire/places.py", lines="import socket", reported=("covalent.wire.places", "socket")),
    ],
    "server-sees-the-wire-alone": [
        Plant(
            module="covalent_server/settings.py",
            lines="from covalent.config import anything",
            reported=("covalent_server.settings", "covalent.config"),
        ),
    ],
    "server-reaches-no-unpickler": [
        Plant(
            module="covalent_server/engine/__init__.py",
            lines="import pickle",
            reported=("covalent_server.engine", "pickle"),
        ),
        Plant(
            module="covalent_server/storage/__init__.py",
            lines="def later():\n    from multiprocessing import Pool",
            reported=("covalent_server.storage", "multiprocessing"),
        ),
        Plant(module="covalent/errors.py", lines="import marshal", reported=("covalent.errors", "marshal")),
    ],
    "guard-comes-first": [
        Plant(module="covalent_server/guard.py", lines="import covalent.status", reported=("covalent_server.guard",)),
    ],
    "db-alone-speaks-sqlalchemy": [
        Plant(
            module="covalent_server/engine/__init__.py",
            lines="from sqlalchemy import text",
            reported=("covalent_server.engine", "sqlalchemy"),
        ),
    ],
    "migrate-alone-loads-alembic": [
        Plant(
            module="covalent_server/db/__init__.py",
            lines="import alembic",
            reported=("covalent_server.db", "alembic"),
        ),
    ],
    "migrations-are-frozen": [
        Plant(
            module="covalent_server/db/migrations/__init__.py",
            lines="from covalent_server.db import tables",
            reported=("covalent_server.db.migrations", "covalent_server.db.tables"),
        ),
    ],
    "web-alone-speaks-http": [
        Plant(
            module="covalent_server/engine/__init__.py",
            lines="from aiohttp import web",
            reported=("covalent_server.engine", "aiohttp"),
        ),
    ],
    "cli-alone-is-a-command": [
        Plant(module="covalent_server/settings.py", lines="import click", reported=("covalent_server.settings",)),
    ],
    "core-is-pure": [
        Plant(
            module="covalent_server/core/__init__.py",
            lines=f"import {module}",
            reported=("covalent_server.core", module),
        )
        for module in ("time", "random", "os", "pathlib", "asyncio", "socket", "logging", "sqlalchemy")
    ],
    "transportable-alone-pickles": [
        Plant(module="covalent/hydration.py", lines="import cloudpickle", reported=("covalent.hydration",)),
        Plant(module="covalent/hydration.py", lines="import pickle", reported=("covalent.hydration",)),
    ],
    "http-alone-speaks-urllib3": [
        Plant(module="covalent/config.py", lines="import urllib3", reported=("covalent.config",)),
    ],
    "stores-alone-speak-fsspec": [
        Plant(module="covalent/fs_strategies/web.py", lines="import fsspec", reported=("covalent.fs_strategies.web",)),
    ],
    "ssh-alone-speaks-asyncssh": [
        Plant(module="covalent/config.py", lines="import asyncssh", reported=("covalent.config",)),
    ],
    "runner-is-thin": [
        Plant(
            module="covalent/worker/runner/execution.py",
            lines="import covalent.project",
            reported=("covalent.worker.runner.execution", "covalent.project"),
        ),
    ],
    "graph-alone-speaks-networkx": [
        Plant(module="covalent/lattice/workflow.py", lines="import networkx", reported=("covalent.lattice.workflow",)),
    ],
}


def lint(directory: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the copies in ``directory``, or on the packages of this tree, as the workspace says."""
    path = [directory, SDK.parent, SERVER.parent, ROOT]
    return subprocess.run(
        [
            *(sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"),
            *("--no-cache", "--no-logo", "--config", str(ROOT / "pyproject.toml")),
            *(word for contract in contracts for word in ("--contract", contract)),
        ],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of both packages."""
    for package in (SDK, SERVER):
        shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__", "static"))
    return tmp_path


def test_every_contract_holds() -> None:
    run = lint(ROOT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in run.stdout


def test_every_contract_has_a_planted_violation() -> None:
    assert set(VIOLATIONS) == set(CONTRACTS)


@pytest.mark.parametrize(
    ("contract", "plant"),
    [
        pytest.param(contract, plant, id=f"{contract}-{number}")
        for contract, plants in VIOLATIONS.items()
        for number, plant in enumerate(plants)
    ],
)
def test_a_planted_violation_is_reported(contract: str, plant: Plant, sources: Path) -> None:
    for module, lines in ((plant.module, plant.lines), *plant.beside):
        with (sources / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{lines}\n")
    run = lint(sources, contract)
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"{CONTRACTS[contract]} BROKEN" in run.stdout, run.stdout + run.stderr
    for words in plant.reported:
        assert words in run.stdout
