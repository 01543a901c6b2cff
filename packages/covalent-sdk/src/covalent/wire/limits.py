"""Limits: how many tasks run at a time, of those with a tag or of those of an executor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LimitKind(StrEnum):
    """What a limit goes by."""

    #: A tag of tasks.
    TAG = "tag"
    #: The short name of an executor.
    EXECUTOR = "executor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit as it is set."""

    kind: LimitKind = LimitKind.TAG
    name: str
    #: How many tasks have a worker at a time at most; with 0 none begins.
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitName:
    """A limit that is to go."""

    kind: LimitKind = LimitKind.TAG
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRecord:
    """A limit as it stands."""

    kind: LimitKind
    name: str
    slots: int
    #: How many tasks have a worker now; more than ``slots`` for a while after the limit was lowered.
    held: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitList:
    """All limits of an account, by kind and name."""

    limits: tuple[LimitRecord, ...]
