"""What a task takes of its machine, as an executor says it: ``resources={"cpus": 2, "memory_gb": 8, "gpus": 1}``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

_GIGABYTE: Final = 1_000_000_000
_NAMES: Final = ("cpus", "memory_gb", "gpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Of one task."""

    #: Processors, 0 for as many as a slot has.
    cpus: int = 0
    #: Whole GPUs, which it has for itself; with 0 it sees what its worker sees.
    gpus: int = 0
    #: Bytes of memory that it and all that it starts may have, None for any number.
    memory: int | None = None

    @classmethod
    def given(cls, given: object) -> Self:
        """From an executor's ``resources``; raises TypeError or ValueError that says what to write."""
        if given is None:
            return cls()
        if not isinstance(given, Mapping):
            raise TypeError(f"resources is a dict such as {{'cpus': 2, 'memory_gb': 8, 'gpus': 1}}, not {given!r}")
        unknown = sorted(map(str, given.keys() - set(_NAMES)))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is none of the resources: there are {', '.join(_NAMES)}")
        memory = given.get("memory_gb")
        if memory is not None and not (_is_number(memory) and 0 < memory < math.inf):
            raise ValueError(f"resources['memory_gb'] is a number of gigabytes, more than 0, not {memory!r}")
        return cls(
            cpus=_count("cpus", given.get("cpus"), 1),
            gpus=_count("gpus", given.get("gpus"), 0),
            memory=None if memory is None else math.ceil(memory * _GIGABYTE),
        )


def _count(name: str, value: object, least: int) -> int:
    if value is None:
        return 0
    if not _is_number(value) or not isinstance(value, int) or not least <= value <= 4096:
        raise ValueError(f"resources[{name!r}] is a whole number from {least} on, not {value!r}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
