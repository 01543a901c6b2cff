"""Workers that are jobs of a cluster with Slurm, for :class:`covalent.executors.SlurmExecutor`.

The provisioner runs where ``sbatch`` is, on a login node say, in a home directory that the compute nodes see, too. A
job is one worker: it takes tasks for as long as there are some, and as long as the cluster lets it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from covalent.errors import ProvisioningError
from covalent.provisioning import interpreters
from covalent.provisioning.interface import TOKEN_VARIABLE, Order, Pool, Provisioner

#: Seconds for one of Slurm's commands.
_COMMAND_SECONDS: Final = 60.0
#: Kept of what a worker wrote, in characters.
_TAIL: Final = 4000
#: States of jobs of which nothing more is to come.
_OVER: Final = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
        *("REVOKED", "TIMEOUT"),
    }
)
#: The worker is told of a signal once, and what it runs is waited for.
_BODY: Final = """\
"$python" {arguments} --slots "${{SLURM_CPUS_ON_NODE:-1}}" &
worker=$!
trap 'kill -TERM "$worker" 2>/dev/null' TERM
wait "$worker"
code=$?
while kill -0 "$worker" 2>/dev/null; do wait "$worker"; code=$?; done
"""


class SlurmProvisioner(Provisioner):
    """Submits a job for each worker; its handle is the job's number, and the file that it writes to."""

    executor: ClassVar[str] = "slurm"
    look_seconds: ClassVar[float] = 3.0

    def __init__(self) -> None:
        #: Where Slurm's commands are, by the handles of jobs of executors that say so.
        self._places: dict[str, str | None] = {}

    def workers_for(self, pool: Pool) -> int:
        """As many jobs as tasks wait, up to ``max_workers``."""
        return min(pool.waiting, int(pool.attributes.get("max_workers") or 1))

    def start(self, order: Order) -> str:
        """Submit a job; what ``sbatch`` says against it is raised."""
        place = order.attributes.get("slurm_path")
        _write(order.directory / "token", order.token)
        script = order.directory / "job.sh"
        _write(script, "\n".join(_script(order)))
        log = order.directory / "worker.log"
        done = _slurm("sbatch", "--parsable", str(script), place=place, address=order.attributes.get("address"))
        if done.returncode:
            raise ProvisioningError(f"sbatch: {done.stderr.strip() or done.stdout.strip()}")
        number = done.stdout.strip().partition(";")[0]
        handle = f"job {number} {log}"
        self._places[handle] = place
        return handle

    def ended(self, handle: str) -> str | None:
        """What Slurm says of how the job ended, and what it wrote at last; nothing when it ended as it should."""
        _, number, log = handle.split(" ", 2)
        done = self._ask(handle, "squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T %r")
        if done.returncode and "Invalid job id" not in done.stderr:
            return None  # Slurm does not answer just now
        state, _, reason = done.stdout.strip().partition(" ")
        if state and state not in _OVER:
            return None
        if state in ("", "COMPLETED"):
            return ""
        words = f"job {number} is {state}{f' ({reason})' if reason not in ('', 'None') else ''}"
        return f"{words}\n{_end_of(Path(log))}"

    def end(self, handle: str) -> None:
        """Have the worker finish what it runs; a job that has not begun is taken back."""
        number = handle.split(" ", 2)[1]
        self._ask(handle, "scancel", "--quiet", "--state=PENDING", number)
        self._ask(handle, "scancel", "--quiet", "--batch", "--signal=TERM", number)

    def _ask(self, handle: str, *command: str) -> subprocess.CompletedProcess[str]:
        return _slurm(*command, place=self._places.get(handle))


def _slurm(
    name: str, *arguments: str, place: str | None, address: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of Slurm's commands; raises ProvisioningError where there is none."""
    path = f"{place}{os.pathsep}{os.environ.get('PATH', '')}" if place else None
    command = shutil.which(name, path=path)
    if command is None:
        where = f"on {address}" if address else "on a login node of the cluster"
        raise ProvisioningError(
            f"there is no {name} here; run `covalent-worker --provision slurm` {where}, or say slurm_path"
        )
    return subprocess.run(
        [command, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_COMMAND_SECONDS,
        check=False,
    )


def _script(order: Order) -> Iterator[str]:
    """The job, line by line."""
    attributes = order.attributes
    yield "#!/bin/bash"
    yield f"#SBATCH --job-name=covalent-{order.name}"
    yield f"#SBATCH --output={order.directory}/worker.log"
    for name, value in _options(attributes, "options"):
        yield f"#SBATCH {_option(name, value)}"
    if attributes.get("bashrc_path"):
        yield f". {interpreters.at_home(str(attributes['bashrc_path']))}"
    for name, value in (attributes.get("variables") or {}).items():
        yield f"export {name}={shlex.quote(str(value))}"
    yield f'export {TOKEN_VARIABLE}="$(cat {shlex.quote(str(order.directory / "token"))})"'
    yield interpreters.lines(attributes)
    yield from attributes.get("prerun_commands") or ()
    run = shlex.join(order.arguments())
    body = _BODY.format(arguments=run)
    launcher = [_option(name, value) for name, value in _options(attributes, "srun_options")]
    if launcher or attributes.get("srun_append"):
        before = " ".join(["srun", "--ntasks=1", *map(shlex.quote, launcher), attributes.get("srun_append") or ""])
        body = f"{before.rstrip()} {body}"
    yield body.rstrip()
    yield from attributes.get("postrun_commands") or ()
    yield "exit $code\n"


def _options(attributes: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    for option, value in (attributes.get(name) or {}).items():
        if "\n" in f"{option}{value}":
            raise ProvisioningError(f"{name} holds a line's end, at {option!r}")
        yield str(option), value


def _option(name: str, value: Any) -> str:
    """An option as Slurm reads it: one without a value is given as None or True."""
    if value is None or value is True or value == "":
        return f"-{name}" if len(name) == 1 else f"--{name}"
    return f"-{name}{value}" if len(name) == 1 else f"--{name}={value}"


def _write(path: Path, text: str) -> None:
    """Write a file that nobody else can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _end_of(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-_TAIL:].strip()
    except OSError:
        return ""
