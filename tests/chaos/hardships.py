"""What happens to an installation besides sudden death: stopped processes, a wrong clock, a full or read-only disk."""

from __future__ import annotations

import functools
import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from tests.chaos import inside
from tests.chaos.installation import LEASE_TTL, Endangered
from tests.installation import wait_until

#: Longer than a lease lives, in seconds.
PAST_THE_LEASE: Final = LEASE_TTL * 1.3
_HOUR: Final = 3600.0
_YEAR: Final = 365 * 86400.0
_FULL_SECONDS: Final = 3.0


class Trouble(StrEnum):
    """What can happen."""

    WORKER_STOPPED = "a worker stopped for longer than its lease, and continued"
    SERVER_STOPPED = "the server stopped for longer than the leases, and continued"
    AWAY = "the server away for longer than the leases"
    HOUR_ON = "the clock set forward by an hour"
    HOUR_BACK = "the clock set back by an hour"
    YEAR_ON = "the clock set forward by a year"
    YEAR_BACK = "the clock set back by a year"
    FULL = "no more room on the disk for the server"
    READ_ONLY = "a start with a data directory that cannot be written to"
    CRASHED = "PostgreSQL ended in the midst of a transaction as if its machine had crashed, and started again"


_STEPS: Final = {
    Trouble.HOUR_ON: _HOUR,
    Trouble.HOUR_BACK: -_HOUR,
    Trouble.YEAR_ON: _YEAR,
    Trouble.YEAR_BACK: -_YEAR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardship:
    """One of them."""

    trouble: Trouble


def suffer(installation: Endangered, trouble: Trouble, worker: int | None) -> None:
    """Let it happen, and be over."""
    match trouble:
        case Trouble.WORKER_STOPPED:
            if worker is not None:
                with _stopped(installation, worker, "worker"):
                    time.sleep(PAST_THE_LEASE)
        case Trouble.SERVER_STOPPED:
            with _stopped(installation, installation.pid, "server"):
                time.sleep(PAST_THE_LEASE)
        case Trouble.AWAY:
            installation.kill_all([(installation.pid, "server")])
            time.sleep(PAST_THE_LEASE)
        case Trouble.FULL:
            with _without_room(installation, installation.pid):
                time.sleep(_FULL_SECONDS)
        case Trouble.CRASHED:
            if installation.postgres is not None:
                installation.crash_database(installation.postgres)
        case Trouble.READ_ONLY:
            installation.kill_all(
                [(installation.pid, "server"), *((pid, "worker") for pid in installation.supervisors())]
            )
            with _read_only(installation.data):
                done = installation.command("start", "--json", check=False)
            if done.returncode <= 0 or str(installation.data) not in done.stderr:
                installation.refusals.append(
                    f"a start in a read-only directory ended with {done.returncode}: {done.stderr}"
                )
        case _:
            clock = installation.chaos / "clock"
            wrong = float(clock.read_text()) if clock.exists() else 0.0
            fresh = clock.with_name("clock.next")
            fresh.write_text(str(wrong + _STEPS[trouble]), encoding="ascii")
            fresh.rename(clock)


@contextmanager
def _stopped(installation: Endangered, pid: int, role: str) -> Iterator[None]:
    """SIGSTOP, and SIGCONT in the end."""
    deeds = str(installation.chaos / "deeds")
    inside.note(deeds, f"0 stopped {pid} {role} {time.monotonic()}")
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        inside.note(deeds, f"0 continued {pid} {role} {time.monotonic()}")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextmanager
def _without_room(installation: Endangered, pid: int) -> Iterator[None]:
    """Nothing that a process writes gets into a file: what a full disk is to it, on any machine and without any rights.

    A full disk says ENOSPC, and this EFBIG; nobody here looks at which of the two it is.
    """
    deeds = str(installation.chaos / "deeds")
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    inside.note(deeds, f"0 full {pid} server {time.monotonic()}")
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        inside.note(deeds, f"0 room {pid} server {time.monotonic()}")


@contextmanager
def _read_only(directory: Path) -> Iterator[None]:
    """A directory that cannot be written to, not even by root; nobody may work in it."""
    if not _mount("--bind", str(directory), str(directory)):
        raise PermissionError(f"nothing can be mounted on {directory}")
    try:
        # What followed the killed ones into death may still have a file open.
        wait_until(lambda: _mount("-o", "remount,bind,ro", str(directory)), f"{directory} to be read-only")
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)  # noqa: S607  (where it is, the system knows)


def _mount(*words: str) -> bool:
    done = subprocess.run(["mount", *words], capture_output=True, check=False)  # noqa: S607  (as above)
    return done.returncode == 0


@functools.cache
def possible() -> tuple[Trouble, ...]:
    """What can happen whatever the database, on this machine: in some containers not even root may mount."""
    usual = tuple(trouble for trouble in Trouble if trouble is not Trouble.CRASHED)
    with tempfile.TemporaryDirectory() as directory:
        try:
            with _read_only(Path(directory)):
                pass
        except OSError:
            return tuple(trouble for trouble in usual if trouble is not Trouble.READ_ONLY)
    return usual
