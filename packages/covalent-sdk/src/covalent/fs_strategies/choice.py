"""Which strategy fits the addresses of a transfer."""

from __future__ import annotations

from covalent.fs_strategies.local import Shutil
from covalent.fs_strategies.rsync import Rsync
from covalent.fs_strategies.stores import Fsspec
from covalent.fs_strategies.strategy import End, FileTransferStrategy
from covalent.fs_strategies.web import HTTP


def fitting(from_file: End, to_file: End) -> FileTransferStrategy:
    """The strategy for two ends, of which one at most is remote; raises ValueError for addresses that have none."""
    schemes = {from_file.scheme, to_file.scheme} - {"file"}
    if not schemes:
        return Shutil()
    if len(schemes) == 2:
        raise ValueError(
            f"a transfer from {from_file} to {to_file} has two remote ends; fetch the file with one transfer, "
            "and send it on with another: files=[TransferFromRemote(...), TransferToRemote(...)]"
        )
    (scheme,) = schemes
    if scheme in {"http", "https"}:
        return HTTP()
    if scheme == "ssh":
        return Rsync()
    return Fsspec()
