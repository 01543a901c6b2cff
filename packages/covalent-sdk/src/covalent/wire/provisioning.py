"""What provisioners and the server say to each other: which pools want workers, and which are being started."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from covalent.wire import PROTOCOL


class JobState(StrEnum):
    """How far a worker is that a provisioner has started."""

    #: Its start has not come back yet.
    STARTING = "starting"
    #: It was started and has not ended.
    RUNNING = "running"
    #: It was told to finish and go.
    ENDING = "ending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A worker in the hands of a provisioner."""

    #: The digest of its token, by which the server knows it.
    job: str
    pool: str
    state: JobState
    #: Since when it is in that state, in seconds since the epoch by the provisioner's clock.
    since: float
    #: What it is where it runs, for people to read: the number of a process or of a job, with its host.
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why no worker could be started, in the infrastructure's own words."""

    pool: str
    message: str
    #: Seconds since the epoch by the provisioner's clock.
    at: float
    #: The job that it is about, None when it never became one.
    job: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a provisioner stands, whole each time; the answer is what is wanted of it."""

    protocol: int = PROTOCOL
    #: Random for every start of a process.
    provisioner: str
    executor: str
    host: str = ""
    pid: int = 0
    jobs: tuple[Job, ...] = ()
    #: Jobs that have ended: their tokens are worth nothing any more, and what their workers hold goes to others.
    ended: tuple[str, ...] = ()
    #: The latest of each pool, until a start went well.
    faults: tuple[Fault, ...] = ()
    #: How long the answer may wait for another pool to want a worker, in seconds.
    wait: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPool:
    """A pool in which tasks wait."""

    pool: str
    #: What its tasks say of their executor, as far as it tells their pools apart.
    attributes: dict[str, Any] = field(default_factory=dict)
    #: How many tasks could begin now: more than a thousand are not counted.
    waiting: int = 0
    #: How many workers report for it.
    workers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The answer to a report."""

    protocol: int = PROTOCOL
    instance: str
    pools: tuple[WantedPool, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A provisioner is about to start a worker for a pool."""

    provisioner: str
    executor: str
    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """What that worker is known by, and the token that it proves it with."""

    job: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A provisioner goes; jobs that it does not name as ended live on without it."""

    provisioner: str
    executor: str
    ended: tuple[str, ...] = ()
