"""What pools want, which starts have failed, and when to try again. Pure: times are given."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from covalent.wire.provisioning import Demand, Fault, WantedPool

#: Seconds before the next start, doubled with every worker of a pool that failed in a row.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
#: A worker that lived for so many seconds did not die of its start.
_STEADY: Final = 30.0


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    not_before: float = 0.0
    fault: Fault | None = None


@dataclass(slots=True)
class Needs:
    """The pools that want workers, and what stands in the way."""

    _wanted: dict[str, WantedPool] = field(default_factory=dict)
    _troubles: dict[str, _Trouble] = field(default_factory=dict)

    def asked(self, demand: Demand, now: float) -> None:
        """The server has said what it wants."""
        self._wanted = {item.pool: item for item in demand.pools}
        for item in demand.pools:
            trouble = self._troubles.get(item.pool)
            if item.workers and trouble is not None and trouble.not_before <= now:
                del self._troubles[item.pool]

    def open(self, now: float) -> list[WantedPool]:
        """Pools for which a worker may be started now."""
        quiet = _Trouble()
        return [item for item in self._wanted.values() if self._troubles.get(item.pool, quiet).not_before <= now]

    def faults(self) -> tuple[Fault, ...]:
        """The latest of each pool."""
        return tuple(item.fault for item in self._troubles.copy().values() if item.fault is not None)

    def ended(self, pool: str, job: str, words: str, *, began: float, now: float) -> None:
        """A worker has ended."""
        if now - began > _STEADY and not words:
            self._troubles.pop(pool, None)
        else:
            self.failed(pool, job, words or "the worker ended soon after its start, without a word", now)

    def failed(self, pool: str, job: str | None, words: str, now: float) -> None:
        """A start has failed."""
        trouble = self._troubles.setdefault(pool, _Trouble())
        trouble.failures += 1
        trouble.fault = Fault(pool=pool, message=words, at=time.time(), job=job)
        trouble.not_before = now + min(_FIRST_PAUSE * 2 ** (trouble.failures - 1), _LONGEST_PAUSE)

    def hangs(self, pool: str, job: str, words: str) -> None:
        """A start, or a look, does not come back."""
        self._troubles.setdefault(pool, _Trouble()).fault = Fault(pool=pool, message=words, at=time.time(), job=job)

    def pause(self, pool: str, now: float) -> None:
        """The server could not be asked for a token."""
        self._troubles.setdefault(pool, _Trouble()).not_before = now + _FIRST_PAUSE
