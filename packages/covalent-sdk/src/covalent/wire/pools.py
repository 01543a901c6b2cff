"""Pools as people look at them: what waits in each, who works there, and why nobody does."""

from __future__ import annotations

from dataclasses import dataclass

from covalent.wire.provisioning import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """A worker that has introduced itself and not gone."""

    worker: str
    host: str
    pid: int
    #: When it introduced itself, in seconds since the epoch.
    started_at: float
    #: How many tasks it holds.
    tasks: int = 0
    #: When it was last heard of, None while it can be reached.
    silent_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A worker in the hands of a provisioner."""

    #: The name that its provisioner's log and directory have for it.
    job: str
    state: JobState
    since: float
    #: What it is where it runs, as its provisioner has it: the number of a process, of a job.
    place: str = ""
    #: The machine of its provisioner.
    host: str = ""
    #: The worker that came of it, once it has introduced itself.
    worker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRecord:
    """A set of tasks that the same workers can run."""

    pool: str
    executor: str
    #: What tells it apart from others of its executor: an interpreter, or attributes as JSON.
    place: str = ""
    #: How many tasks could begin now: more than a thousand are not counted.
    waiting: int = 0
    workers: tuple[WorkerRecord, ...] = ()
    jobs: tuple[JobRecord, ...] = ()
    #: The machines on which provisioners of its executor report.
    provisioners: tuple[str, ...] = ()
    #: Why the latest start of a worker failed, and when that was.
    error: str | None = None
    error_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolList:
    """The pools of an account in which something waits, works, or goes wrong."""

    pools: tuple[PoolRecord, ...]
