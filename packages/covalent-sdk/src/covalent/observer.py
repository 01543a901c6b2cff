"""Looking at a directory until something has happened in it: the task behind a directory's trigger.

It looks again and again and compares what it sees with what it saw before. Its value is what it saw last, with which
the next one begins, so that nothing is missed between two of them. What comes and goes between two looks leaves no
trace; a file that was written to several times between two looks was modified once.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from covalent.wire.triggers import Change

#: The shortest and the longest pause between two looks, in seconds, and how much longer than a look it is: a large
#: directory is looked at less often, so that looking takes a tenth of a processor at most.
_PAUSES: Final = (1.0, 60.0)
_PAUSE_PER_LOOK: Final = 10.0
#: Seconds after which it gives what it has seen, so that others of its kind have their turn.
_TURN: Final = 60.0
#: Files and directories that are kept in mind.
MOST_ENTRIES: Final = 200_000

#: What is known of a file or directory: inode, time of modification, size, and whether it is a directory.
Entry = tuple[int, int, int, bool]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Seen:
    """What a directory looked like."""

    #: By path within the directory.
    entries: dict[str, Entry]
    #: Files that were changed when they were looked at last, and may still be written to.
    fresh: frozenset[str] = frozenset()
    #: Changes that have not made a firing yet.
    changes: int = 0

    def __repr__(self) -> str:
        return f"{len(self.entries)} entries, {self.changes} changes waiting"


class Fired(Seen):
    """Enough has happened: the trigger fires."""

    __slots__ = ()


class Stirred(Seen):
    """Something has happened, and not enough."""

    __slots__ = ()


def observe(
    path: str,
    wanted: Collection[str],
    batch_size: int,
    recursive: bool,  # noqa: FBT001  the server gives them by position
    seen: Seen,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Fired | Stirred | None:
    """Look at a directory until ``batch_size`` wanted changes have come together, or for about a minute.

    What is left over of the changes counts for the next firing. None when nothing at all has happened.
    """
    before, deadline, pause = seen, clock() + _TURN, _PAUSES[0]
    while seen.changes < batch_size and clock() < deadline:
        sleep(pause)
        began = clock()
        seen = compared(seen, entries(path, recursive=recursive), wanted)
        pause = min(max(_PAUSES[0], _PAUSE_PER_LOOK * (clock() - began)), _PAUSES[1])
    if seen.changes >= batch_size:
        return Fired(entries=seen.entries, fresh=seen.fresh, changes=seen.changes - batch_size)
    if (before.entries, before.fresh, before.changes) == (seen.entries, seen.fresh, seen.changes):
        return None
    return Stirred(entries=seen.entries, fresh=seen.fresh, changes=seen.changes)


def entries(path: str, *, recursive: bool) -> dict[str, Entry]:
    """What is in a directory now; links are not followed. Raises OSError when it is not there or cannot be read."""
    found: dict[str, Entry] = {}
    inner = [""]
    while inner:
        directory = inner.pop()
        try:
            items = list(_scanned(os.path.join(path, directory)))  # noqa: PTH118  bytes that are no text survive in it
        except (FileNotFoundError, NotADirectoryError):
            if not directory:
                raise
            continue  # it went while its parent was looked at
        for name, facts in items:
            below = os.path.join(directory, name)  # noqa: PTH118
            is_directory = stat.S_ISDIR(facts.st_mode)
            found[below] = (facts.st_ino, facts.st_mtime_ns, facts.st_size, is_directory)
            if len(found) > MOST_ENTRIES:
                message = f"{path} holds more than {MOST_ENTRIES:,} files; let the trigger look at a smaller directory"
                raise ValueError(message)
            if is_directory and recursive:
                inner.append(below)
    return found


def _scanned(path: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(path) as items:
        for item in items:
            try:
                yield item.name, item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # it went meanwhile


def compared(before: Seen, now: dict[str, Entry], wanted: Collection[str]) -> Seen:
    """What a directory looks like now, with the wanted changes since counted; of each path one at a time counts."""
    happened: dict[str, set[Change]] = {}
    old = before.entries
    gone: dict[Entry, list[str]] = {}
    for path in old.keys() - now.keys():
        gone.setdefault(old[path], []).append(path)
    for path, entry in now.items():
        if path not in old:
            # What has another name is otherwise as it was.
            moved = gone.get(entry)
            happened[path] = {Change.MOVED} if moved and moved.pop() else _appeared(entry)
        elif entry != old[path] and not (entry[3] and old[path][3]):  # a directory changes with what is in it
            happened[path] = {Change.MODIFIED}
    fresh = frozenset(
        path for path, changes in happened.items() if changes & {Change.CREATED, Change.MODIFIED} and not now[path][3]
    )
    happened |= {path: {Change.CLOSED} for path in (before.fresh & now.keys()) - happened.keys()}
    happened |= {path: {Change.DELETED} for paths in gone.values() for path in paths}
    count = sum(not changes.isdisjoint(wanted) for changes in happened.values())
    return Seen(entries=now, fresh=fresh, changes=before.changes + count)


def _appeared(entry: Entry) -> set[Change]:
    """A new file that is not empty has been written to as well."""
    return {Change.CREATED, Change.MODIFIED} if entry[2] and not entry[3] else {Change.CREATED}
