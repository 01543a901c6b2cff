"""The public names, as scripts use them that were written for Covalent, in an environment with the SDK alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.programs import Project

_MAKING = """
import importlib.util
import inspect
import pickle
import warnings

warnings.simplefilter("error")

facts["alone"] = [importlib.util.find_spec(name) is None for name in ("covalent_server", "pytest", "aiohttp")]


@ct.electron
def plain(x, y: int = 2, *, z=3):
    "What it does."
    return x + y + z


@ct.electron(executor="local", retries=1)
def configured(x):
    return x


class Method:
    @ct.electron
    def doubled(self, x):
        return 2 * x


@ct.lattice
def workflow(x, y: int = 2):
    "What it does."
    return plain(x, y)


@ct.electron
@ct.lattice
def sublattice(x):
    return plain(x)


facts["outside"] = [
    plain(1), configured(5), ct.electron(lambda x: x + 1)(1), ct.electron(len)([1, 2]), Method().doubled(4),
    workflow(1), sublattice(1), ct.wait("child", [1, 2]), ct.electron(workflow)(2),
]
facts["kept"] = [str(inspect.signature(plain)), plain.__doc__, plain.__name__, str(inspect.signature(workflow))]
facts["types"] = [type(workflow).__name__, type(plain.electron_object).__name__, workflow.__name__, workflow.__doc__]
facts["function"] = [
    plain.electron_object.function(1, 1, z=1), isinstance(sublattice.electron_object.function, ct.Lattice),
    workflow.workflow_function.get_deserialized()(2), plain.electron_object.executor,
    configured.electron_object.metadata["executor"],
]
plain.electron_object.executor = ct.executor.LocalExecutor(workdir="later")
facts["later"] = plain.electron_object.metadata["executor_data"]["workdir"]
plain.electron_object.executor = None
facts["metadata"] = [json.loads(json.dumps(plain.electron_object.metadata))["executor"], workflow.metadata["retries"]]

local = ct.executor.LocalExecutor(workdir="here", create_unique_workdir=True)
local.workdir = "there"
described = json.loads(json.dumps(local.to_dict()))
facts["executor"] = [
    described["type"], described["short_name"], described["attributes"]["workdir"],
    ct.executor.LocalExecutor.from_dict(described) == local,
]

deps = [
    ct.DepsBash("ls"), ct.DepsBash(["a", "b"]), ct.DepsModule("json"),
    ct.DepsCall(len, [[1, 2]], {}, retval_keyword="n"),
]
facts["deps"] = [json.loads(json.dumps(each.to_dict()))["type"] for each in deps]

status = ct.status
facts["statuses"] = [
    status.NEW_OBJECT, status.RUNNING, status.COMPLETED, status.FAILED, status.CANCELLED, status.DISPATCHING,
    status.POSTPROCESSING, status.PENDING_POSTPROCESSING, status.FAILED_POSTPROCESSING, status.PENDING_REUSE,
    status.PENDING_REPLACEMENT,
]
facts["aliases"] = [status.STARTING is status.DISPATCHING, status.POSTPROCESSING_FAILED is status.FAILED_POSTPROCESSING]
facts["equal"] = status.COMPLETED == "COMPLETED" and str(status.FAILED) == "FAILED"


def documented(x):
    "What it does."


TO = ct.TransportableObject
to = TO({"a": (1, 2)})
facts["transportable"] = [
    to.get_deserialized() == {"a": (1, 2)},
    TO.from_dict(json.loads(json.dumps(to.to_dict()))) == to,
    TO.deserialize(to.serialize()) == to,
    TO.deserialize_from_json(to.serialize_to_json()) == to,
    TO.make_transportable(to) is to,
    TO.make_transportable(5).get_deserialized() == 5,
    TO.deserialize_list([TO(1), TO(2)]) == [1, 2],
    TO.deserialize_dict({"a": TO(1)}) == {"a": 1},
    to.object_string == "{'a': (1, 2)}",
    json.loads(TO([1, 2]).json) == [1, 2],
    to.header["py_version"] == to.python_version == ".".join(map(str, sys.version_info[:3])),
    {name: TO(documented).attrs[name] for name in ("name", "doc")} == {"name": "documented", "doc": "What it does."},
    TO.deserialize(to.serialize(), header_only=True).object_string == to.object_string,
    TO.deserialize(to.serialize(), string_only=True).object_string == to.object_string,
]

facts["context"] = [getattr(ct.get_context(), name) for name in ("dispatch_id", "task_id", "attempt", "checkpoint_dir")]
facts["testing"] = ct.testing.run(workflow)(1)


def without_the_server():
    with ct.testing.server():
        pass


facts["no server here"] = [raised(without_the_server), raised(ct.covalent_start)]
facts["names"] = sorted(set(ct.__all__) - set(dir(ct)))
"""


@pytest.fixture(scope="module")
def made(user: Project) -> dict[str, Any]:
    return user.facts(_MAKING, "making.py", COVALENT_SERVER_URL="http://127.0.0.1:1")


def test_the_client_has_the_sdk_and_neither_the_server_nor_the_tests_tools(made: dict[str, Any]) -> None:
    assert made["alone"] == [True, True, True]


def test_electrons_and_lattices_are_plain_functions_outside(made: dict[str, Any]) -> None:
    assert made["outside"] == [6, 5, 2, 2, 8, 6, 6, "child", 7]
    assert made["kept"] == ["(x, y: int = 2, *, z=3)", "What it does.", "plain", "(x, y: int = 2)"]
    assert made["types"] == ["Lattice", "Electron", "workflow", "What it does."]


def test_what_old_code_leans_on_is_there(made: dict[str, Any]) -> None:
    assert made["function"] == [3, True, 7, None, "local"]
    assert made["later"] == "later"
    assert made["metadata"] == [None, None]


def test_executors_and_deps_are_metadata_that_json_can_say(made: dict[str, Any]) -> None:
    assert made["executor"] == ["LocalExecutor", "local", "there", True]
    assert made["deps"] == ["DepsBash", "DepsBash", "DepsModule", "DepsCall"]


def test_statuses_equal_their_strings(made: dict[str, Any]) -> None:
    assert made["statuses"] == [
        *("NEW_OBJECT", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "DISPATCHING", "POSTPROCESSING"),
        *("PENDING_POSTPROCESSING", "FAILED_POSTPROCESSING", "PENDING_REUSE", "PENDING_REPLACEMENT"),
    ]
    assert made["aliases"] == [True, True]
    assert made["equal"] is True


def test_an_object_travels_in_every_form(made: dict[str, Any]) -> None:
    assert made["transportable"] == [True] * 14


def test_outside_of_a_task_there_is_no_context(made: dict[str, Any]) -> None:
    assert made["context"] == [None] * 4


def test_what_needs_more_than_the_sdk_says_so_and_the_rest_works_without(made: dict[str, Any]) -> None:
    assert made["testing"] == 6
    assert all("covalent-server" in message for message in made["no server here"]), made["no server here"]
    assert made["names"] == []


_EARLIER = """
import copy
import functools
import warnings

from covalent._workflow.lattice import Lattice


@ct.electron
def add(a, b):
    return a + b


@ct.electron
@ct.lattice
def each(job, values):
    return [job(value) for value in values]


@ct.lattice
def workflow(values):
    customised = functools.partial(copy.deepcopy(add), 10)
    bound = customised(1)
    return each(customised, values), {bound: "a key"}, copy.deepcopy(bound)


facts["lattice"] = [Lattice is ct.Lattice, isinstance(workflow, Lattice)]
facts["value"] = repr(ct.dispatch_sync(copy.deepcopy(workflow))([1, 2]).result)
facts["lattice of an electron"] = ct.dispatch_sync(ct.lattice(add))(1, 2).result
facts["electron as an argument"] = ct.dispatch_sync(ct.lattice(lambda job: job(3, 4)))(add).result

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    old = ct.electron(backend="local")(len)
    ct.lattice(results_dir="./results")(len)
    dispatch_id = workflow.dispatch([1])
facts["warned"] = [[each.category.__name__, str(each.message)] for each in caught]
facts["taken"] = [old.electron_object.metadata["executor"], ct.get_result(dispatch_id, wait=True).status]

slurm = ct.executor.SlurmExecutor(username="me", address="cluster", options={"time": "01:00:00"})
slurm.options["nodes"] = 2
facts["slurm"] = json.loads(json.dumps(slurm.to_dict()))
dask = ct.executor.DaskExecutor(scheduler_address="tcp://localhost:8786", workdir="there", create_unique_workdir=True)
facts["dask"] = [dask.short_name, dask.to_dict()["attributes"]["scheduler_address"]]
"""


def test_scripts_of_earlier_covalents_run_with_a_warning_where_names_have_changed(user: Project) -> None:
    found = user.facts(_EARLIER, "earlier.py")
    assert found["lattice"] == [True, True]
    assert found["value"] == repr(([11, 12], {11: "a key"}, 11))
    assert (found["lattice of an electron"], found["electron as an argument"]) == (3, 7)
    assert [category for category, _ in found["warned"]] == ["DeprecationWarning"] * 3
    assert ["executor" in found["warned"][0][1], "results_dir" in found["warned"][1][1]] == [True, True]
    assert found["taken"] == ["local", "COMPLETED"]
    assert found["slurm"]["short_name"] == "slurm"
    assert found["slurm"]["attributes"]["options"] == {"time": "01:00:00", "nodes": 2}
    assert found["dask"] == ["dask", "tcp://localhost:8786"]


def test_the_configuration_of_an_earlier_covalent_is_read_and_left_as_it_is(user: Project) -> None:
    port = user.installation.environ["COVALENT_SVC_PORT"]
    configuration = user.directory / "earlier"
    configuration.mkdir()
    conf = configuration / "covalent.conf"
    conf.write_text(f'[dispatcher]\naddress = "localhost"\nport = {port}\n')
    before = conf.read_bytes()
    found = user.facts(
        'facts["value"] = ct.dispatch_sync(ct.lattice(lambda: 1))().result',
        "configured.py",
        COVALENT_SERVER_URL="",
        COVALENT_SVC_PORT="",
        COVALENT_CONFIG_DIR=str(configuration),
        COVALENT_API_TOKEN=user.installation.token,
    )
    assert found == {"value": 1}
    assert conf.read_bytes() == before
    assert list(configuration.iterdir()) == [conf]


_ASKING = """
import asyncio
import os
import time


@ct.electron
def add(a, b):
    return a + b


@ct.electron
def context():
    c = ct.get_context()
    open(os.path.join(c.checkpoint_dir, f"attempt {c.attempt}"), "x").close()
    if c.attempt < 2:
        raise LookupError("again")
    return [c.dispatch_id, c.task_id, c.attempt, sorted(os.listdir(c.checkpoint_dir))]


@ct.electron
def variable():
    return os.environ.get("COLOUR")


@ct.lattice(retries=1)
def workflow(a, *, b=2):
    return {"sum": add(a, b), "context": context(), "variable": variable()}


@ct.lattice
def small(n):
    return add(n, n)


dispatch_id = ct.dispatch(workflow, name="named", tags=["first", "second"], env={"COLOUR": "green"}, priority=3)(1, b=5)
facts["id"] = [dispatch_id, ct.get_result(dispatch_id, wait=True, status_only=True)]
facts["value"] = ct.get_result(dispatch_id).result
facts["sync"] = ct.dispatch_sync(small)(4).result
facts["address"] = ct.dispatch_sync(small, os.environ["COVALENT_SERVER_URL"])(5).result
held = ct.dispatch(small, disable_run=True)(1)
facts["registered"] = [ct.get_result(held).status, ct.get_result(held).get_node_result(0)["status"]]
facts["started"] = ct.get_result(ct.redispatch(held)(), wait=True).result
facts["cancelled"] = [held in ct.cancel(held), ct.get_result(held).status]
facts["missing"] = raised(ct.get_result, "no-such-id")
found = ct.dispatches(name="named", tag="second", status="COMPLETED", limit=1)
facts["found"] = [result.dispatch_id for result in found]
facts["not found"] = len(ct.dispatches(name="named", tag="third"))


async def asynchronous():
    ids = await asyncio.gather(*(ct.adispatch(small)(n) for n in range(3)))
    results = await asyncio.gather(*(ct.aget_result(dispatch_id, wait=True) for dispatch_id in ids))
    return [result.result for result in results], ids[0] in await ct.acancel(ids[0])


facts["asynchronous"] = asyncio.run(asynchronous())
facts["running"] = ct.is_covalent_running()

before = sorted(os.listdir(os.environ["COVALENT_CONFIG_DIR"]))
facts["config"] = [
    ct.get_config("dispatcher.address"), ct.get_config(["dispatcher.address", "dispatcher.port"]),
    ct.get_config(["dispatcher.address"]), raised(ct.get_config, "no.such"),
]
facts["nothing is written"] = sorted(os.listdir(os.environ["COVALENT_CONFIG_DIR"])) == before
"""


@pytest.fixture(scope="module")
def asked(user: Project) -> dict[str, Any]:
    return user.facts(_ASKING, "asking.py")


def test_a_dispatch_is_started_waited_for_and_found_again(asked: dict[str, Any]) -> None:
    dispatch_id, status = asked["id"]
    assert status == {"id": dispatch_id, "status": "COMPLETED"}
    assert (asked["value"]["sum"], asked["sync"], asked["address"]) == (6, 8, 10)
    assert asked["found"] == [dispatch_id]
    assert asked["not found"] == 0
    assert asked["missing"].startswith("MissingLatticeRecordError: ")


def test_a_dispatch_may_be_registered_only(asked: dict[str, Any]) -> None:
    assert asked["registered"] == ["NEW_OBJECT", "NEW_OBJECT"]
    assert asked["started"] == 2
    assert asked["cancelled"] == [True, "CANCELLED"]


def test_a_task_knows_its_context_and_keeps_files_from_one_attempt_to_the_next(asked: dict[str, Any]) -> None:
    assert asked["value"]["context"] == [asked["id"][0], 1, 2, ["attempt 1", "attempt 2"]]


def test_a_dispatchs_variables_are_set_for_its_tasks(asked: dict[str, Any]) -> None:
    assert asked["value"]["variable"] == "green"


def test_the_async_twins_give_the_same(asked: dict[str, Any]) -> None:
    assert asked["asynchronous"] == [[0, 2, 4], True]


def test_settings_are_read_by_dotted_keys_and_nothing_is_written_by_looking(
    asked: dict[str, Any], user: Project
) -> None:
    address, both, one, unknown = asked["config"]
    assert (address, one) == ("localhost", "localhost")
    assert both == {"dispatcher.address": "localhost", "dispatcher.port": both["dispatcher.port"]}
    assert str(both["dispatcher.port"]) == user.installation.environ["COVALENT_SVC_PORT"]
    assert unknown.startswith("KeyError: ")
    assert asked["nothing is written"] is True


def test_the_server_is_found_by_address_and_port_or_by_a_setting(user: Project) -> None:
    script = """
    import os


    @ct.lattice
    def workflow():
        return 1


    if "PORT" in os.environ:
        ct.set_config("dispatcher.port", int(os.environ["PORT"]))
        ct.reload_config()
    facts["value"] = ct.dispatch_sync(workflow)().result
    facts["port"] = ct.get_config("dispatcher.port")
    """
    port = user.installation.environ["COVALENT_SVC_PORT"]
    by_variables = user.facts(script, "found.py", COVALENT_SERVER_URL="", COVALENT_DISPATCHER_ADDR="localhost")
    assert by_variables == {"value": 1, "port": int(port)}
    configuration = user.directory / "configuration"
    by_setting = user.facts(
        script,
        "found.py",
        COVALENT_SERVER_URL="",
        COVALENT_SVC_PORT="",
        COVALENT_CONFIG_DIR=str(configuration),
        COVALENT_API_TOKEN=user.installation.token,
        PORT=port,
    )
    assert by_setting == {"value": 1, "port": int(port)}
    assert (configuration / "covalent.toml").exists()
