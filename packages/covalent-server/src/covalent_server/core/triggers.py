"""What can be said of a trigger, checked before anything is stored; every fault is named by its path."""

from __future__ import annotations

from typing import Final

from covalent.errors import WireError
from covalent.wire import template
from covalent.wire.triggers import LEAST_GAP, MOST_CHANGES, MOST_GAP, Directory, Trigger
from covalent_server.core.planning import check_text

#: Characters of a directory's path, and of a cron expression.
MAX_PATH: Final = 4096
MAX_EXPRESSION: Final = 200


def check(trigger: Trigger, path: str) -> None:
    """Raise WireError unless a trigger says one thing, and that in numbers and texts that can be worked with."""
    given = [item for item in (trigger.clock, trigger.timetable, trigger.directory) if item is not None]
    if len(given) != 1:
        raise WireError("a trigger is one of clock, timetable and directory", path=path)
    if trigger.clock is not None and not LEAST_GAP <= trigger.clock.gap <= MOST_GAP:
        raise WireError(f"expected a number of seconds from {LEAST_GAP} to {MOST_GAP:g}", path=f"{path}.clock.gap")
    if trigger.timetable is not None:
        check_text(trigger.timetable.expression, f"{path}.timetable.expression", MAX_EXPRESSION)
        check_text(trigger.timetable.timezone, f"{path}.timetable.timezone")
    if trigger.directory is not None:
        _check_directory(trigger.directory, f"{path}.directory")


def _check_directory(directory: Directory, path: str) -> None:
    check_text(directory.path, f"{path}.path", MAX_PATH)
    if not directory.path:
        raise WireError("expected the path of a directory", path=f"{path}.path")
    if not directory.changes:
        raise WireError("expected at least one kind of change", path=f"{path}.changes")
    if not 1 <= directory.batch_size <= MOST_CHANGES:
        raise WireError(f"expected a number of changes from 1 to {MOST_CHANGES}", path=f"{path}.batch_size")
    for name in ("function", "seen"):
        if not template.is_digest(getattr(directory, name)):
            raise WireError("expected a digest of 64 lowercase hexadecimal digits", path=f"{path}.{name}")
