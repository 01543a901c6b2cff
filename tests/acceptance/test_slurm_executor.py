"""SlurmExecutor on a real Slurm of one node."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.programs import Project
from tests.acceptance.provisioners import provisioner
from tests.installation import Installation, alive, wait_until
from tests.slurm import cluster

_WORKFLOW = """
@ct.electron
def job():
    import os
    return [os.getppid(), os.environ["SLURM_JOB_ID"], os.environ.get("COLOUR"), os.environ.get("SLURM_STEP_ID")]

@ct.lattice(executor=ct.executor.SlurmExecutor(**{attributes!r}))
def workflow():
    return job()
"""


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with cluster(tmp_path_factory.mktemp("slurm")) as made:
        yield made


@pytest.fixture
def on_cluster(unstarted: Installation, configuration: Path) -> Iterator[Installation]:
    """A server whose user works on the cluster."""
    unstarted.environ["COVALENT_PROVISION_TIMEOUT"] = "1"
    with unstarted:
        unstarted.environ["SLURM_CONF"] = str(configuration)
        yield unstarted


def project(tmp_path: Path, installation: Installation, **attributes: Any) -> Project:
    made = Project(tmp_path / "project", installation)
    made.workflow(_WORKFLOW.format(attributes={"options": {"ntasks": 1}, "python_path": sys.executable} | attributes))
    return made


def jobs(installation: Installation) -> str:
    """What is queued or runs."""
    command = ["/usr/bin/squeue", "--noheader"]
    return subprocess.run(command, env=installation.environ, capture_output=True, text=True, check=True).stdout


def test_a_task_runs_in_a_job_that_goes_with_the_provisioner(tmp_path: Path, on_cluster: Installation) -> None:
    ran = tmp_path / "ran"
    user = project(
        tmp_path,
        on_cluster,
        variables={"COLOUR": "deep red"},
        prerun_commands=[f"echo before > {ran}"],
        postrun_commands=[f"echo after >> {ran}"],
    )
    with provisioner(on_cluster, "slurm"):
        worker, number, colour, step = user.run().value
        assert (colour, step) == ("deep red", None)
        assert ran.read_text() == "before\n"
        assert number in on_cluster.command("worker", "list").stdout
    wait_until(lambda: not alive(worker), "the worker to go")
    wait_until(lambda: ran.read_text() == "before\nafter\n", "what is to be done after it")
    wait_until(lambda: not jobs(on_cluster), "the job to end")


def test_a_job_outlives_its_provisioner_and_is_taken_over_by_the_next(tmp_path: Path, on_cluster: Installation) -> None:
    user = project(tmp_path, on_cluster)
    with provisioner(on_cluster, "slurm") as first:
        before = user.run().value
        first.kill()
        first.wait()
    with provisioner(on_cluster, "slurm"):
        assert user.run().value == before
    wait_until(lambda: not jobs(on_cluster), "the job to end")


def test_with_options_of_srun_the_worker_is_a_step_of_the_job(tmp_path: Path, on_cluster: Installation) -> None:
    with provisioner(on_cluster, "slurm"):
        step = project(tmp_path, on_cluster, srun_options={"cpu-bind": "none"}).run().value[3]
        assert step == "0"
    wait_until(lambda: not jobs(on_cluster), "the job to end")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"options": {"partition": "no-such"}}, "invalid partition specified: no-such"),
        ({"python_path": "/nowhere/python3"}, "/nowhere/python3: No such file or directory"),
        ({"prerun_commands": ["exit 3"]}, "is FAILED (NonZeroExitCode)"),
    ],
    ids=["partition", "python", "prerun"],
)
def test_what_slurm_says_is_the_tasks_error(
    tmp_path: Path, on_cluster: Installation, attributes: dict[str, Any], words: str
) -> None:
    with provisioner(on_cluster, "slurm"):
        told = project(tmp_path, on_cluster, **attributes).run()
        assert told.status == "FAILED"
        assert words in (told.error or "")


def test_without_slurm_it_says_where_the_provisioner_belongs(tmp_path: Path, on_cluster: Installation) -> None:
    with provisioner(on_cluster, "slurm", PATH=os.defpath.replace("/usr/bin", "").replace("/bin", "/nowhere")):
        told = project(tmp_path, on_cluster, address="login.example.org").run()
        assert told.status == "FAILED"
        assert "run `covalent-worker --provision slurm` on login.example.org" in (told.error or "")
