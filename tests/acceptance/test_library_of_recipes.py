"""A library of recipes for computational chemistry, written for earlier Covalents, runs unchanged.

It wraps the decorators in its own (jobs, flows, subflows), strips and redoes them, hands jobs to flows as arguments,
sets parameters by partial functions, and settings and executors job by job.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.programs import Project

_SETTINGS = '''
"""Settings that a job may change for itself."""

import contextlib
import functools

SETTINGS = {"program": "plain"}


@contextlib.contextmanager
def changed_settings(changes):
    before = dict(SETTINGS)
    SETTINGS.update(changes)
    try:
        yield
    finally:
        SETTINGS.clear()
        SETTINGS.update(before)


def with_settings(function, changes):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        with changed_settings(changes):
            return function(*args, **kwargs)

    wrapper.plain = getattr(function, "plain", function)
    return wrapper
'''

_DECORATORS = '''
"""The library's own decorators."""

import copy
import functools

import covalent as ct
from covalent._workflow.electron import Electron
from covalent._workflow.lattice import Lattice

from recipes.settings import with_settings


def job(function=None, **options):
    if function is None:
        return functools.partial(job, **options)
    changes = options.pop("settings_swap", None)
    if changes:
        return job(with_settings(getattr(function, "plain", function), changes), **options)
    return ct.electron(function, **options)


def flow(function=None, **options):
    return functools.partial(flow, **options) if function is None else ct.lattice(function, **options)


def subflow(function=None, **options):
    if function is None:
        return functools.partial(subflow, **options)
    return ct.electron(ct.lattice(function), **options)


def stripped(function):
    if hasattr(function, "electron_object"):
        assert isinstance(function.electron_object, Electron)
        function = function.electron_object.function
    if hasattr(function, "workflow_function"):
        assert isinstance(function, Lattice)
        function = function.workflow_function.get_deserialized()
    return function


def customized(functions, parameters=None, decorators=None):
    """Copies of functions by name, with parameters set and decorators changed; "all" is for all of them."""
    made = {}
    for name, function in functions.items():
        made[name] = copy.deepcopy(function)
        for key in ("all", name):
            if (decorators or {}).get(key) is not None:
                made[name] = decorators[key](stripped(made[name]))
        for key in ("all", name):
            if (parameters or {}).get(key):
                made[name] = functools.partial(made[name], **parameters[key])
    return tuple(made.values())
'''

_RECIPES = '''
"""Jobs and flows that users call."""

from recipes.decorators import customized, flow, job, subflow
from recipes.settings import SETTINGS


@job
def relax(atoms, steps=10, **options):
    """Relaxes atoms."""
    return {"atoms": [*atoms, "relaxed"], "steps": steps, "program": SETTINGS["program"], **options}


@job
def static(atoms, kind="scf"):
    return {"atoms": [*atoms["atoms"], "static"], "kind": kind, "program": SETTINGS["program"]}


@job
def slabs(atoms):
    return [[*atoms["atoms"], number] for number in range(3)]


@subflow
def each(slabs, relax_job, static_job):
    """A number of slabs that is known only when they have been made."""
    results = []
    for slab in slabs:
        relaxed = relax_job(slab)
        results.append(static_job(relaxed) if static_job is not None else relaxed)
    return results


@flow
def bulk_to_slabs(atoms, run_static=True, job_params=None, job_decorators=None):
    relax_, static_ = customized({"relax": relax, "static": static}, job_params, job_decorators)
    bulk = relax(atoms)
    return each(slabs(bulk), relax_, static_ if run_static else None)
'''

_SCRIPT = """
import copy
import functools
import sys

import recipes
from recipes import bulk_to_slabs, customized, each, flow, job, relax, slabs, static, stripped, subflow


def summary(result):
    result.raise_for_status()
    return result.result


def wait(dispatch_id):
    return summary(ct.get_result(dispatch_id, wait=True))


# Outside of Covalent everything is plain Python.
facts["plain"] = [relax(["Cu"])["steps"], len(bulk_to_slabs(["Cu"])), relax.__name__, relax.__doc__]

# Decorators are taken off again, and put on otherwise.
sub, whole = subflow(lambda x: x + 1), flow(lambda x: x + 2)
facts["stripped"] = [
    stripped(relax)(["a"])["atoms"], stripped(sub)(1), stripped(whole)(1), stripped(flow(relax))(["b"])["atoms"],
    [hasattr(stripped(thing), name) for thing in (relax, sub, whole) for name in ("electron_object", "metadata")],
]
placed, other = customized({"relax": relax, "static": static}, decorators={"relax": job(executor="local")})
facts["customized"] = [
    placed.electron_object.executor == "local", other.electron_object.executor is None,
    relax.electron_object.executor is None,
    customized({"w": bulk_to_slabs}, decorators={"w": flow(executor="local")})[0].metadata["executor"],
    customized({"e": each}, decorators={"e": subflow(executor="slurm")})[0].electron_object.executor == "slurm",
]

# A flow of one job, a flow of jobs, and flows of subflows, customised from outside.
dispatched = {
    "one job": ct.dispatch(flow(relax))(["Cu"], steps=5),
    "a subflow": ct.dispatch(flow(each))([["Cu"], ["Ag"]], relax, None),
    "a flow": ct.dispatch(bulk_to_slabs)(["Cu"]),
    "without static": ct.dispatch(bulk_to_slabs)(["Cu"], run_static=False),
    "customised": ct.dispatch(bulk_to_slabs)(
        ["Cu"],
        job_params={"all": {}, "relax": {"steps": 99, "fmax": 0.1}, "static": {"kind": "dos"}},
        job_decorators={"relax": job(settings_swap={"program": "swapped"}), "static": job(executor="local", retries=1)},
    ),
}


@flow
def with_partials(atoms):
    quick = functools.partial(relax, steps=1)
    named = {quick(atoms): "quick", relax(atoms): "slow"}
    assert len({*named, *named}) == 2
    return {value: recipes.static(key) for key, value in named.items()}


@flow
def with_another_flow(atoms):
    return bulk_to_slabs(relax(atoms)["atoms"], run_static=False)


relax.electron_object.executor = ct.executor.LocalExecutor(workdir="relaxing", create_unique_workdir=True)
once = job(settings_swap={"program": "first"})(stripped(relax))
twice = job(settings_swap={"program": "second"})(stripped(once))
dispatched["partials"] = ct.dispatch(with_partials)(["Cu"])
dispatched["another flow"] = ct.dispatch(with_another_flow)(["Cu"])
dispatched["swapped twice"] = ct.dispatch(flow(twice))(["Cu"])

facts["results"] = {name: wait(dispatch_id) for name, dispatch_id in dispatched.items()}
facts["nodes"] = {
    name: [node["node_name"] for node in ct.get_result(dispatch_id).get_all_node_results()]
    for name, dispatch_id in dispatched.items()
}
bulk_to_slabs.build_graph(["Cu"])
copied = copy.deepcopy(bulk_to_slabs)
facts["copied"] = [
    copied(["Cu"]) == bulk_to_slabs(["Cu"]), len(copied.transport_graph.nodes), len(bulk_to_slabs.transport_graph.nodes)
]
own = copy.deepcopy(static.electron_object)
own.executor = "dask"
facts["own"] = [own.executor == "dask", static.electron_object.executor is None, own({"atoms": []})["kind"]]
"""


@pytest.fixture(scope="module")
def told(user: Project) -> dict[str, Any]:
    (user.directory / "recipes").mkdir()
    user.write("recipes/settings.py", _SETTINGS)
    user.write("recipes/decorators.py", _DECORATORS)
    user.write("recipes/core.py", _RECIPES)
    user.write(
        "recipes/__init__.py",
        "from recipes.core import bulk_to_slabs, each, relax, slabs, static\n"
        "from recipes.decorators import customized, flow, job, stripped, subflow\n",
    )
    return user.facts(_SCRIPT, "recipe.py")


def test_outside_of_covalent_recipes_are_plain_python(told: dict[str, Any]) -> None:
    assert told["plain"] == [10, 3, "relax", "Relaxes atoms."]


def test_decorators_come_off_whatever_they_are_above(told: dict[str, Any]) -> None:
    assert told["stripped"] == [["a", "relaxed"], 2, 3, ["b", "relaxed"], [False] * 6]


def test_executors_are_compared_by_the_names_they_were_given_by(told: dict[str, Any]) -> None:
    assert told["customized"] == [True, True, True, "local", True]


def test_flows_of_jobs_and_of_subflows_give_what_they_say(told: dict[str, Any]) -> None:
    results = told["results"]
    assert results["one job"] == {"atoms": ["Cu", "relaxed"], "steps": 5, "program": "plain"}
    assert [slab["atoms"] for slab in results["a subflow"]] == [["Cu", "relaxed"], ["Ag", "relaxed"]]
    assert [slab["atoms"] for slab in results["a flow"]] == [
        ["Cu", "relaxed", number, "relaxed", "static"] for number in range(3)
    ]
    assert [slab["steps"] for slab in results["without static"]] == [10, 10, 10]


def test_a_subflow_is_a_dispatch_of_its_own_and_a_flow_inside_a_flow_is_not(told: dict[str, Any]) -> None:
    assert told["nodes"]["a flow"] == ["relax", "slabs", "each"]
    assert told["nodes"]["a subflow"] == ["each"]
    assert told["nodes"]["another flow"] == ["relax", "relax", "slabs", "each"]


def test_jobs_are_customised_where_they_are_handed_on(told: dict[str, Any]) -> None:
    assert {slab["kind"] for slab in told["results"]["customised"]} == {"dos"}
    assert len(told["results"]["customised"]) == 3


def test_settings_that_a_job_swaps_are_swapped_in_its_task_alone(told: dict[str, Any]) -> None:
    assert told["results"]["swapped twice"]["program"] == "second"
    assert {result["program"] for result in told["results"]["partials"].values()} == {"plain"}


def test_partial_jobs_and_outputs_as_keys_work_in_a_flow(told: dict[str, Any]) -> None:
    assert set(told["results"]["partials"]) == {"quick", "slow"}
    assert told["nodes"]["partials"] == ["relax", "relax", "static", "static", "collect"]


def test_copies_are_of_their_own(told: dict[str, Any]) -> None:
    assert told["copied"] == [True, 0, 3]
    assert told["own"] == [True, True, "scf"]
