"""The examples as a reader runs them: `python examples/NAME`, with what it needs, against a server that runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.interpreters import uv
from tests.acceptance.programs import Project
from tests.installation import Installation

#: numpy, scikit-learn and scipy of then and now.
PACKAGES = (("2.1.3", "1.5.2", "1.14.1"), ("2.3.5", "1.7.2", "1.16.3"))
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def reader(tmp_path: Path, shared_installation: Installation, scientist_python: str) -> Project:
    return Project(tmp_path / "elsewhere", shared_installation, scientist_python)


def output_of(reader: Project, example: str) -> list[str]:
    """What an example prints."""
    done = reader.attempt(str(EXAMPLES / example))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def nodes(reader: Project, dispatch_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = reader.installation.request("GET", f"/api/v1/dispatches/{dispatch_id}/nodes").plain[
        "nodes"
    ]
    return found


def ran(reader: Project, dispatch_id: str) -> Counter[str]:
    """The nodes that a worker was given."""
    return Counter(node["node_name"] for node in nodes(reader, dispatch_id) if node.get("attempt"))


def redispatch_of(reader: Project, dispatch_id: str) -> str:
    dispatches = reader.installation.request("GET", "/api/v1/dispatches?limit=100").plain["dispatches"]
    (found,) = [item["dispatch_id"] for item in dispatches if item.get("redispatch_of") == dispatch_id]
    return str(found)


def test_the_sweep_computes_again_only_what_had_failed(reader: Project) -> None:
    printed = output_of(reader, "parameter_sweep")
    first = printed[0].removeprefix("dispatched ")
    assert printed[1] == "it is FAILED; 8 of 11 motions were computed"
    assert printed[2].startswith("  135°: pendulum.StepTooLargeError: with steps of 0.02 s the energy changes by")
    assert "with smaller steps for those, integrate (3 x) and describe (3 x) and table (1 x) ran again:" in printed
    assert len([line for line in printed if "°   0.02 s  " in line]) == 8
    assert len([line for line in printed if line.endswith("===")]) == 3

    assert ran(reader, first) == {"at_rest": 11, "integrate": 11, "describe": 8}
    second = redispatch_of(reader, first)
    assert ran(reader, second) == {"integrate": 3, "describe": 3, "table": 1}
    assert ran(reader, redispatch_of(reader, second)) == {"table": 1}


def test_the_integral_is_refined_where_the_function_is_sharp(reader: Project) -> None:
    printed = output_of(reader, "refinement")
    dispatch_id = printed[0].removeprefix("dispatched ")
    assert printed[1].startswith("the integral is 14.378741")
    (halved,) = [line.split() for line in printed if line.split()[:1] == ["5.3008"]]
    assert int(halved[2]) >= 10

    levels = 0
    while dispatch_id:
        inner = [node["child"] for node in nodes(reader, dispatch_id) if node.get("child")]
        dispatch_id = inner[-1] if inner else ""
        levels += 1
    assert levels > 3


def test_an_old_model_is_compared_with_a_new_one_by_steps_whose_packages_conflict(user: Project) -> None:
    uv("pip", "install", "--dry-run", "--target", str(user.directory / "none"), "scikit-learn==1.5.2")
    printed = output_of(user, "old_model")
    dispatch_id = printed[0].removeprefix("dispatched ")
    then, now = (f"ran with numpy=={a} scikit-learn=={b} scipy=={c}" for a, b, c in PACKAGES)
    steps = {"fit_then": then, "open_now": now, "predict_then": then, "predict_now": now, "observe": now}
    steps |= {"compare": "ran with no packages", "collect": "ran with no packages"}
    assert {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in printed[1:8]} == steps
    assert "the old model gives AttributeError: Can't get attribute '__pyx_unpickle" in printed[9]
    errors = [float(line.split()[-1]) for line in printed[10:]]
    assert all(0 < error < 77 for error in errors), errors  # 77: who says the mean of all patients for each
    assert Counter(ran(user, dispatch_id)) == Counter(steps.keys())
