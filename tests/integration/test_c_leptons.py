"""C functions of a shared library that is compiled here."""

from __future__ import annotations

import subprocess
from array import array
from ctypes import POINTER, c_char_p, c_double, c_int
from pathlib import Path

import pytest

import covalent as ct
from covalent.errors import LeptonError
from tests.components import CC

_SOURCE = """
#include <string.h>
void scale(double factor, int n, double *values) { for (int i = 0; i < n; i++) values[i] *= factor; }
void divide(int a, int b, int *quotient, int *rest) { *quotient = a / b; *rest = a % b; }
void measure(const char *text, int *length) { *length = strlen(text); }
void nothing(void) {}
"""
IN, OUT, BOTH = ct.Lepton.INPUT, ct.Lepton.OUTPUT, ct.Lepton.INPUT_OUTPUT


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    compiler = CC.find()
    if compiler is None:
        pytest.skip(f"needs {CC.name}")
    directory = tmp_path_factory.mktemp("library")
    (directory / "code.c").write_text(_SOURCE)
    command = [str(compiler), "-shared", "-fPIC", "-o", str(directory / "libcode.so"), str(directory / "code.c")]
    subprocess.run(command, check=True)
    return str(directory / "libcode.so")


def test_arrays_go_in_and_come_out(library: str) -> None:
    scale = ct.Lepton(
        "C",
        library_name=library,
        function_name="scale",
        argtypes=[(c_double, IN), (c_int, IN), (POINTER(c_double), BOTH)],
    )
    assert scale(2.0, 3, [1, 2, 3]) == [2.0, 4.0, 6.0]
    assert scale(0.5, 2, array("d", [1, 2])) == [0.5, 1.0]
    assert ct.testing.run(ct.lattice(lambda values: scale(2.0, 2, scale(3.0, 2, values))))([1, 1]) == [6.0, 6.0]


def test_what_is_an_output_alone_may_be_left_out(library: str) -> None:
    types = [("c_int", IN), ("c_int", IN), ("POINTER(c_int)", OUT), (POINTER(c_int), OUT)]
    divide = ct.Lepton("c", library_name=library, function_name="divide", argtypes=types)
    assert divide(17, 5) == divide(17, 5, None, None) == (3, 2)
    with pytest.raises(TypeError, match="divide takes 2 arguments that are inputs, but was given 1"):
        divide(17)
    with pytest.raises(TypeError, match="was given 2; name their types in argtypes"):
        ct.Lepton("C", library_name=library, function_name="divide")(17, 5)


def test_texts_are_bytes_to_c(library: str) -> None:
    measure = ct.Lepton(
        "C", library_name=Path(library), function_name="measure", argtypes=[(c_char_p, IN), (POINTER(c_int), OUT)]
    )
    assert measure("héllo") == 6
    with pytest.raises(TypeError, match="argument 1 of measure is a text, not 3"):
        measure(3)


def test_what_gives_nothing_gives_none(library: str) -> None:
    assert ct.Lepton("C", library_name=library, function_name="nothing")() is None


def test_a_library_or_a_function_that_is_not_there_is_told(library: str, tmp_path: Path) -> None:
    with pytest.raises(
        LeptonError, match=r"the shared library '/no/lib\.so' cannot be loaded on the machine of the task"
    ):
        ct.Lepton("C", library_name="/no/lib.so", function_name="f")()
    source = tmp_path / "code.c"
    source.write_text("int main;")
    with pytest.raises(LeptonError, match="it is there: see that it was compiled for that machine"):
        ct.Lepton("C", library_name=source, function_name="f")()
    with pytest.raises(LeptonError, match="has no function 'no_such'"):
        ct.Lepton("C", library_name=library, function_name="no_such")()
