"""Copies on the machine that the task runs on."""

from __future__ import annotations

import shutil

from covalent.fs_strategies.strategy import End, FileTransferStrategy


class Shutil(FileTransferStrategy):
    """Copies between directories that the task's machine can see, mounted ones too."""

    def check(self, from_file: End, to_file: End) -> None:
        """Refuse addresses."""
        for end in (from_file, to_file):
            if end.scheme != "file":
                raise ValueError(f"Shutil copies between directories of one machine; {end} is elsewhere")

    def cp(self, from_file: End, to_file: End) -> None:
        """Copy a file with its mode and times, or a folder with all that is in it."""
        if from_file.is_dir:
            shutil.copytree(from_file.path, to_file.path, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(from_file.path, to_file.path)

    upload = cp
    download = cp
