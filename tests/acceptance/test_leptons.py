"""Leptons as tasks: commands and C functions, run by a real server's workers."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.acceptance.programs import Project
from tests.components import CC

_SCRIPT = """
import os
from ctypes import POINTER, c_double, c_int

measure = ct.Lepton("bash", command='words=$(wc -w < "$1"); echo "measured $1"', named_outputs=["words"])
fail = ct.Lepton("bash", command="echo no >&2; exit 4", display_name="refuse")
scale = ct.Lepton(
    "C", library_name=os.path.abspath("libcode.so"), function_name="scale",
    argtypes=[(c_double, ct.Lepton.INPUT), (c_int, ct.Lepton.INPUT), (POINTER(c_double), ct.Lepton.INPUT_OUTPUT)],
)


@ct.leptons.bash(named_outputs={"greeting": str})
def greet(count):
    return f"greeting='{count} words'; pwd"


@ct.lattice
def workflow(path):
    count = measure(path)
    return [count, greet(count), scale(2.0, 2, [1.0, 2.0])]


with open("text", "w") as file:
    file.write("one two three")
result = ct.dispatch_sync(workflow)(os.path.abspath("text"))
facts["value"] = result.result
facts["printed"] = result.get_node_result(0)["stdout"]
failed = ct.dispatch_sync(ct.lattice(lambda: fail()))()
facts["failed"] = [failed.status, failed.get_node_result(0)["error"], failed.get_node_result(0)["stderr"]]
"""


def test_commands_and_functions_of_c_are_tasks_like_others(project: Project) -> None:
    compiler = CC.find()
    if compiler is None:
        pytest.skip(f"needs {CC.name}")
    source = project.write(
        "code.c", "void scale(double f, int n, double *v) { for (int i = 0; i < n; i++) v[i] *= f; }"
    )
    subprocess.run([compiler, "-shared", "-fPIC", "-o", project.directory / "libcode.so", source], check=True)
    facts = project.facts(_SCRIPT)
    assert facts["value"] == [3, "3 words", [2.0, 4.0]]
    assert facts["printed"] == f"measured {project.directory}/text\n"
    status, error, stderr = facts["failed"]
    assert status == "FAILED"
    told = (
        r"the command of refuse, which ran in /\S+, ended with exit status 4; what it printed is in the task's stdout"
    )
    assert re.search(f"{told} and stderr$", error)
    assert stderr.startswith("no\n")
