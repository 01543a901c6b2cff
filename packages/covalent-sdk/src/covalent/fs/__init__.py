"""Files and folders around tasks: brought to them, taken from them, and given as values.

``@ct.electron(files=[ct.fs.TransferFromRemote("https://…")])`` has a file fetched in the worker, before the function.
"""

from __future__ import annotations

from covalent.fs.files import File, Folder
from covalent.fs.transfers import FileTransfer, Order, TransferFromRemote, TransferToRemote

__all__ = ["File", "FileTransfer", "Folder", "Order", "TransferFromRemote", "TransferToRemote"]
