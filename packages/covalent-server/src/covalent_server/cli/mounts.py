"""On what kind of file system a path lies."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MOUNTINFO: Final = Path("/proc/self/mountinfo")

#: File systems shared between machines: their locks and memory maps do not hold what SQLite needs of them.
NETWORK_TYPES: Final = frozenset(
    {
        "afs", "beegfs", "ceph", "cifs", "fhgfs", "fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs",
        "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "pvfs2", "smb3", "smbfs",
    }
)  # fmt: skip


def filesystem_type(path: Path, mountinfo: str) -> str:
    """The type of the file system that ``path`` lies on, by the text of ``/proc/self/mountinfo``; empty if unknown."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        mount = Path(_unescaped(fields[4]))
        depth = len(mount.parts)
        if depth >= best and path.is_relative_to(mount):  # of several mounts on one place the last is seen
            best, kind = depth, after.split(" ", 1)[0]
    return kind


def network_type(path: Path, mountinfo: Path = MOUNTINFO) -> str | None:
    """The type of the network file system that ``path``, or what it would be made in, lies on; None if on none."""
    existing = path.resolve()
    try:
        text = mountinfo.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:  # no Linux: nothing is known
        return None
    kind = filesystem_type(existing, text)
    return kind if kind in NETWORK_TYPES else None


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
