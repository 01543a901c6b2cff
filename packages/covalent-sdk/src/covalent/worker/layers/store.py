"""Layers that are kept: each is built once, by whoever needs it first, and found by everybody after that.

::

    <directory>/<key>/building       locked while it is built or removed
    <directory>/<key>/using          locked, for others too, by each process that uses it
    <directory>/<key>/layer.json     written last: what is not named there is not there
    <directory>/<key>/<random>/      the environment itself
    <directory>/parents/             what is known of the interpreters below

An environment holds its own path, so it cannot be moved when it is done. A killed build leaves a directory that no
``layer.json`` names; its installer may still be writing there, so the next build takes another directory.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from covalent.locks import locked, opened
from covalent.worker.layers import construction, installers
from covalent.worker.layers.installers import Installer
from covalent.worker.layers.key import key_of
from covalent.worker.layers.parent import Parents
from covalent.worker.layers.record import Layer, LayerError

_USING: Final = "using"
#: They would show an interpreter, or an installer, another environment than its own.
_ANOTHERS: Final = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"})
#: A layer's last use is noted this often, in seconds.
_USED_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A layer as ``covalent-worker env`` tells of it."""

    layer: Layer
    #: In bytes, what it shares with an installer's cache too.
    size: int
    #: Seconds since the epoch.
    used_at: float
    in_use: bool


class Layers:
    """The layers below one directory. Methods may be called from any thread."""

    def __init__(
        self,
        directory: Path,
        environ: Mapping[str, str],
        *,
        installer: Callable[[Mapping[str, str]], Installer] = installers.available,
    ) -> None:
        """``environ`` steers the installer: where packages are taken from, say."""
        self._directory = directory
        self._environ = {name: value for name, value in environ.items() if name not in _ANOTHERS}
        self._installer = installer
        self._parents = Parents(directory / "parents", self._environ)
        #: Those that this process uses: the shared lock is held for as long as it lives.
        self._used: dict[str, tuple[Layer, int]] = {}
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    def find(self, python: str, requirements: tuple[str, ...]) -> Layer | None:
        """The layer if it is there and nobody has to be asked for that; no process is started."""
        parent = self._parents.find(python)
        return None if parent is None else self.use(key_of(requirements, parent, self._environ))

    def build(self, python: str, requirements: tuple[str, ...]) -> Layer:
        """The layer, which is built if it is not there; raises LayerError with the installer's own words."""
        try:
            return self._found_or_built(python, requirements)
        except OSError as error:
            raise LayerError(f"the directory of layers {self._directory} cannot be written: {error}") from None

    def _found_or_built(self, python: str, requirements: tuple[str, ...]) -> Layer:
        parent = self._parents.get(python)
        key = key_of(requirements, parent, self._environ)
        place = self._directory / key
        with self._building(key):
            if _ready(place) is None:
                for left in _trees(place):
                    shutil.rmtree(left, ignore_errors=True)
                target = place / secrets.token_hex(8)
                try:
                    layer = construction.built(key, requirements, parent, target, self._installer(self._environ))
                    layer.write(place / "layer.json")
                except (LayerError, OSError):
                    shutil.rmtree(target, ignore_errors=True)
                    raise
        found = self.use(key)
        return self._found_or_built(python, requirements) if found is None else found  # pruned in between

    def clear(self, *, dry_run: bool) -> int:
        """Remove what interrupted builds have left that nobody has begun again; how many bytes that is."""
        size = 0
        for path in sorted(self._directory.glob("*/building")):
            with _alone(path) as alone:
                for left in _left(path.parent) if alone else ():
                    size += _size(left)
                    if not dry_run:
                        shutil.rmtree(left, ignore_errors=True)
        return size

    def kept(self) -> Iterator[Kept]:
        """All layers that are there."""
        for path in sorted(self._directory.glob("*/layer.json")):
            layer = Layer.read(path)
            if layer is not None:
                with _alone(path.with_name(_USING)) as alone:
                    in_use = not alone
                yield Kept(
                    layer=layer,
                    size=_size(path.parent),
                    used_at=max(_modified(path.with_name("used")), layer.built_at),
                    in_use=in_use,
                )

    def remove(self, key: str) -> bool:
        """Remove a layer unless somebody uses it; whether it was removed."""
        place = self._directory / key
        with self._building(key), _alone(place / _USING) as alone:
            if alone:
                (place / "layer.json").unlink(missing_ok=True)  # first: what is half removed is not there
                for left in _trees(place):
                    shutil.rmtree(left, ignore_errors=True)
        return alone

    def use(self, key: str) -> Layer | None:
        """The layer of a key, if it is there; nobody removes it while this process lives."""
        with self._lock:
            found = self._used.get(key)
            if found is not None and not Path(found[0].python).exists():  # somebody has removed it by hand
                os.close(self._used.pop(key)[1])
                found = None
            if found is None:
                place = self._directory / key
                if _ready(place) is None:
                    return None
                lock = opened(place / _USING)
                fcntl.flock(lock, fcntl.LOCK_SH)
                layer = _ready(place)
                if layer is None:
                    os.close(lock)
                    return None
                found = self._used[key] = (layer, lock)
            now = time.monotonic()
            if now - self._noted.get(key, -_USED_SECONDS) >= _USED_SECONDS:
                self._noted[key] = now
                (self._directory / key / "used").touch()
            return found[0]

    @contextmanager
    def _building(self, key: str) -> Iterator[None]:
        """While nobody else builds or removes it."""
        place = self._directory / key
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = opened(place / "building")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _ready(place: Path) -> Layer | None:
    layer = Layer.read(place / "layer.json")
    return layer if layer is not None and Path(layer.python).exists() else None


def _left(place: Path) -> Iterator[Path]:
    """What interrupted builds have left; beside a layer, too, when their installers went on while that was built."""
    own = None
    if (place / "layer.json").exists():
        layer = Layer.read(place / "layer.json")
        if layer is None:
            return  # another version's, which knows what is its own
        own = Path(layer.python).parent.parent.name
    yield from (path for path in _trees(place) if path.name != own)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Lock a file if nobody else has it locked, which is not waited for; whether that is so."""
    lock = locked(path)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def _trees(place: Path) -> list[Path]:
    """The environments in a layer's directory: what it was built as, and what builds have left."""
    return [path for path in place.iterdir() if path.is_dir()]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(place: Path) -> int:
    return sum(path.lstat().st_size for path in place.rglob("*") if path.is_file() or path.is_symlink())
