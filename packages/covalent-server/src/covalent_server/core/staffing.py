"""What is known of how a pool gets its workers, where provisioners start them: from it to words, and to giving up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Staffing:
    """A pool whose workers a provisioner starts."""

    executor: str
    #: The machines on which provisioners of the executor are.
    hosts: tuple[str, ...] = ()
    #: Workers that are being started, and since when the first of them is, in seconds since the epoch.
    jobs: int = 0
    since: float | None = None
    #: Why the latest start failed, in the infrastructure's own words, and when that was.
    fault: str | None = None
    fault_at: float | None = None


def given_up(staffing: Staffing, *, unserved: float, patience: float) -> str | None:
    """Why tasks that have had no worker for ``unserved`` seconds are to fail; None while there is hope.

    Without a fault there is: its provisioner may be on a laptop that is closed.
    """
    if staffing.fault is None or unserved < patience:
        return None
    return (
        f"no worker of the executor {staffing.executor!r} came within {patience:g} seconds; the latest start failed:\n"
        f"{staffing.fault}"
    )


def explained(staffing: Staffing) -> str:
    """Why a pool has no worker, and what to do."""
    name = staffing.executor
    if staffing.fault is not None:
        return (
            f"no worker runs tasks of executor {name!r}; the latest start failed at {_at(staffing.fault_at)} and is "
            f"tried again: {staffing.fault}"
        )
    if staffing.jobs:
        return f"a worker of executor {name!r} is being started since {_at(staffing.since)}; wait"
    if staffing.hosts:
        where = ", ".join(staffing.hosts)
        return f"no worker runs tasks of executor {name!r}; its provisioner on {where} knows of them; wait"
    return (
        f"no provisioner of executor {name!r} is connected, which would start a worker; start it where the executor's "
        f"keys are: covalent-worker --provision {name}"
    )


def _at(moment: float | None) -> str:
    return "an unknown time" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
