"""Tasks that are about whole workflows: sublattices, which are built by them, and workflow functions that run again."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import covalent as ct
from covalent import workflows
from covalent.hydration import Package
from covalent.lattice import Lattice
from covalent.transportable import TransportableObject
from covalent.wire import INLINE_ASSET_BYTES, INLINE_MESSAGE_BYTES
from covalent.wire.manifest import Kind
from covalent.wire.places import host_identity
from covalent.wire.work import Outcome
from tests.integration.worker.conftest import Workers, eventually, kill
from tests.integration.worker.fake_server import DEADLINE, FakeServer, FakeTask, by_value
from tests.unit.sdk.evaluation import evaluate


def sublattice(fake: FakeServer, function: Callable[..., Any], *args: Any, **options: Any) -> FakeTask:
    """The task that builds a lattice of a function that stands, as it were, in a user's script."""
    workflow = ct.lattice(by_value(function))
    return fake.submit(fake.put(workflow), *args, kind=Kind.SUBLATTICE, **options)


def made(fake: FakeServer, task: FakeTask) -> Package:
    completion = fake.outcome(task)
    assert completion.outcome is Outcome.COMPLETED, completion.error
    assert completion.output is not None
    return fake.package(completion.output)


def value(package: Package) -> Any:
    """What the workflow gives that a sublattice's task has made."""
    graph = Lattice.stored(package.manifest, package.assets.__getitem__).transport_graph
    return evaluate(graph, {digest: asset.serialize() for digest, asset in package.assets.items()})


def squares(numbers: list[int], *, offset: int = 0) -> list[int]:
    import covalent as ct

    @ct.electron
    def square(number: int) -> int:
        return number * number + offset

    return [square(number) for number in numbers if number % 2]


# -- sublattices


@pytest.mark.usefixtures("worker")
def test_a_sublattice_is_built_with_the_outputs_of_other_tasks(fake: FakeServer) -> None:
    numbers = fake.put([1, 2, 3, {"more": 5}])
    argument = {"list": [{"node": 0, "path": [["item", 0]]}, {"node": 0, "path": [["item", 3], ["item", "more"]]}]}
    task = sublattice(fake, squares, argument, outputs={"0": numbers}, offset=1)
    package = made(fake, task)
    assert value(package) == [2, 26]
    assert [node.name for node in package.manifest.graph.nodes] == ["square", "square", "collect"]
    assert package.manifest.inputs is not None
    inputs = package.assets[package.manifest.inputs].get_deserialized()
    assert inputs == {"args": ([1, 5],), "kwargs": {"offset": 1}}


@pytest.mark.usefixtures("worker")
def test_what_is_known_of_a_manifest_without_opening_it_is_how_many_tasks_it_has(fake: FakeServer) -> None:
    completion = fake.outcome(sublattice(fake, squares, {"asset": fake.put([1, 3, 5])}))
    header = TransportableObject.from_buffer(fake.assets[completion.output or ""]).header
    assert (header.codec, header.object_string) == ("manifest", "4 tasks of squares")


@pytest.mark.usefixtures("worker")
def test_local_tasks_of_a_sublattice_run_in_the_interpreter_and_on_the_host_that_built_it(
    fake: FakeServer, tmp_path: Path
) -> None:
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    python.symlink_to(sys.executable)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    library = tmp_path / "env" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    library.mkdir(parents=True)
    (library / "base.pth").write_text(f"import site; site.addsitedir({packages!r})\n")
    package = made(fake, sublattice(fake, squares, {"asset": fake.put([1])}, executor={"python": str(python)}))
    for node in package.manifest.graph.nodes:
        assert node.metadata.executor == "local"
        assert node.metadata.executor_data["python"] == str(python)
        assert node.metadata.executor_data["host"] == host_identity()


@pytest.mark.usefixtures("worker")
def test_an_error_in_the_workflow_function_is_told_with_the_users_traceback_alone(fake: FakeServer) -> None:
    def failing(limit: int) -> None:
        if limit < 3:
            raise ValueError("no structure below three")

    completion = fake.outcome(sublattice(fake, failing, 2))
    assert completion.outcome is Outcome.FAILED
    assert completion.error is not None
    assert completion.error.startswith("Traceback (most recent call last):")
    assert "in failing" in completion.error
    assert completion.error.endswith("ValueError: no structure below three")
    assert "covalent/" not in completion.error
    assert fake.value(fake.submit(lambda: "well")) == "well"


def takes_nothing() -> None:
    """Be called with an argument."""


def hands_over_a_lock(_: int) -> object:
    import threading

    import covalent as ct

    return ct.electron(lambda y: y)(threading.Lock())


def asks_a_value_to_be(x: int) -> int:
    import covalent as ct

    return 1 if ct.electron(lambda y: y)(x) else 2


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (takes_nothing, "Too many positional arguments given, expected 0, received 1"),
        (hands_over_a_lock, "the argument 'y' of <lambda> cannot be serialised"),
        (asks_a_value_to_be, "a condition (if, and, or, not, bool)"),
    ],
)
def test_a_lattice_that_cannot_be_built_says_why(fake: FakeServer, function: Callable[..., Any], words: str) -> None:
    completion = fake.outcome(sublattice(fake, function, 1))
    assert completion.outcome is Outcome.FAILED
    assert words in (completion.error or "")


@pytest.mark.usefixtures("worker")
def test_hooks_run_around_the_building_and_hand_values_over(fake: FakeServer) -> None:
    task = sublattice(
        fake,
        squares,
        {"asset": fake.put([3])},
        bash=["echo command"],
        before=[{"function": lambda: 7, "retval_keyword": "offset"}],
        after=[{"function": lambda: print("after")}],
    )
    assert value(made(fake, task)) == [16]
    assert task.text() == "command\nafter\n"


def test_assets_of_all_sizes_and_numbers_arrive_before_or_with_the_completion(
    fake: FakeServer, worker: subprocess.Popen[bytes]
) -> None:
    def many(count: int) -> list[int]:
        import covalent as ct

        @ct.electron
        def length(data: bytes) -> int:
            return len(data)

        sizes = [1000] * count + [50_000] * 40 + [300_000] * 2
        return [length(number.to_bytes(4, "big") * (size // 4)) for number, size in enumerate(sizes)]

    package = made(fake, sublattice(fake, many, 500))
    assert value(package) == [1000] * 500 + [50_000] * 40 + [300_000] * 2
    sizes = [asset.size for asset in package.assets.values()]
    assert sum(size for size in sizes if size <= INLINE_ASSET_BYTES) > 2 * INLINE_MESSAGE_BYTES
    uploads = [request for request in fake.requests if request.startswith("PUT")]
    assert len(uploads) == sum(size > INLINE_ASSET_BYTES for size in sizes) + 1  # the manifest is large, too
    together = [poll for poll in fake.polls if poll.assets and not poll.completions]
    assert 1 <= len(together) < 10
    assert worker.poll() is None


def test_what_a_sublattice_gave_is_sent_by_the_next_worker_when_its_own_is_killed(
    fake: FakeServer, workers: Workers, tmp_path: Path
) -> None:
    def slow(path: str) -> list[int]:
        import os
        import time

        import covalent as ct

        while not os.path.exists(path):  # noqa: PTH110 - it takes no globals along
            time.sleep(0.005)
        length = ct.electron(len)
        return [length(bytes(size)) for size in (10, 50_000, 200_000)]

    worker = workers.start()
    task = sublattice(fake, slow, str(tmp_path / "go"))
    fake.wait(lambda: task.started)
    fake.refused = 503
    (tmp_path / "go").write_text("")
    spools = workers.directory / "workers"
    eventually(lambda: any(b'"outcome":"completed"' in path.read_bytes() for path in spools.glob("*/spool/*")))
    kill(worker.pid)
    worker.wait(DEADLINE)
    assert task.completion is None
    fake.refused = 0
    workers.start()
    assert value(made(fake, task)) == [10, 50_000, 200_000]
    assert task.leased == 1


@pytest.mark.usefixtures("worker")
def test_the_users_own_modules_are_found_again_where_they_were_unpacked(
    fake: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package_directory = tmp_path / "steps_of_a_test"
    package_directory.mkdir()
    (package_directory / "__init__.py").write_text("")
    (package_directory / "data.txt").write_text("5")
    (package_directory / "tasks.py").write_text(
        "from pathlib import Path\n"
        "import covalent as ct\n"
        "@ct.electron\n"
        "def add(x): return x + int(Path(__file__).with_name('data.txt').read_text())\n"
        "@ct.lattice\n"
        "def inner(count): return [add(number) for number in range(count)]\n"
        "@ct.lattice\n"
        "def outer(count): return ct.electron(inner)(count)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        outer = importlib.import_module("steps_of_a_test.tasks").outer
        sent = workflows.build(outer, (3,), {})
        for asset in sent.assets.values():
            fake.put_bytes(asset.serialize())
        (node,) = sent.manifest.graph.nodes
        task = fake.submit(node.function, *node.args, kind=node.kind, project=sent.manifest.project)
        package = made(fake, task)
        assert package.manifest.project == sent.manifest.project
        assert {asset.header.codec for asset in package.assets.values()} >= {"reference", "project"}
        assert value(package) == [5, 6, 7]
        # An electron of the child, run where its project is unpacked.
        first = package.manifest.graph.nodes[0]
        assert fake.value(fake.submit(first.function, *first.args, project=package.manifest.project)) == 5
    finally:
        for name in [name for name in sys.modules if name.startswith("steps_of_a_test")]:
            del sys.modules[name]


# -- running again


def report(x: int, *, title: str = "report") -> object:
    import covalent as ct

    first, second = ct.electron(lambda x: x, executor="slurm")(x), ct.electron(lambda x: x)(x + 1)
    ct.wait(second, first)
    return {title: f"{first} and {second}", "larger": first > second}


def replayed(fake: FakeServer, function: Callable[..., Any], *outputs: Any, name: str = "<lambda>") -> FakeTask:
    """The task that runs a workflow function again, its electrons having given these outputs."""
    calls = {"list": [{"tuple": [{"value": name}, {"node": node}]} for node in range(len(outputs))]}
    inputs = fake.put({"args": (1,), "kwargs": {"title": "numbers"}})
    return fake.submit(
        fake.put(by_value(function)),
        {"asset": inputs},
        calls,
        kind=Kind.REPLAY,
        outputs={str(node): fake.put(output) for node, output in enumerate(outputs)},
    )


@pytest.mark.usefixtures("worker")
def test_a_workflow_function_runs_again_on_what_its_tasks_gave(fake: FakeServer) -> None:
    task = replayed(fake, report, 10, "ten")
    completion = fake.outcome(task)
    assert "TypeError: '>' not supported" in (completion.error or "")  # real values: an int and a str
    assert fake.value(replayed(fake, report, 10, 5)) == {"numbers": "10 and 5", "larger": True}


@pytest.mark.usefixtures("worker")
def test_a_workflow_function_that_takes_another_way_fails_its_task_and_says_where(fake: FakeServer) -> None:
    completion = fake.outcome(replayed(fake, report, 10, 5, name="other"))
    assert completion.outcome is Outcome.FAILED
    assert "ReplayError: the workflow function report took another way" in (completion.error or "")
    assert "its call number 1 was of 'other' then, and is of '<lambda>' now" in (completion.error or "")


# -- what other tasks do without


def test_a_runner_loads_nothing_of_this_before_the_first_such_task(fake: FakeServer, workers: Workers) -> None:
    workers.start(slots=1)

    def loaded() -> list[str]:
        import sys

        heavy = ("covalent.workflows", "covalent.lattice", "covalent.graph", "covalent.project", "networkx", "asyncio")
        return [name for name in heavy if name in sys.modules]

    assert fake.value(fake.submit(loaded, bash=["true"], before=[{"function": len, "args": ("",)}])) == []
    made(fake, sublattice(fake, squares, {"asset": fake.put([1])}))
    assert fake.value(fake.submit(loaded)) == [
        "covalent.workflows",
        "covalent.lattice",
        "covalent.graph",
        "covalent.project",
    ]
