"""The user's own modules: found when a workflow is dispatched, read from disk, shipped as one asset.

A module is the user's own when it comes from outside the standard library and the directories that installers fill;
an editable installation is therefore the user's own too. What is needed is found by following imports through the
sources, inside functions as well. A module in a package brings the whole directory of that package, so that its data
files come along; whatever a file ``.covalentignore`` in that directory names by shell patterns stays behind. Modules
that the user names come along wherever they lie.

::

    finding      what code may import, and where the user's own modules lie
    files        what belongs to a package
    archive      a project as one asset
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from covalent.errors import ProjectError
from covalent.project.archive import CODEC, MAX_BYTES, Merged, extract, merge, pack
from covalent.project.files import read, walk
from covalent.project.finding import Module, imports, locate, roots
from covalent.transportable import Origins

__all__ = ["CODEC", "MAX_BYTES", "Merged", "Project", "extract", "merge", "pack"]

#: How files of compiled modules end.
_COMPILED: Final = (".so", ".pyd", ".dll", ".dylib")


@dataclass(slots=True)
class Project:
    """What is known of the user's own modules during one dispatch."""

    #: Modules that are needed whatever the code says, installed or not.
    named: frozenset[str] = frozenset()
    _modules: dict[str, Module | None] = field(default_factory=dict)
    _imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _files: dict[PurePosixPath, dict[PurePosixPath, Path]] = field(default_factory=dict)
    _digests: dict[Path, bytes] = field(default_factory=dict)

    def files(self, origins: Iterable[Origins]) -> dict[PurePosixPath, Path]:
        """Every file that payloads of these origins need, by its place below the directory put on ``sys.path``."""
        found: dict[PurePosixPath, Path] = {}
        for name in sorted(self.named):
            self._check_named(name)
        for name in self._closure({*roots(origins), *self.named}):
            module = self._module(name)
            if module is not None and module.path is not None:
                found.update(self._files_of(module.place, module.path))
        return found

    def digest(self, origins: Iterable[Origins]) -> str:
        """What identifies the user's own code that payloads of these origins need; empty when they need none."""
        files = self.files(origins)
        if not files:
            return ""
        sha = hashlib.sha256()
        for place in sorted(files):
            path = files[place]
            if path not in self._digests:
                self._digests[path] = hashlib.sha256(read(path)).digest()
            sha.update(f"{place}\0".encode("utf-8", "surrogateescape"))
            sha.update(self._digests[path])
        return sha.hexdigest()

    def _check_named(self, name: str) -> None:
        module = self._module(name)
        if module is None or module.path is None:
            raise ProjectError(
                f"deps_module names {name!r}, of which there is no file to send: it is not to be found by this "
                "process, or a part of Python itself; leave it out, or name a module that lies in a file or a package. "
                "A worker that builds a sublattice has what was sent with the workflow around it: name it there"
            )
        files = self._files_of(module.place, module.path)
        compiled = next((path for path in files.values() if path.name.endswith(_COMPILED)), None)
        if compiled is not None and locate(name) is None:
            raise ProjectError(
                f"deps_module names {name!r}, which holds compiled code ({compiled}), and that runs on machines and "
                "Pythons like this one alone. Leave it out, and install it in the environment where the task runs"
            )

    def _closure(self, needed: Iterable[str]) -> set[str]:
        reached: set[str] = set()
        waiting = list(needed)
        while waiting:
            name = waiting.pop()
            if name in reached:
                continue
            reached.add(name)
            parent = name.rpartition(".")[0]
            if parent:
                waiting.append(parent)
            waiting.extend(self._imported_by(name))
        return reached

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            packages = {named.partition(".")[0] for named in self.named}
            self._modules[name] = locate(name, installed=name.partition(".")[0] in packages)
        return self._modules[name]

    def _imported_by(self, name: str) -> tuple[str, ...]:
        if name not in self._imports:
            module = self._module(name)
            source = module.source if module is not None else None
            self._imports[name] = imports(read(source), module.package) if module and source else ()
        return self._imports[name]

    def _files_of(self, place: PurePosixPath, path: Path) -> dict[PurePosixPath, Path]:
        if place not in self._files:
            if path.is_dir():
                self._files[place] = {place / file.relative_to(path).as_posix(): file for file in walk(path)}
            else:
                self._files[place] = {place: path}
        return self._files[place]
