"""How and where a task runs: electron, else lattice, else executor, else configuration; key by key, and shown."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import covalent as ct
from covalent import config
from covalent.errors import ConfigError
from covalent.lattice import Lattice
from covalent.wire.codec import to_json
from covalent.wire.manifest import Kind
from tests.unit.sdk.evaluation import evaluated, graph_of

Write = Callable[[str], None]


@ct.electron
def same(value: Any) -> Any:
    return value


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the configuration."""
    monkeypatch.setenv("COVALENT_CONFIG_DIR", str(tmp_path))

    def write(text: str) -> None:
        (tmp_path / "covalent.toml").write_text(text)
        config.reload_config()

    yield write
    config.reload_config()


def metadata(workflow: Any, *args: Any, node: int = 0) -> dict[str, Any]:
    """A node's metadata as they are stored."""
    plain: dict[str, Any] = to_json(graph_of(workflow, *args).nodes[node].metadata)
    return plain


KEYS: list[tuple[str, Any, Any, Any]] = [
    # key, the electron's, the lattice's, the configured one
    ("executor", "e", "l", "c"),
    ("deps_bash", "echo e", "echo l", "echo c"),
    ("retries", 0, 2, 3),
    ("retry_delay", 0.0, 2.0, 3.0),
    ("timeout", 1.0, 2.0, 3.0),
    ("cache", False, True, True),
    ("tags", ["e"], ["l"], ["c"]),
    ("at_most_once", False, True, True),
]


def stored(key: str, plain: dict[str, Any]) -> Any:
    if key == "deps_bash":
        return plain["hooks"]["deps"]["bash"][0]
    return plain[key]


@pytest.mark.parametrize(("key", "own", "lattices", "configured"), KEYS, ids=[key for key, *_ in KEYS])
def test_each_key_is_the_electrons_else_the_lattices_else_the_configured_one(
    write: Write, key: str, own: Any, lattices: Any, configured: Any
) -> None:
    write(f"[defaults]\n{key} = {json.dumps(configured)}\n")

    def found(electron: dict[str, Any], lattice: dict[str, Any]) -> Any:
        task = ct.electron(len, **electron)
        return stored(key, metadata(ct.lattice(lambda: task([]), **lattice)))

    assert found({key: own}, {key: lattices}) == own
    assert found({}, {key: lattices}) == lattices
    assert found({}, {}) == configured
    assert found({key: own}, {}) == own


def test_calls_and_modules_are_resolved_by_themselves_too() -> None:
    task = ct.electron(len, call_before=print, deps_module="json")
    graph = graph_of(ct.lattice(lambda: [task([])], call_before=[print, repr], call_after=[print], deps_module="csv"))
    hooks = graph.nodes[0].metadata.hooks
    assert (len(hooks.call_before), len(hooks.call_after)) == (1, 1)
    assert graph.modules == {"json"}
    assert graph_of(ct.lattice(lambda: len([same(1)]) and same(2), deps_module="csv")).modules == {"csv"}


def test_an_empty_list_is_said_too() -> None:
    task = ct.electron(len, call_before=[], deps_bash=[])
    plain = metadata(ct.lattice(lambda: task([]), call_before=print, deps_bash="echo"))
    assert plain["hooks"] == {"call_before": [], "call_after": []}


def test_the_workflow_executor_is_its_own_else_the_configured_else_where_electrons_run(write: Write) -> None:
    def places(**options: Any) -> list[str]:
        return [node.metadata.executor for node in graph_of(ct.lattice(lambda: [same(1) + 1], **options)).nodes]

    assert places() == ["local", "local", "local"]
    assert places(executor="l") == ["l", "l", "l"]
    assert places(executor="l", workflow_executor="w") == ["l", "w", "w"]
    assert places(executor="l", workflow_executor="client") == ["l", "l", "client"]
    write('[defaults]\nexecutor = "c"\n')
    assert places() == ["c", "c", "c"]
    write('[defaults]\nexecutor = "c"\nworkflow_executor = "v"\n')
    assert places() == ["c", "v", "v"]
    assert places(executor="l") == ["l", "v", "v"]
    assert places(workflow_executor="client") == ["c", "c", "client"]


def test_an_executor_by_name_takes_its_attributes_from_its_table(write: Write) -> None:
    write('[executors.slurm]\naddress = "login"\nconda_env = ""\n[executors.slurm.options]\nnodes = 1\n')
    plain = metadata(ct.electron(len, executor="slurm"), [])
    assert (plain["executor"], plain["executor_data"]) == ("slurm", {"address": "login", "options": {"nodes": 1}})
    assert metadata(ct.electron(len, executor="other"), [])["executor_data"] == {}


def test_an_executor_takes_from_its_table_what_it_leaves_open(write: Write) -> None:
    write('[executors.slurm]\naddress = "login"\nusername = "me"\n[executors.slurm.options]\nnodes = 1\n')
    executor = ct.executor.SlurmExecutor(username="you", options={"nodes": 2})
    plain = metadata(ct.electron(len, executor=executor), [])
    assert plain["executor_data"] == {"address": "login", "username": "you", "options": {"nodes": 2}}
    write('[executors.local]\nworkdir = "/scratch"\ncreate_unique_workdir = true\n')
    assert metadata(same, 1)["executor_data"] == {"workdir": "/scratch", "create_unique_workdir": True}
    local = ct.executor.LocalExecutor(create_unique_workdir=False)
    assert metadata(ct.electron(len, executor=local), [])["executor_data"] == {
        "workdir": "/scratch",
        "create_unique_workdir": False,
    }


def test_what_an_executor_says_of_its_interpreter_or_directory_stands_above_another_word_for_it(write: Write) -> None:
    write('[executors.local]\npython = "/file/python"\n[executors.ssh]\nremote_workdir = "/file"\nconda_env = "file"\n')
    for executor, data in (
        (ct.executor.LocalExecutor(conda_env="mine"), {"conda_env": "mine"}),
        (ct.executor.LocalExecutor(), {"python": "/file/python"}),
        (ct.executor.SSHExecutor(workdir="/mine"), {"workdir": "/mine", "conda_env": "file"}),
        (ct.executor.SSHExecutor(python_path="/mine"), {"python_path": "/mine", "remote_workdir": "/file"}),
    ):
        assert metadata(ct.electron(len, executor=executor), [])["executor_data"] == data


def test_credentials_in_a_table_stay_on_the_machine(write: Write) -> None:
    write('[executors.slurm]\naddress = "login"\npassword = "p"\n[executors.slurm.sshproxy]\nsecret = "s"\n')
    assert metadata(ct.electron(len, executor="slurm"), [])["executor_data"] == {"address": "login"}


def test_an_executors_limits_count_below_what_electron_and_lattice_say_and_above_the_file(write: Write) -> None:
    write("[defaults]\nretries = 9\ntimeout = 9.0\n[executors.dask]\ntime_limit = 8\n")
    limited = ct.executor.LocalExecutor(time_limit=60, retries=2)

    def limits(electron: dict[str, Any], lattice: dict[str, Any]) -> tuple[Any, Any]:
        task = ct.electron(len, **electron)
        plain = metadata(ct.lattice(lambda: task([]), **lattice))
        return plain["timeout"], plain["retries"]

    assert limits({}, {"executor": limited}) == (60.0, 2)
    assert limits({"executor": limited}, {}) == (60.0, 2)
    assert limits({"executor": limited, "retries": 0}, {"timeout": 5}) == (5.0, 0)
    assert limits({"executor": "elsewhere"}, {"executor": limited}) == (9.0, 9)
    assert limits({"executor": "dask"}, {}) == (8.0, 9)
    endless = ct.executor.LocalExecutor(time_limit=-1, retries=0)
    assert limits({"executor": endless}, {}) == (9.0, 0)


def test_limits_that_make_no_sense_are_refused_naming_the_executor() -> None:
    for executor, error in (
        (ct.executor.LocalExecutor(time_limit="1h"), TypeError),  # type: ignore[arg-type] # what is shown
        (ct.executor.LocalExecutor(retries=-1), ValueError),
    ):
        with pytest.raises(error, match="an attribute of the executor 'local': "):
            graph_of(ct.electron(len, executor=executor), [])


def test_an_executor_may_change_while_a_workflow_is_built() -> None:
    executor = ct.executor.SlurmExecutor(options={"nodes": 1})
    task = ct.electron(len, executor=executor)

    def workflow() -> Any:
        outputs = []
        for nodes in (1, 2, 2):
            executor.options = {"nodes": nodes}
            outputs.append(task([]))
        assert isinstance(executor.options, dict)
        executor.options["nodes"] = 3
        return [*outputs, task([])]

    nodes = [node.metadata for node in graph_of(workflow).nodes[:-1]]
    assert [node.executor_data["options"]["nodes"] for node in nodes] == [1, 2, 2, 3]
    assert nodes[1] is nodes[2]


def test_a_lattice_called_inside_another_says_how_its_own_electrons_run() -> None:
    inner = ct.lattice(lambda: same(1) + 1, executor="inner", retries=1)

    @ct.lattice(executor="outer", retries=5, timeout=7)
    def outer() -> Any:
        return [same(0), inner(), same(2)]

    found = [(node.metadata.executor, node.metadata.retries, node.metadata.timeout) for node in graph_of(outer).nodes]
    assert found == [
        ("outer", 5, 7.0), ("inner", 1, 7.0), ("inner", None, None), ("outer", 5, 7.0), ("outer", None, None),
    ]  # fmt: skip


def test_after_an_inner_lattice_has_failed_the_outer_goes_on_with_its_own() -> None:
    @ct.lattice(executor="inner")
    def failing() -> Any:
        raise ValueError

    @ct.lattice(executor="outer")
    def outer() -> Any:
        with pytest.raises(ValueError):  # noqa: PT011 - which one does not matter
            failing()
        return same(1)

    assert graph_of(outer).nodes[0].metadata.executor == "outer"


@pytest.mark.parametrize(
    ("electron", "lattice", "configured"),
    [
        ({"at_most_once": True}, {"retries": 2}, "retries = 3"),
        ({}, {"at_most_once": True}, "retries = 3"),
        ({"retries": 0}, {"at_most_once": True}, ""),
        ({}, {}, "at_most_once = true"),
    ],
)
def test_what_is_never_begun_twice_takes_over_no_retries(
    write: Write, electron: dict[str, Any], lattice: dict[str, Any], configured: str
) -> None:
    write(f"[defaults]\n{configured}\n[executors.local]\nretries = 4\n")
    task = ct.electron(len, **electron)
    found = metadata(ct.lattice(lambda: task([]), **lattice))
    assert (found["at_most_once"], found.get("retries") or 0) == (True, 0)


@pytest.mark.parametrize(
    ("lattice", "configured"), [({"at_most_once": True}, ""), ({}, "at_most_once = true")], ids=["lattice", "file"]
)
def test_retries_of_what_is_never_begun_twice_are_refused_unless_it_is_said_that_it_may_be(
    write: Write, lattice: dict[str, Any], configured: str
) -> None:
    write(f"[defaults]\n{configured}\n")
    retried = ct.electron(len, retries=2)
    with pytest.raises(ValueError, match=r"retries=2 .* at_most_once=True .* at_most_once=False for the electron"):
        metadata(ct.lattice(lambda: retried([]), **lattice))
    may_be = ct.electron(len, retries=2, at_most_once=False)
    assert metadata(ct.lattice(lambda: may_be([]), **lattice))["retries"] == 2


@pytest.mark.parametrize(("of_electron", "of_lattice"), [(True, None), (None, True)], ids=["electron", "lattice"])
def test_a_sublattice_is_built_as_its_tasks_are_begun(of_electron: bool | None, of_lattice: bool | None) -> None:
    inner = ct.electron(ct.lattice(len, at_most_once=of_lattice), at_most_once=of_electron)
    outer = ct.lattice(lambda: inner([]), executor=ct.executor.LocalExecutor(retries=3))
    (node, *_) = graph_of(outer).nodes
    assert (node.kind, node.metadata.at_most_once, node.metadata.retries or 0) == (Kind.SUBLATTICE, True, 0)
    retried = ct.electron(ct.lattice(len, at_most_once=True), retries=2)
    with pytest.raises(ValueError, match="retries=2"):
        metadata(ct.lattice(lambda: retried([])))


def test_metadata_are_seen_in_the_graph_and_in_the_stored_json() -> None:
    executor = ct.executor.LocalExecutor(workdir="/w", retries=1)

    @ct.electron(executor=executor, deps_bash=["echo 1"], call_before=print, call_after=[print, repr], timeout=5)
    def task() -> None: ...

    @ct.lattice(executor="elsewhere", workflow_executor="there", cache=True, retry_delay=2)
    def workflow() -> Any:
        return [task()]

    workflow.build_graph()
    found = workflow.transport_graph.get_node_value(0, "metadata")
    assert found.executor_data == {"workdir": "/w", "retries": 1}
    plain = json.loads(workflow.transport_graph.serialize_to_json())["nodes"][0]["metadata"]
    assert {name: value for name, value in plain.items() if name != "hooks"} == {
        "executor": "local",
        "executor_data": {"workdir": "/w", "retries": 1},
        "retries": 1,
        "retry_delay": 2.0,
        "timeout": 5.0,
        "cache": True,
        "env": {},
    }
    assert plain["hooks"]["deps"] == {"bash": ["echo 1"], "pip": []}
    assert (len(plain["hooks"]["call_before"]), len(plain["hooks"]["call_after"])) == (1, 2)
    said = json.loads(workflow.serialize_to_json())["attributes"]["metadata"]
    assert said == workflow.metadata
    assert (said["executor"], said["workflow_executor"], said["workflow_executor_data"]) == ("elsewhere", "there", None)
    assert said["hooks"] == {
        "deps": {"bash": None, "pip": None, "module": None},
        "call_before": None,
        "call_after": None,
    }
    assert task.electron_object.metadata["hooks"]["deps"]["bash"]["attributes"]["commands"] == ["echo 1"]


# -- the file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[defaults]\ncolour = 1\n",
            r"\[defaults\] in .*covalent\.toml: colour is no default of tasks; there are",
        ),
        ("[defaults]\nretries = -1\n", r"\[defaults\] in .*: retries is how many failed attempts"),
        ("[defaults]\ncall_before = 'x'\n", "call_before is no default"),
        ("[defaults]\ndeps_module = 'no_such_module'\n", "No module named 'no_such_module'"),
        ("[defaults.executor]\nworkdir = '/w'\n", r"executor is an executor's short name, .*\[executors\.NAME\]"),
        ("[defaults]\nexecutor = 'client'\n", "would leave tasks to nobody"),
        ("defaults = 3\n", r"defaults in .* is a table, \[defaults\], not 3"),
        ("executors = 3\n", r"executors in .* is a table"),
        ("[executors]\nslurm = 3\n", r"executors\.slurm in .* is a table, \[executors\.slurm\], not 3"),
    ],
)
def test_defaults_that_make_no_sense_are_told_when_a_workflow_is_built(write: Write, text: str, message: str) -> None:
    write(text)
    with pytest.raises(ConfigError, match=message):
        graph_of(same, 1)


def test_defaults_are_read_when_a_workflow_is_built_and_not_when_it_is_decorated(write: Write) -> None:
    lattice = ct.lattice(lambda: same(1))
    write("[defaults]\nretries = 1\n")
    assert metadata(lattice)["retries"] == 1
    write("[defaults]\nretries = 2\n")
    assert metadata(lattice)["retries"] == 2
    ct.set_config("defaults.retries", 3)
    assert metadata(lattice)["retries"] == 3


def test_decorating_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "covalent.toml").write_text("not TOML")
    program = (
        "import covalent as ct\n"
        "@ct.electron(executor='slurm')\ndef f(x): return x\n"
        "@ct.lattice(executor='local')\ndef w(): return f(1)\n"
        "assert w() == 1 and f(2) == 2\n"
        "try:\n    w.build_graph()\nexcept ct.errors.ConfigError:\n    print('read')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env={"COVALENT_CONFIG_DIR": str(tmp_path)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert run.stdout == "read\n"


# -- sublattices


def opened(outer: Lattice[...], *args: Any) -> Lattice[...]:
    """The lattice that the first sublattice's task builds, as a worker opens it."""
    graph = graph_of(outer, *args)
    node = next(node for node in graph.nodes if node.kind == "sublattice")
    lattice: Lattice[...] = graph.assets[node.function].get_deserialized()
    return lattice


def test_a_sublattice_fills_what_it_leaves_open_from_its_parent_key_by_key() -> None:
    sub = ct.electron(ct.lattice(lambda: [same(1) + 1], executor="own", retries=1))
    outer = ct.lattice(sub, executor="outer", retries=5, timeout=7, call_before=print, workflow_executor="w")
    inner = opened(outer)
    inner.build_graph()
    graph = json.loads(inner.transport_graph.serialize_to_json())
    first, operator, collect = (node["metadata"] for node in graph["nodes"])
    assert (first["executor"], first["retries"], first["timeout"]) == ("own", 1, 7.0)
    assert len(first["hooks"]["call_before"]) == 1
    assert (operator["executor"], collect["executor"]) == ("w", "w")
    assert cast("Lattice[...]", sub.electron_object.function).options.timeout is None


def test_an_electrons_options_are_for_building_the_sublattice_and_its_executor_for_what_is_in_it_too() -> None:
    sub = ct.electron(ct.lattice(lambda: same(1)), executor="there", retries=3)
    graph = graph_of(ct.lattice(sub, executor="outer", workflow_executor="w", timeout=7))
    node = graph.nodes[0].metadata
    assert (graph.nodes[0].kind, node.executor, node.retries, node.timeout) == ("sublattice", "there", 3, None)
    inner = opened(ct.lattice(sub, executor="outer"))
    assert inner.executor == "there"
    assert "retries" not in metadata(inner)
    elsewhere = ct.electron(ct.lattice(lambda: same(1)))
    assert graph_of(ct.lattice(elsewhere, executor="outer")).nodes[0].metadata.executor == "outer"


def test_a_sublattice_takes_the_configuration_of_who_dispatches_along(write: Write) -> None:
    write('[defaults]\nretries = 4\n[executors.slurm]\naddress = "login"\n')
    there = ct.electron(len, executor="slurm")
    sub = ct.electron(ct.lattice(lambda: [there([]), same(1)]))
    inner = opened(ct.lattice(sub))
    write('[defaults]\nretries = 7\n[executors.slurm]\naddress = "another"\n')
    inner.build_graph()
    nodes = inner.transport_graph.nodes
    assert nodes[0].metadata.executor_data == {"address": "login"}
    assert [node.metadata.retries for node in nodes[:2]] == [4, 4]


def test_a_sublattices_value_is_never_left_to_the_client() -> None:
    sub = ct.electron(ct.lattice(lambda: [same(1)]))
    inner = opened(ct.lattice(sub, executor="l", workflow_executor="client"))
    inner.build_graph()
    assert [node.metadata.executor for node in inner.transport_graph.nodes] == ["l", "l"]


def test_modules_for_a_sublattice_are_sent_with_the_workflow_around_it() -> None:
    sub = ct.electron(ct.lattice(lambda: same(1), deps_module="json"))
    assert graph_of(sub).modules == {"json"}


def test_a_sublattice_is_stored_once_and_anew_when_what_it_closes_over_has_changed() -> None:
    def workflow() -> Any:
        outputs = []
        for number in range(2):
            sub = ct.electron(ct.lattice(lambda: same(number)))  # noqa: B023 - what it closes over changes
            outputs += [sub(), sub()]
        return outputs

    functions = [node.function for node in graph_of(workflow).nodes[:-1]]
    assert functions[0] == functions[1]
    assert functions[2] == functions[3]
    assert evaluated(workflow) == [0, 0, 1, 1]


def test_variables_are_merged_one_by_one_from_the_executor_to_the_electron() -> None:
    @ct.electron(executor=ct.executor.LocalExecutor(env={"A": "executor", "B": "executor", "C": "executor"}))
    def plain() -> int:
        return 1

    @ct.electron(executor=plain.electron_object.executor, env={"C": "electron"})
    def own() -> None: ...

    workflow = ct.lattice(lambda: [plain() + 1, own()], env={"B": "lattice", "C": "lattice"})
    workflow.build_graph()
    nodes = {node.name: node.metadata.env for node in workflow.transport_graph.nodes}
    assert nodes["own"] == {"A": "executor", "B": "lattice", "C": "electron"}
    assert nodes["plain"] == {"A": "executor", "B": "lattice", "C": "lattice"}
    assert nodes["add"] == {"B": "lattice", "C": "lattice"}


@pytest.mark.parametrize(
    ("env", "error", "words"),
    [
        ("A=1", TypeError, "env is a dict of environment variables such as"),
        ({"A": 1}, TypeError, "names and values in env are text; write env={'A': '1'}"),
        ({"1A": ""}, ValueError, "is no name of a variable"),
        ({"PYTHONPATH": "/mine"}, ValueError, "env cannot set PYTHONPATH"),
        ({"A": "\0"}, ValueError, "the value of A in env holds a NUL character"),
    ],
)
def test_variables_that_cannot_be_set_are_told_where_they_are_written(
    env: Any, error: type[Exception], words: str
) -> None:
    for decorator in (ct.electron, ct.lattice):
        with pytest.raises(error, match=words):
            decorator(env=env)(lambda: None)
    with pytest.raises(error, match=words):
        ct.lattice(lambda: ct.electron(len, executor=ct.executor.LocalExecutor(env=env))([])).build_graph()


def test_a_variable_may_be_named_as_a_secret(write: Callable[[str], None]) -> None:
    write('[executors.local.env]\nA = { secret = "of-the-file" }\nB = "text"\n')

    @ct.electron(executor="local", env={"C": ct.Secret("of-the-electron")})
    def task() -> int:
        return 1

    @ct.electron(executor=ct.executor.LocalExecutor(env={"D": ct.Secret("of-the-executor")}))
    def other() -> None:
        return None

    workflow = ct.lattice(lambda: [task(), other(), task() + 1], env={"E": ct.Secret("of-the-lattice")})
    workflow.build_graph()
    nodes = {node.name: node.metadata.env for node in workflow.transport_graph.nodes}
    assert nodes["task"] == {
        "A": {"secret": "of-the-file"}, "B": "text", "C": {"secret": "of-the-electron"},
        "E": {"secret": "of-the-lattice"},
    }  # fmt: skip
    assert nodes["other"] == {"D": {"secret": "of-the-executor"}, "E": {"secret": "of-the-lattice"}}
    again: ct.Lattice[...] = ct.Lattice.deserialize_from_json(workflow.serialize_to_json())
    again.build_graph()
    assert {node.name: node.metadata.env for node in again.transport_graph.nodes} == nodes


@pytest.mark.parametrize(
    ("tags", "error", "words"),
    [
        ("vasp", TypeError, "write tags=\\['vasp'\\]"),
        (5, TypeError, "tags is a list of words"),
        ([5], TypeError, "a tag is a text"),
        ([""], ValueError, "one line of 1 to 200 characters"),
        (["a\nb"], ValueError, "one line of 1 to 200 characters"),
        ([str(number) for number in range(101)], ValueError, "a task has at most 100 tags, not 101"),
    ],
)
def test_tags_that_make_no_sense_are_told_where_they_are_written(tags: Any, error: type[Exception], words: str) -> None:
    for decorator in (ct.electron, ct.lattice):
        with pytest.raises(error, match=words):
            decorator(tags=tags)(lambda: None)


def test_tags_are_of_calls_of_electrons_alone() -> None:
    @ct.electron
    def plain() -> int:
        return 1

    @ct.electron(tags=())
    def none() -> int:
        return 1

    workflow = ct.lattice(lambda: [plain() + 1, none()], tags={"b", "a"})
    workflow.build_graph()
    nodes = {node.name: node.metadata.tags for node in workflow.transport_graph.nodes}
    assert nodes == {"plain": ("a", "b"), "add": None, "none": None, "collect": None}
    stored: Lattice[Any] = Lattice.deserialize_from_json(workflow.serialize_to_json())
    assert stored.metadata["tags"] == ["a", "b"]
    assert '"tags"' not in json.dumps(metadata(workflow, node=1))
