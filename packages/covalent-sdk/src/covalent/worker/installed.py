"""Whether the packages of an interpreter are still those that one of its processes started with.

A process keeps what it has imported. Every install, upgrade and removal makes or removes an entry of a site directory
(the package's ``.dist-info``), and so changes the time at which that directory was modified: that is all there is to
look at, and it costs about a microsecond.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable
from typing import Final

#: In the site directory of a layer: adds those of its parent.
LAYER_MARK: Final = "covalent-parent.pth"
_ABSENT: Final = -1


def site_directories() -> list[str]:
    """Where this interpreter finds installed packages; a directory need not be there yet."""
    directories = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        directories.append(site.getusersitepackages())
    # A layer's are those of the environment that it lies over, too.
    directories += [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    return [directory for directory in dict.fromkeys(directories) if _is_text(directory)]


def stamps(directories: Iterable[str]) -> dict[str, int]:
    """When each directory was modified, in nanoseconds since the epoch."""
    return {directory: _stamp(directory) for directory in directories}


def _stamp(directory: str) -> int:
    try:
        return os.stat(directory).st_mtime_ns  # noqa: PTH116  a Path for every look costs more than the look
    except OSError:
        return _ABSENT


def _is_text(directory: str) -> bool:
    """Whether a path can be sent; one in an unknown encoding is not looked at."""
    try:
        directory.encode()
    except UnicodeEncodeError:
        return False
    return True
