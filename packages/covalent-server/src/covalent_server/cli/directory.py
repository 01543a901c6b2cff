"""The data directory: its places, and making sure that a server can live there."""

from __future__ import annotations

import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from covalent_server.cli import mounts
from covalent_server.errors import DataDirectoryError, NetworkFilesystemError, UnwritableDirectoryError

_FOREIGN: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDirectory:
    """Where a server keeps its state, and where in it each thing is."""

    path: Path

    @property
    def lock(self) -> Path:
        """Locked for a server's life; holds the pid of the last one."""
        return self.path / "lock"

    @property
    def record(self) -> Path:
        """What a running server tells about itself."""
        return self.path / "server.json"

    @property
    def log(self) -> Path:
        """What a server in the background writes."""
        return self.path / "logs" / "server.log"


def prepare(path: Path, *, allow_network: bool, mountinfo: Path = mounts.MOUNTINFO) -> DataDirectory:
    """Make the directory if it is missing, for this account alone, and prove that it can be used.

    Raises :class:`NetworkFilesystemError`, :class:`UnwritableDirectoryError` or :class:`DataDirectoryError`.
    """
    check_filesystem(path, allow_network=allow_network, mountinfo=mountinfo)
    directory = DataDirectory(path=path)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(directory)
        directory.log.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UnwritableDirectoryError(
            f"the data directory {path} cannot be written: {error.strerror or error}; "
            "choose another with --data-dir or COVALENT_DATA_DIR, or give this account the right to write there"
        ) from None
    return directory


def check_filesystem(path: Path, *, allow_network: bool, mountinfo: Path = mounts.MOUNTINFO) -> None:
    """Raise :class:`NetworkFilesystemError` when the directory is, or would be, where a database comes to harm."""
    kind = mounts.network_type(path, mountinfo)
    if kind and not allow_network:
        raise NetworkFilesystemError(
            f"the data directory {path} is on a network file system ({kind}), where locks fail and databases are "
            "damaged; choose a directory on a local disk with --data-dir, COVALENT_DATA_DIR or data_dir in "
            "covalent.toml (allow_network_filesystem = true takes the risk)"
        )


def _close_to_others(directory: DataDirectory) -> None:
    """Take the rights of other accounts away, unless the directory is not ours alone to begin with."""
    if not stat.S_IMODE(directory.path.stat().st_mode) & _FOREIGN:
        return
    if not directory.lock.exists() and any(directory.path.iterdir()):
        raise DataDirectoryError(
            f"the directory {directory.path} is open to other accounts and holds other things; choose an empty or a "
            f"new one with --data-dir, or run: chmod 700 {directory.path}"
        )
    directory.path.chmod(0o700)
