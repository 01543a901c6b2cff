"""How files are brought to a task and taken from it: one strategy for each kind of place that they can be in.

A strategy is chosen by the addresses, or given to a transfer: ``TransferFromRemote(url, strategy=HTTP(timeout=5))``.
Your own subclass :class:`FileTransferStrategy`.
"""

from __future__ import annotations

from covalent.fs_strategies.local import Shutil
from covalent.fs_strategies.rsync import Rsync
from covalent.fs_strategies.stores import S3, Blob, Fsspec, GCloud
from covalent.fs_strategies.strategy import FileTransferStrategy
from covalent.fs_strategies.web import HTTP

__all__ = ["HTTP", "S3", "Blob", "FileTransferStrategy", "Fsspec", "GCloud", "Rsync", "Shutil"]
