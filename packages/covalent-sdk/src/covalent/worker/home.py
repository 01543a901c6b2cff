"""A worker's directory: what its workers share, what each has for itself, and what a dead one left.

::

    <directory>/owners/<owner>/assets-<boot>/<digest>   cached assets, never shared between owners
    <directory>/owners/<owner>/projects/<digest>/       users' modules, unpacked
    <directory>/owners/<owner>/checkpoints/<dispatch>-<node>/    what a task keeps for its next attempt
    <directory>/work/                                   where tasks run that have no directory of their own
    <directory>/work/<dispatch>/node_<number>/          the own ones of others
    <directory>/workers/<worker>/lock                   locked while the worker lives
    <directory>/workers/<worker>/serves                 which server, and which of its pools, its results are from
    <directory>/workers/<worker>/spool/                 results that are not acknowledged
    <directory>/workers/<worker>/runners/               streams and marks of its runners
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from covalent.locks import locked

#: A task's checkpoints, and its own directory, are removed when nothing was written there for so long.
_KEPT_SECONDS: Final = 30 * 86400.0


class Home:
    """The directories of one living worker."""

    def __init__(self, directory: Path, worker: str) -> None:
        self.root = directory
        self.work = directory / "work"
        self.own = directory / "workers" / worker
        self.spool = self.own / "spool"
        self.runners = self.own / "runners"
        #: A file for each living runner, for the janitor.
        self.registry = self.own / "registry"
        for path in (self.work, self.spool, self.runners, self.registry):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._boot = _boot()
        self._lock = _locked(self.own)
        self._owners: dict[str, Path] = {}

    def serves(self, instance: str, pool: str) -> None:
        """Note where the results in the spool belong: a pool may be run under another account than the next one."""
        (self.own / "serves").write_text(_serving(instance, pool), encoding="utf-8")

    def assets(self, owner: str) -> Path:
        """The asset cache of one owner."""
        # After a crash of the machine a file may be there without its bytes: each boot has its own cache.
        return self._of_owner(owner, f"assets-{self._boot}")

    def projects(self, owner: str) -> Path:
        """The unpacked projects of one owner."""
        return self._of_owner(owner, "projects")

    def checkpoints(self, owner: str) -> Path:
        """Where the tasks of one owner keep what a next attempt can use."""
        return self._of_owner(owner, "checkpoints")

    def forget_old(self, now: float) -> None:
        """Remove what tasks have kept for attempts that were never made here, and what failed ones have left."""
        for path in (*self.root.glob("owners/*/checkpoints/*"), *self.work.glob("*/node_*")):
            with suppress(OSError):  # its task removes it just now
                if now - max(item.lstat().st_mtime for item in (path, *path.iterdir())) > _KEPT_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
                    if path.parent.parent == self.work:
                        path.parent.rmdir()

    def _of_owner(self, owner: str, kind: str) -> Path:
        key = f"{owner}/{kind}"
        if key not in self._owners:
            name = hashlib.sha256(owner.encode()).hexdigest()[:32]
            path = self.root / "owners" / name / kind
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._owners[key] = path
        return self._owners[key]

    def orphans(self, instance: str, pool: str) -> Iterator[Orphan]:
        """What dead workers of this pool left for this server; those that left nothing are removed."""
        for path in sorted((self.root / "workers").iterdir()):
            if path == self.own or not path.is_dir():
                continue
            lock = _locked(path)
            if lock is None:
                continue  # it lives
            noted = path / "serves"
            results = any((path / "spool").glob("*.spool"))
            if not results:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)
            elif noted.exists() and noted.read_text(encoding="utf-8") == _serving(instance, pool):
                yield Orphan(path, lock)
            else:
                os.close(lock)

    def leave(self) -> None:
        """Remove what is this worker's alone, unless results are left in its spool."""
        shutil.rmtree(self.runners, ignore_errors=True)
        if not any(path.stat().st_size for path in self.spool.glob("*.spool")):
            shutil.rmtree(self.own, ignore_errors=True)


class Orphan:
    """The directory of a dead worker, locked by the one that takes it over."""

    def __init__(self, path: Path, lock: int) -> None:
        self.spool = path / "spool"
        self._path = path
        self._lock = lock

    def remove(self) -> None:
        """Its results were delivered."""
        shutil.rmtree(self._path, ignore_errors=True)
        os.close(self._lock)


def _serving(instance: str, pool: str) -> str:
    return f"{instance}\n{pool}\n"


def _locked(path: Path) -> int | None:
    """The descriptor of a directory's lock file, None when a living process has it."""
    try:
        return locked(path / "lock")
    except FileNotFoundError:
        return None  # another worker removed it just now


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
    except OSError:
        return "0"
