"""Dispatches that are to be forgotten with all that they hold."""

from __future__ import annotations

from dataclasses import dataclass

from covalent.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeRequest:
    """What is to be purged: dispatches by their ids, or those of which everything holds that is said."""

    ids: tuple[str, ...] = ()
    #: Those that ended at least so many seconds ago.
    older_than: float | None = None
    status: Status | None = None
    tag: str | None = None
    #: True tells what would be purged, and leaves it alone.
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A dispatch that fits but cannot be purged now."""

    dispatch_id: str
    #: Why not, and what to do.
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeReport:
    """What is gone for its users from now on, or would be; what it held is removed piece by piece."""

    #: With those of sublattices.
    dispatches: int
    nodes: int
    #: Of a dry run: how many assets they name, and the bytes of these; others may name them, too. None for very many.
    assets: int | None = None
    bytes: int | None = None
    #: Some of those that are kept.
    kept: tuple[Kept, ...] = ()
    #: Whether there are others that fit, for another request.
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeProgress:
    """How far the removal of what was purged has come."""

    #: Dispatches of which something is left.
    dispatches: int
    #: Assets that were deleted since the server started, and their bytes.
    assets: int
    bytes: int
    done: bool
    #: How often in a row the server has failed to remove it; it tries again by itself.
    failures: int = 0
