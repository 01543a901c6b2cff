"""Executors whose tasks run elsewhere than beside the server, with the attributes that earlier Covalents gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from covalent.executors.declared import DeclaredExecutor, Text

_EVERYWHERE: Final = DeclaredExecutor.former


@dataclass(repr=False)
class DaskExecutor(DeclaredExecutor):
    """Runs tasks on a Dask cluster."""

    short_name: ClassVar[str] = "dask"
    former: ClassVar[frozenset[str]] = _EVERYWHERE | {"current_env_on_conda_fail"}

    #: The address of its scheduler, ``tcp://host:8786``.
    scheduler_address: str | None = None
    current_env_on_conda_fail: bool | None = field(default=None, kw_only=True)


@dataclass(repr=False)
class WorkerPoolExecutor(DeclaredExecutor):
    """Runs tasks on workers that were started by hand, with ``covalent-worker --pool NAME``."""

    short_name: ClassVar[str] = "worker_pool"

    #: The name of their pool.
    pool: str | None = None


@dataclass(repr=False)
class SSHExecutor(DeclaredExecutor):
    """Runs tasks on a machine that is reached by ssh."""

    short_name: ClassVar[str] = "ssh"
    former: ClassVar[frozenset[str]] = _EVERYWHERE | {
        "do_cleanup", "max_connection_attempts", "poll_freq", "python3_path", "remote_cache", "remote_cache_dir",
        "remote_dir", "retry_connect", "retry_wait_time", "run_local_on_ssh_fail",
    }  # fmt: skip

    #: The account on the machine.
    username: str | None = None
    #: The machine's name or address.
    hostname: str | None = None
    #: The private key to log in with, a path on your machine.
    ssh_key_file: Text | None = None
    #: Its port; None for what the ssh configuration says.
    port: int | None = field(default=None, kw_only=True)
    #: A machine to go through, as ``user@host:port``.
    proxy_jump: str | None = field(default=None, kw_only=True)
    #: The file of machines that are trusted, a path on your machine; None means ``~/.ssh/known_hosts``.
    known_hosts: Text | None = field(default=None, kw_only=True)
    #: Whether a machine that nothing is known of is noted there and trusted from then on.
    trust_on_first_use: bool | None = field(default=None, kw_only=True)
    #: The interpreter there; None for what ``conda_env`` or the machine's ``PATH`` has.
    python_path: Text | None = field(default=None, kw_only=True)
    #: Where tasks run there, when ``workdir`` does not say.
    remote_workdir: Text | None = field(default=None, kw_only=True)
    remote_cache: Text | None = field(default=None, kw_only=True)
    remote_cache_dir: Text | None = field(default=None, kw_only=True)
    remote_dir: Text | None = field(default=None, kw_only=True)
    python3_path: Text | None = field(default=None, kw_only=True)
    run_local_on_ssh_fail: bool | None = field(default=None, kw_only=True)
    poll_freq: float | None = field(default=None, kw_only=True)
    do_cleanup: bool | None = field(default=None, kw_only=True)
    retry_connect: bool | None = field(default=None, kw_only=True)
    max_connection_attempts: int | None = field(default=None, kw_only=True)
    retry_wait_time: float | None = field(default=None, kw_only=True)


@dataclass(repr=False)
class SlurmExecutor(DeclaredExecutor):
    """Runs tasks in workers that are jobs of a cluster with Slurm."""

    short_name: ClassVar[str] = "slurm"
    former: ClassVar[frozenset[str]] = _EVERYWHERE | {
        "cleanup", "ignore_versions", "parallel", "poll_freq", "sshproxy", "use_srun",
    }  # fmt: skip

    #: The account on the cluster.
    username: str | None = None
    #: The login node, where the provisioner runs.
    address: str | None = None
    #: The private key to log in with, and its certificate where one is asked for: paths on your machine.
    ssh_key_file: Text | None = None
    cert_file: Text | None = field(default=None, kw_only=True)
    #: Where tasks run there, when ``workdir`` does not say.
    remote_workdir: Text | None = field(default=None, kw_only=True)
    #: The interpreter on the nodes; None for what ``conda_env`` or the ``PATH`` there has.
    python_path: Text | None = field(default=None, kw_only=True)
    #: How many jobs there are at a time at most; one when it does not say.
    max_workers: int | None = field(default=None, kw_only=True)
    #: Where Slurm's commands are, when they are not on the ``PATH``.
    slurm_path: Text | None = field(default=None, kw_only=True)
    #: A file to be sourced before the environment is activated.
    bashrc_path: Text | None = field(default=None, kw_only=True)
    #: What stands after ``#SBATCH``: ``{"partition": "general", "time": "01:00:00"}``.
    options: Mapping[str, Any] | None = field(default=None, kw_only=True)
    #: What is passed to ``srun``, and a command that is put between it and the task's.
    srun_options: Mapping[str, Any] | None = field(default=None, kw_only=True)
    srun_append: str | None = field(default=None, kw_only=True)
    #: Environment variables of the job.
    variables: Mapping[str, str] | None = field(default=None, kw_only=True)
    #: Shell commands of the job before and after its tasks.
    prerun_commands: Sequence[str] | None = field(default=None, kw_only=True)
    postrun_commands: Sequence[str] | None = field(default=None, kw_only=True)
    #: Holds a password, and so never leaves your machine.
    sshproxy: Mapping[str, Any] | None = field(default=None, kw_only=True)
    use_srun: bool | None = field(default=None, kw_only=True)
    parallel: bool | None = field(default=None, kw_only=True)
    cleanup: bool | None = field(default=None, kw_only=True)
    ignore_versions: bool | None = field(default=None, kw_only=True)
    poll_freq: float | None = field(default=None, kw_only=True)
