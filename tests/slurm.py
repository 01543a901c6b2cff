"""A cluster of one node with a real Slurm: its daemons run in a directory of their own, on free ports."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.components import SLURM, found
from tests.installation import wait_until

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
MpiDefault=none
ReturnToService=2
SchedulerType=sched/builtin
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@contextmanager
def cluster(directory: Path) -> Iterator[Path]:
    """The cluster; what is given is its configuration, for the variable ``SLURM_CONF``."""
    munged, slurmctld, slurmd = map(found, SLURM)
    for name in ("state", "spool"):
        (directory / name).mkdir()
    key = directory / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    configuration = directory / "slurm.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            controller=_free_port(),
            node=_free_port(),
            directory=directory,
            user=pwd.getpwuid(os.geteuid()).pw_name,
        )
    )
    names = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    munge = [f"--{name}={directory}/munge.{value}" for name, value in names.items()]
    environ = os.environ | {"SLURM_CONF": str(configuration)}
    with ExitStack() as stack:
        for command in ([munged, "--foreground", "--force", *munge], [slurmctld, "-D"], [slurmd, "-D", "-N", "node"]):
            stack.enter_context(_daemon(command, environ, directory))
            if command[0] == munged:
                wait_until((directory / "munge.socket").exists, "munged")
        idle = [str(slurmctld.parents[1] / "bin" / "sinfo"), "--noheader", "--states=idle"]
        wait_until(lambda: subprocess.run(idle, env=environ, capture_output=True, check=False).stdout, "an idle node")
        yield configuration


@contextmanager
def _daemon(command: list[object], environ: dict[str, str], directory: Path) -> Iterator[None]:
    with (directory / "daemons.log").open("ab") as log:
        process = subprocess.Popen(list(map(str, command)), env=environ, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
