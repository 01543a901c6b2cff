"""Tasks on a Dask cluster: a real scheduler and real workers, and a server that starts the bridge by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.programs import Project
from tests.dask_cluster import DaskCluster
from tests.installation import alive, wait_until

#: Of what a task at the gate does: it says who it is, and waits until the gate is there.
GATE = """
def at_the_gate(gate):
    import os
    import pathlib
    import time

    with open(f"{gate}.begun", "a") as journal:
        journal.write(f"{os.getpid()}\\n")
    while not pathlib.Path(gate).exists():
        time.sleep(0.01)
    return "through"
"""


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A cluster that no test may harm."""
    with DaskCluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    """A cluster for this test alone."""
    with DaskCluster(tmp_path / "dask") as cluster:
        yield cluster


def on(cluster: DaskCluster, text: str) -> str:
    """A script in which ``dask`` is the executor of that cluster."""
    return f"dask = ct.executor.DaskExecutor(scheduler_address={cluster.address!r})\n{text}"


def begun(gate: Path) -> list[int]:
    """The processes that have come to the gate."""
    journal = Path(f"{gate}.begun")
    return [int(line) for line in journal.read_text().split()] if journal.exists() else []


def gated(cluster: DaskCluster, electron: str = "") -> str:
    """A script whose one task stands at the gate that it is given."""
    return on(
        cluster,
        f"""{GATE}
at_the_gate = ct.electron(at_the_gate, executor=dask, {electron})

@ct.lattice(workflow_executor=dask)
def workflow(gate):
    return at_the_gate(gate)
""",
    )


@pytest.mark.timeout(300)
def test_tasks_run_there_as_they_do_anywhere(project: Project, dask_cluster: DaskCluster) -> None:
    project.write("helper.py", "def tripled(x):\n    return 3 * x\n")
    project.workflow(
        on(
            dask_cluster,
            """
import helper

@ct.electron(executor=dask, env={"COLOUR": "blue"}, deps_bash="echo from bash")
def told(x):
    import os, sys
    print("printed", x)
    print("complained", file=sys.stderr)
    return [helper.tripled(x), os.environ["COLOUR"], ct.get_context().attempt]

@ct.electron(executor=dask, retries=1)
def second_time(seen):
    if ct.get_context().attempt == 1:
        raise ValueError("not yet")
    return seen

@ct.electron(executor=dask)
def small(i):
    return i * i

@ct.electron(executor=dask)
def total(values):
    return sum(values)

@ct.lattice(workflow_executor=dask)
def workflow(n):
    return [second_time(told(4)), total([small(i) for i in range(n)])]
""",
        )
    )
    told = project.run(100)
    assert (told.status, told.value) == ("COMPLETED", [[12, "blue", 1], sum(i * i for i in range(100))]), told.error
    assert project.printed(told, "told") == b"from bash\nprinted 4\n"
    assert project.printed(told, "told", "stderr") == b"complained\n"


@pytest.mark.timeout(300)
def test_an_error_has_the_users_traceback_and_a_timeout_stops_a_task(
    project: Project, dask_cluster: DaskCluster
) -> None:
    project.workflow(
        on(
            dask_cluster,
            """
@ct.electron(executor=dask)
def wrong():
    print("before")
    raise KeyError("nothing of that name")

@ct.electron(executor=dask, timeout=0.5)
def endless():
    while True:
        pass

@ct.lattice(workflow_executor=dask)
def workflow():
    return [wrong(), endless()]
""",
        )
    )
    told = project.run()
    assert told.status == "FAILED"
    nodes = project.nodes(told)
    assert 'raise KeyError("nothing of that name")' in nodes["wrong"]["error"]
    assert "covalent/worker" not in nodes["wrong"]["error"]
    assert "longer than its timeout of 0.5 seconds" in nodes["endless"]["error"]


@pytest.mark.timeout(300)
def test_large_values_go_between_the_cluster_and_the_server(project: Project, dask_cluster: DaskCluster) -> None:
    project.workflow(
        on(
            dask_cluster,
            """
@ct.electron(executor=dask)
def make(n):
    return bytes(n)

@ct.electron(executor=dask)
def measure(data):
    return len(data)

@ct.lattice(workflow_executor=dask)
def workflow(n):
    return measure(make(n))
""",
        )
    )
    told = project.run(5_000_000)
    assert (told.status, told.value) == ("COMPLETED", 5_000_000), told.error


@pytest.mark.timeout(300)
def test_what_a_task_prints_is_seen_while_it_runs_and_a_cancelled_task_is_gone(
    project: Project, dask_cluster: DaskCluster, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    script = gated(dask_cluster).replace("    with open(", '    print("at the gate", flush=True)\n    with open(', 1)
    project.workflow(script)
    with project.start(str(gate)) as program:
        dispatch = f"/api/v1/dispatches/{program.dispatch_id()}"
        wait_until(lambda: begun(gate), "the task to begin")
        request = project.installation.request

        def seen() -> bool:
            return any(
                request("GET", f"{dispatch}/nodes/{number}/stdout").body == b"at the gate\n" for number in (0, 1, 2)
            )

        wait_until(seen, "what it has printed")
        (pid,) = begun(gate)
        assert request("POST", f"{dispatch}/cancel", b"{}").status == 200
        assert program.told().status == "CANCELLED"
        wait_until(lambda: not alive(pid), "the cancelled task's end")


@pytest.mark.timeout(300)
def test_a_lost_worker_fails_its_task_which_dask_does_not_run_again(
    own_project: Project, own_cluster: DaskCluster, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    own_project.workflow(gated(own_cluster))
    with own_project.start(str(gate)) as program:
        dispatch = f"/api/v1/dispatches/{program.dispatch_id()}"
        wait_until(lambda: begun(gate), "the task to begin")
        wait_until(
            lambda: own_project.installation.request("GET", f"{dispatch}?").plain["node_counts"].get("RUNNING"),
            "the server to know it",
        )
        own_cluster.kill_worker_of(begun(gate)[0])
        told = program.told()
    assert told.status == "FAILED"
    assert "Dask worker" in str(told.error)
    assert len(begun(gate)) == 1


@pytest.mark.timeout(300)
def test_with_retries_a_lost_task_runs_again_on_another_worker(
    own_project: Project, own_cluster: DaskCluster, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    own_project.workflow(gated(own_cluster, "retries=1"))
    with own_project.start(str(gate)) as program:
        wait_until(lambda: begun(gate), "the task to begin")
        own_cluster.kill_worker_of(begun(gate)[0])
        wait_until(lambda: len(begun(gate)) > 1, "the next attempt")
        gate.touch()
        told = program.told()
    assert (told.status, told.value) == ("COMPLETED", "through"), told.error
    assert len(begun(gate)) == 2


@pytest.mark.timeout(300)
def test_a_lost_scheduler_fails_what_runs(own_project: Project, own_cluster: DaskCluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    own_project.workflow(gated(own_cluster))
    with own_project.start(str(gate)) as program:
        dispatch = f"/api/v1/dispatches/{program.dispatch_id()}"
        wait_until(
            lambda: own_project.installation.request("GET", f"{dispatch}?").plain["node_counts"].get("RUNNING"),
            "the task to run",
        )
        assert own_cluster.scheduler is not None
        own_cluster.scheduler.kill()
        told = program.told()
    assert told.status == "FAILED"
    assert "Dask" in str(told.error)
    assert len(begun(gate)) == 1


@pytest.mark.timeout(300)
def test_a_local_cluster_in_the_script_is_one_like_any_other(project: Project) -> None:
    facts = project.facts(
        """
        from distributed import LocalCluster

        if __name__ == "__main__":
            with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
                dask = ct.executor.DaskExecutor(scheduler_address=cluster.scheduler_address)

                @ct.electron(executor=dask)
                def double(x):
                    return 2 * x

                @ct.lattice(workflow_executor=dask)
                def workflow(n):
                    return [double(i) for i in range(n)]

                facts["value"] = ct.dispatch_sync(workflow)(3).result
        """
    )
    assert facts == {"value": [0, 2, 4]}


@pytest.mark.timeout(300)
def test_workers_without_the_sdk_are_told_of_and_live_on(project: Project, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "covalent"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('No module named covalent', name='covalent')")
    with DaskCluster(tmp_path / "dask", workers=1, PYTHONPATH=str(hidden.parent)) as cluster:
        project.workflow(
            on(
                cluster,
                """
@ct.electron(executor=dask)
def double(x):
    return 2 * x

@ct.lattice(workflow_executor=dask)
def workflow(x):
    return double(x)
""",
            )
        )
        told = project.run(1)
        assert told.status == "FAILED"
        assert "pip install covalent-sdk" in str(told.error)
        assert all(worker.poll() is None for worker in cluster.workers)


@pytest.mark.timeout(300)
def test_who_names_no_scheduler_is_told_so(project: Project) -> None:
    facts = project.facts(
        """
        @ct.electron(executor="dask")
        def double(x):
            return 2 * x

        @ct.lattice
        def workflow(x):
            return double(x)

        facts["told"] = raised(ct.dispatch(workflow), 1)
        """
    )
    assert "DaskExecutor(scheduler_address='tcp://host:8786')" in facts["told"]
