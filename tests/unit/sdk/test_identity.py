from __future__ import annotations

import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import covalent as ct
from covalent.identity import function_id


def identity(function: object, project: str = "", **environment: Any) -> str:
    return function_id(function, project=project, environment=environment)


def made(source: str, name: str = "f", **names: Any) -> Callable[..., Any]:
    """A function of a script."""
    namespace: dict[str, Any] = {"__name__": "__main__", **names}
    exec(compile(source, f"/{len(source)}.py", "exec"), namespace)  # noqa: S102 - a script in small
    function: Callable[..., Any] = namespace[name]
    return function


PLAIN = "def f(x):\n    return x + 1\n"


def test_equal_code_has_one_id_wherever_it_stands() -> None:
    assert identity(made(PLAIN)) == identity(made("\n\n\n" + PLAIN)) != ""


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    return x + 2\n",
        "def f(y):\n    return y + 1\n",
        "def f(x=1):\n    return x + 1\n",
        "def f(*, x=1):\n    return x + 1\n",
        "def f(x):\n    return x - 1\n",
        "def f(x):\n    '''doc'''\n    return x + 1\n",
    ],
)
def test_other_code_has_another_id(other: str) -> None:
    assert identity(made(other)) != identity(made(PLAIN))


def test_defaults_closures_globals_and_inner_functions_count() -> None:
    by_default = "def f(x={}):\n    return x\n"
    by_global = "def f():\n    return G\n"
    by_inner = "def f():\n    def inner():\n        return G\n    return inner\n"
    by_helper = "def helper():\n    return {}\ndef f():\n    return helper()\n"
    for source in (by_global, by_inner):
        ids = {
            identity(made(source, G=value)) for value in (1, 1.0, True, "1", [1], (1,), {1}, {1: 1}, None, len, print)
        }
        assert len(ids) == 11
    for source in (by_default, by_helper):
        assert len({identity(made(source.replace("{}", value))) for value in ("1", "2", "[1]")}) == 3

    def closing(value: int) -> Callable[[], int]:
        return lambda: value

    assert identity(closing(1)) == identity(closing(1)) != identity(closing(2))


def test_unused_globals_and_attribute_names_do_not_count() -> None:
    source = "def f(x):\n    return x.other\n"
    assert identity(made(source, other=1)) == identity(made(source, other=2))


def test_environment_and_project_count() -> None:
    function = made(PLAIN)
    assert (
        len(
            {
                identity(function),
                identity(function, "p"),
                identity(function, python="a"),
                identity(function, python="b"),
            }
        )
        == 4
    )


def test_functions_of_modules_stand_for_themselves_by_name() -> None:
    assert identity(os.path.join) == identity(os.path.join) != identity(os.path.split)
    assert identity(len) != identity(print)


def test_recursion_classes_and_objects_are_told() -> None:
    recursive = "def f(n):\n    return f(n - 1) if n else {}\n"
    assert identity(made(recursive.format(1))) != identity(made(recursive.format(2)))
    classes = (
        "class A:\n    b = {}\n    @property\n    def p(self): return 1\n    @staticmethod\n    def s(): return A\n"
    )
    source = classes + "def f():\n    return A().p\n"
    assert identity(made(source.format(1))) == identity(made(source.format(1))) != identity(made(source.format(2)))
    with_array = "def f():\n    return G.sum()\n"
    arrays = [np.arange(3), np.arange(3), np.arange(4)]
    one, same, other = (identity(made(with_array, G=array)) for array in arrays)
    assert one == same != other
    assert "" not in {one, other}


def test_dataclasses_are_told() -> None:
    source = (
        "import dataclasses\n"
        "@dataclasses.dataclass\nclass A:\n    a: int = {}\n    b: list = dataclasses.field(default_factory=list)\n"
        "    def c(self): return {}\n"
        "def f():\n    return A().c()\n"
    )
    one, same, another_default, another_method = (
        identity(made(source.format(*numbers))) for numbers in [(1, 1), (1, 1), (2, 1), (1, 2)]
    )
    assert one == same != ""
    assert len({one, another_default, another_method}) == 3


def test_electrons_count_by_their_function_alone() -> None:
    source = "def f():\n    return g()\n"
    raw = made("def g():\n    return 1\n", "g")
    plain = identity(made(source, g=raw))
    assert identity(made(source, g=ct.electron(raw, executor="elsewhere"))) == plain


def test_what_cannot_be_told_has_no_id() -> None:
    assert identity(made("def f():\n    return G\n", G=threading.Lock())) == ""
    module = types.ModuleType("anything")
    assert identity(made("def f():\n    return G\n", G=module)) != ""
    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep]
    assert identity(made("def f():\n    return G\n", G=deep)) == ""


SCRIPT = """
import dataclasses

import covalent as ct
from covalent.hydration import dehydrate

NAMES = {"alpha", "beta", "gamma", "delta"}

class Model:
    kinds = frozenset({"a", "b", "c"})
    def __init__(self):
        self.tags = {"x", "y", "z"}
        self.rest = self.more = None
    def run(self, x):
        return x in {"one", "two", "three"} or x in NAMES or self.rest

MODEL = Model()

@dataclasses.dataclass(frozen=True)
class Settings:
    step: float = 0.5
    names: list = dataclasses.field(default_factory=list, metadata={"unit": "m"})
    kinds: frozenset = frozenset({"a", "b", "c"})
    def half(self):
        return self.step / 2

@ct.electron
def task(x, y={"p", "q", "r"}):
    return [z for z in y if MODEL.run(z)] or Settings().half() or x in {"four", "five", "six"}

@ct.lattice
def workflow():
    return task(1)

workflow.build_graph()
print(dehydrate(workflow).manifest.graph.nodes[0].function_id)
"""


def test_ids_are_the_same_in_every_run_whatever_the_hash_seed_and_file_name(tmp_path: Path) -> None:
    ids = set()
    for seed in ("0", "1", "2", "3"):
        script = tmp_path / f"script_{seed}.py"
        script.write_text("\n" * int(seed) + SCRIPT)
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
        ids.add(run.stdout.strip())
    assert len(ids) == 1
    assert len(ids.pop()) == 64
