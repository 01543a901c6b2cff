"""What importing really loads, seen from fresh interpreters: contracts read the sources, these run them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT, SDK

WIRE = [
    "covalent.errors",
    "covalent.status",
    *(f"covalent.wire.{path.stem}" for path in sorted((SDK / "wire").glob("*.py")) if path.stem != "__init__"),
]
#: What `import covalent` must not load before it is used: it is to cost next to nothing.
HEAVY = {"asyncio", "cloudpickle", "networkx", "numpy", "ssl", "urllib3"}


def loaded_by(statement: str) -> set[str]:
    """The modules that a new interpreter has after a statement and did not have before it."""
    program = (
        "import json, sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(run.stdout)
    return set(modules)


def test_importing_covalent_loads_none_of_its_dependencies() -> None:
    assert {module.partition(".")[0] for module in loaded_by("import covalent")} & HEAVY == set()


@pytest.mark.parametrize("module", WIRE)
def test_the_wire_brings_neither_unpicklers_nor_the_rest_of_the_sdk(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    own = {name for name in loaded if name.startswith("covalent")}
    assert own <= {"covalent", "covalent.wire", *WIRE}
    assert loaded & {"_pickle", "pickle", "cloudpickle", "marshal", "multiprocessing", "shelve"} == set()


def test_a_runner_loads_neither_the_graph_nor_the_network() -> None:
    roots = {module.partition(".")[0] for module in loaded_by("import covalent.worker.runner.loop")}
    assert roots & {"asyncio", "networkx", "numpy", "ssl", "urllib3"} == set()
