"""What type checkers and editors know of a user's project: the user's own signatures, not ours."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jedi
import pytest

import covalent as ct

FLOWS = '''
"""A user's module, strictly typed."""

import covalent as ct


@ct.electron
def scale(number: int, by: float = 2.0) -> float:
    """Scales a number."""
    return number * by


@ct.electron(executor="local", retries=2, deps_bash=["echo"], call_before=print)
def told(text: str, *, loud: bool = False) -> str:
    """Says a text again."""
    return text.upper() if loud else text


class Model:
    @ct.electron
    def fit(self, rows: list[int]) -> float:
        return float(sum(rows))

    @ct.electron(timeout=5)
    def name(self) -> str:
        return "model"


@ct.lattice
def workflow(n: int, *, label: str = "x") -> float:
    """Scales and tells."""
    told(label)
    return scale(n)


@ct.lattice(executor=ct.executor.SlurmExecutor(address="login", options={"nodes": 1}), postprocess="replay")
def placed(model: Model) -> list[float]:
    return [model.fit([1]), *scale.map([1, 2], by=3.0)]


inner = ct.electron(workflow)
'''

#: Every expression, and the type that is to be revealed of it.
REVEALED = {
    "scale": "covalent.electron.ElectronFunction[[number: int, by: float =], float]",
    "scale(1)": "float",
    "told": "covalent.electron.ElectronFunction[[text: str, *, loud: bool =], str]",
    "told('a', loud=True)": "str",
    "scale.map([1, 2])": "list[float]",
    "Model().fit": "def (rows: list[int]) -> float",
    "Model().fit([1])": "float",
    "Model().name()": "str",
    "workflow": "covalent.lattice.workflow.Lattice[[n: int, *, label: str =]]",
    "placed": "covalent.lattice.workflow.Lattice[[model: flows.Model]]",
    "inner": "covalent.electron.ElectronFunction[[n: int, *, label: str =], Any]",
    "ct.lattice(scale)": "covalent.lattice.workflow.Lattice[[number: int, by: float =]]",
    "ct.wait(scale(1), [told('a')])": "float",
    "ct.dispatch(workflow)": "def (n: int, *, label: str =) -> str",
    "ct.dispatch(workflow)(1, label='y')": "str",
    "ct.dispatch_sync(workflow)(1)": "covalent.result.Result",
    "ct.get_result('id', wait=True)": "covalent.result.Result",
    "ct.get_result('id', status_only=True)": "dict[str, Any]",
    "scale.electron_object.executor": "covalent.executors.Executor | str | None",
}

#: Every mistake, and what it is called.
MISTAKES = {
    "scale('one')": "arg-type",
    "scale(1, 2, 3)": "call-arg",
    "scale(1, factor=2)": "call-arg",
    "scale()": "call-arg",
    "told(1)": "arg-type",
    "Model().fit(1)": "arg-type",
    "Model().fit()": "call-arg",
    "workflow('one')": "arg-type",
    "workflow(1, 'x')": "call-arg",
    "inner(n='one')": "arg-type",
    "ct.dispatch(workflow)('one')": "arg-type",
    "ct.dispatch(workflow)(1, labl='y')": "call-arg",
    "ct.dispatch(workflow)()": "call-arg",
    "ct.dispatch_sync(workflow)(1, 2)": "call-arg",
    "ct.dispatch(scale)": "arg-type",
    "ct.dispatch(5)": "arg-type",
    "workflow.build_graph('one')": "arg-type",
    "ct.electron(scale, retrys=1)": "call-overload",
    "ct.electron(scale, retries='2')": "call-overload",
    "ct.lattice(scale, postprocess='later')": "call-overload",
    "ct.electron(5)": "call-overload",
    "ct.executor.SlurmExecutor(adress='login')": "call-arg",
    "ct.DepsCall(5)": "arg-type",
    "ct.nothing": "attr-defined",
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], list[str]]:
    """What mypy, strict, says of a user's project: by file and line."""
    directory = tmp_path_factory.mktemp("project")
    imports = "import covalent as ct\nfrom flows import Model, inner, placed, scale, told, workflow\n\n"
    (directory / "flows.py").write_text(FLOWS)
    (directory / "revealed.py").write_text(imports + "".join(f"reveal_type({text})\n" for text in REVEALED))
    (directory / "mistakes.py").write_text(imports + "".join(f"{text}\n" for text in MISTAKES))
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--show-error-codes", "--no-color-output",
         "flows.py", "revealed.py", "mistakes.py"],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    said: dict[tuple[str, int], list[str]] = {}
    for file, line, text in re.findall(r"^(\w+)\.py:(\d+): (?:error|note): (.*)$", run.stdout, flags=re.MULTILINE):
        said.setdefault((file, int(line) - imports.count("\n")), []).append(text)
    return said


Checked = dict[tuple[str, int], list[str]]


def test_a_project_that_is_right_is_found_right(checked: Checked) -> None:
    assert [texts for (file, _), texts in checked.items() if file == "flows"] == []


@pytest.mark.parametrize("line", range(1, len(REVEALED) + 1), ids=list(REVEALED))
def test_functions_keep_their_own_signatures(checked: Checked, line: int) -> None:
    assert checked["revealed", line] == [f'Revealed type is "{list(REVEALED.values())[line - 1]}"']


@pytest.mark.parametrize("line", range(1, len(MISTAKES) + 1), ids=list(MISTAKES))
def test_a_wrong_call_is_an_error_before_it_is_made(checked: Checked, line: int) -> None:
    codes = {code for text in checked.get(("mistakes", line), []) for code in re.findall(r"\[([\w-]+)\]$", text)}
    assert list(MISTAKES.values())[line - 1] in codes


# -- editors and notebooks


@pytest.fixture(scope="module")
def namespace() -> dict[str, Any]:
    """What a notebook holds after the user's module was run in it."""
    namespace: dict[str, Any] = {}
    exec(compile(FLOWS, "flows.py", "exec", dont_inherit=True), namespace)  # noqa: S102 - as a notebook does
    return namespace


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("scale(", "(number: int, by: float=2.0)"),
        ("told(", "(text: str, *, loud: bool=False)"),
        ("workflow(", "(n: int, *, label: str='x')"),
        ("Model().fit(", "(rows: list[int])"),
    ],
)
def test_a_notebook_shows_the_users_parameters_while_a_call_is_written(
    namespace: dict[str, Any], call: str, shown: str
) -> None:
    (signature,) = jedi.Interpreter(call, [namespace]).get_signatures(1, len(call))
    assert signature.to_string().endswith(shown)


def test_a_notebook_completes_the_users_parameters_and_what_an_electron_has(namespace: dict[str, Any]) -> None:
    def completed(text: str) -> set[str]:
        return {item.name for item in jedi.Interpreter(text, [namespace]).complete(1, len(text))}

    assert "loud=" in completed("told('a', lo")
    assert "label=" in completed("workflow(1, la")
    assert completed("scale.ma") == {"map"}
    assert "SlurmExecutor" in completed("ct.executor.Sl")


def test_inspection_sees_the_users_function(namespace: dict[str, Any]) -> None:
    for name, documentation in (("scale", "Scales a number."), ("workflow", "Scales and tells.")):
        wrapped = namespace[name]
        assert (wrapped.__name__, wrapped.__qualname__, wrapped.__doc__) == (name, name, documentation)
        assert callable(wrapped.__wrapped__)
        assert inspect.unwrap(wrapped) is wrapped.__wrapped__
        assert inspect.signature(wrapped) == inspect.signature(wrapped.__wrapped__)
        assert wrapped.__wrapped__(3) == wrapped(3) == 6.0
    assert namespace["scale"].__annotations__ == {"number": int, "by": float, "return": float}
    assert isinstance(namespace["placed"], ct.Lattice)
    assert Path(inspect.getfile(inspect.unwrap(namespace["scale"]))).name == "flows.py"
