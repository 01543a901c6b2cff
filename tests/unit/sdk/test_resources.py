"""What a task takes of its machine: checked where it is said."""

from __future__ import annotations

from typing import Any

import pytest

import covalent as ct
from covalent.resources import Resources


def test_what_is_not_said_is_left_to_the_worker() -> None:
    assert Resources.given(None) == Resources.given({}) == Resources(cpus=0, gpus=0, memory=None)
    assert Resources.given({"cpus": 2, "memory_gb": 0.5, "gpus": 1}) == Resources(cpus=2, gpus=1, memory=500_000_000)


@pytest.mark.parametrize(
    ("resources", "error", "words"),
    [
        (2, TypeError, r"resources is a dict such as {'cpus': 2, 'memory_gb': 8, 'gpus': 1}, not 2"),
        ({"cpu": 2}, ValueError, "cpu is none of the resources: there are cpus, memory_gb, gpus"),
        ({"cpus": 0}, ValueError, r"resources\['cpus'\] is a whole number from 1 on, not 0"),
        ({"cpus": 1.5}, ValueError, r"resources\['cpus'\] is a whole number from 1 on, not 1.5"),
        ({"gpus": True}, ValueError, r"resources\['gpus'\] is a whole number from 0 on, not True"),
        ({"memory_gb": "8"}, ValueError, r"resources\['memory_gb'\] is a number of gigabytes, more than 0, not '8'"),
        (
            {"memory_gb": float("inf")},
            ValueError,
            r"resources\['memory_gb'\] is a number of gigabytes, more than 0, not inf",
        ),
    ],
)
def test_a_slip_is_told_when_the_workflow_is_built(resources: Any, error: type[Exception], words: str) -> None:
    executor = ct.executor.LocalExecutor(resources=resources)
    with pytest.raises(error, match=f"an attribute of the executor 'local': {words}"):
        ct.lattice(lambda: ct.electron(len, executor=executor)([])).build_graph()
