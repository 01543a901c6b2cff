"""The user's own modules: found when a workflow is dispatched, read from disk, shipped as one asset.

A module is the user's own when it comes from outside the standard library and the directories that installers fill;
an editable installation is therefore the user's own too. What is needed is found by following imports through the
sources, inside functions as well. A module in a package brings the whole directory of that package, so that its data
files come along; whatever a file ``.covalentignore`` in that directory names by shell patterns stays behind.
"""

from __future__ import annotations

import ast
import fnmatch
import functools
import hashlib
import io
import os
import sys
import sysconfig
import tempfile
import types
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath
from typing import Any, Final

from covalent.errors import ProjectError
from covalent.references import find_spec
from covalent.transportable import Origins, TransportableObject
from covalent.wire.container import Buffer, Header

CODEC: Final = "project"
IGNORE_FILE: Final = ".covalentignore"
#: What may be shipped, altogether, in bytes.
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_FILES: Final = 20_000
_OURS: Final = frozenset({"covalent", "covalent_server"})
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE: Final = 0o100000
_UNIX: Final = 3
_NAMED_IN_ERRORS: Final = 5
#: On Windows these lead out of a directory; elsewhere they are letters like any other.
_NOT_IN_NAMES: Final = "\0\\:" if os.name == "nt" else "\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One of the user's own modules."""

    #: The file to read imports from, None for a namespace package.
    source: Path | None
    #: What has to be shipped for it: its place below an entry of ``sys.path``, and where that lies on disk.
    place: PurePosixPath
    path: Path | None
    #: The package that its relative imports start from.
    package: str


@dataclass(slots=True)
class Project:
    """What is known of the user's own modules during one dispatch."""

    _modules: dict[str, Module | None] = field(default_factory=dict)
    _imports: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _files: dict[PurePosixPath, dict[PurePosixPath, Path]] = field(default_factory=dict)
    _digests: dict[Path, bytes] = field(default_factory=dict)

    def files(self, origins: Iterable[Origins]) -> dict[PurePosixPath, Path]:
        """Every file that payloads of these origins need, by its place below the directory put on ``sys.path``."""
        found: dict[PurePosixPath, Path] = {}
        for name in self._closure(_roots(origins)):
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
                self._digests[path] = hashlib.sha256(_read(path)).digest()
            sha.update(f"{place}\0".encode("utf-8", "surrogateescape"))
            sha.update(self._digests[path])
        return sha.hexdigest()

    def _closure(self, roots: Iterable[str]) -> set[str]:
        reached: set[str] = set()
        waiting = list(roots)
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
            self._modules[name] = _locate(name)
        return self._modules[name]

    def _imported_by(self, name: str) -> tuple[str, ...]:
        if name not in self._imports:
            module = self._module(name)
            source = module.source if module is not None else None
            self._imports[name] = _imports(_read(source), module.package) if module and source else ()
        return self._imports[name]

    def _files_of(self, place: PurePosixPath, path: Path) -> dict[PurePosixPath, Path]:
        if place not in self._files:
            if path.is_dir():
                self._files[place] = {place / file.relative_to(path).as_posix(): file for file in _walk(path)}
            else:
                self._files[place] = {place: path}
        return self._files[place]


def pack(files: dict[PurePosixPath, Path]) -> TransportableObject | None:
    """The files as one asset, or None when there are none; equal files give equal bytes everywhere."""
    if not files:
        return None
    _check_names(files)
    _check_size(files)
    import zipfile  # noqa: PLC0415 - needed only by workflows with modules of their own

    buffer = io.BytesIO()
    # Stored, not deflated: compressors differ between machines, and equal code must have one digest.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for place in sorted(files):
            entry = zipfile.ZipInfo(str(place), date_time=_EPOCH)
            entry.create_system = _UNIX
            mode = 0o755 if files[place].stat().st_mode & 0o100 else 0o644
            entry.external_attr = (_REGULAR_FILE | mode) << 16
            archive.writestr(entry, _read(files[place]))
    names = sorted({place.parts[0] for place in files})
    header = Header(codec=CODEC, type_name="project", object_string=f"{len(files)} files: {', '.join(names)}"[:1000])
    return TransportableObject.packed(header, [buffer.getvalue()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Two projects in one."""

    asset: TransportableObject | None
    #: Whether a file of the first gave way to another one of the second.
    overwrites: bool = False


def merge(stored: TransportableObject | None, files: dict[PurePosixPath, Path]) -> Merged:
    """A stored project with files added to it; where both have the same file, the added one counts."""
    if stored is None or not files:
        return Merged(asset=pack(files) if stored is None else stored)
    with tempfile.TemporaryDirectory(prefix="covalent-") as temporary:
        directory = Path(temporary) / "project"
        extract(stored.serialize(), directory)
        before = {
            PurePosixPath(path.relative_to(directory).as_posix()): path
            for path in directory.rglob("*")
            if path.is_file()
        }
        common = before.keys() & files.keys()
        overwrites = any(_read(before[place]) != _read(files[place]) for place in common)
        return Merged(asset=pack(before | files), overwrites=overwrites)


def extract(data: Buffer, directory: Path) -> None:
    """Unpack a project's asset to a directory, all at once; one that is there already is left as it is."""
    asset = TransportableObject.from_buffer(data)
    if asset.header.codec != CODEC:
        raise ProjectError(f"an asset with codec {asset.header.codec!r} holds no project")
    if directory.exists():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=f".{directory.name}-") as temporary:
        unpacked = Path(temporary) / "project"
        unpacked.mkdir()
        _extract_all(bytes(asset.parts()[0]), unpacked)
        try:
            unpacked.rename(directory)
        except OSError:
            if not directory.exists():  # another worker was faster; a directory of that digest is as good
                raise


def _extract_all(content: bytes, directory: Path) -> None:
    import zipfile  # noqa: PLC0415 - as in pack

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            # Entries are stored: what comes out is no larger than what came in, unless the archive is a trap.
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not stored or sum(entry.file_size for entry in entries) > len(content):
                raise ProjectError("the project's asset unpacks to more than it holds")
            for entry in entries:
                target = directory.joinpath(*_checked_parts(entry.filename))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(entry))
                target.chmod(0o755 if entry.external_attr >> 16 & 0o100 else 0o644)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise ProjectError(f"the project's asset cannot be unpacked: {error}") from error


def _checked_parts(name: str) -> tuple[str, ...]:
    place = PurePosixPath(name)
    if place.is_absolute() or not place.parts or ".." in place.parts or any(mark in name for mark in _NOT_IN_NAMES):
        raise ProjectError(f"the project's asset holds a file {name!r}, which lies outside of it")
    return place.parts


# -- finding modules


def _roots(origins: Iterable[Origins]) -> set[str]:
    roots: set[str] = set()
    for origin in origins:
        roots.update(origin.modules)
        for code, package in origin.codes:
            roots.update(_code_imports(code, package))
    return roots


def _code_imports(code: types.CodeType, package: str) -> Iterator[str]:
    """The modules that a code object may import, those of the functions inside it too."""
    import dis  # noqa: PLC0415 - needed only for functions that travel by value

    level: Any = 0
    names: Any = ()
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            yield from _candidates(str(instruction.argval), names or (), level or 0, package)
        if instruction.opname != "EXTENDED_ARG":
            level, names = names, instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code_imports(constant, package)


def _candidates(module: str, names: Iterable[str], level: int, package: str) -> Iterator[str]:
    """What ``from module import names`` may import: the module, and the names as far as they are modules."""
    if level:
        above = package.split(".")[: 1 - level or None]
        module = ".".join([*above, module] if module else above)
    if module:
        yield module
        yield from (f"{module}.{name}" for name in names if name != "*")


@functools.lru_cache(maxsize=2048)
def _imports(source: bytes, package: str) -> tuple[str, ...]:
    """The modules that a source file may import."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()  # it cannot be imported there either, and importing it will say why
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            found.update((name, None) for name in _candidates(node.module or "", names, node.level, package))
    return tuple(found)


def _locate(name: str) -> Module | None:
    """Where one of the user's own modules lies, or None when it is not one of them."""
    parts = name.split(".")
    if parts[0] in _OURS or name == "__main__":
        return None
    place = PurePosixPath()
    path: Path | None = None
    spec: ModuleSpec | None = None
    for length, part in enumerate(parts, start=1):
        spec = _spec(".".join(parts[:length]))
        if spec is None or not _is_own(spec):
            return None
        if path is None:
            place = place / part
            if spec.origin is not None:
                path = Path(spec.origin)
                is_package = spec.submodule_search_locations is not None
                place, path = (place, path.parent) if is_package else (_named_as(place, path), path)
    if spec is None:
        return None
    source = Path(spec.origin) if spec.origin is not None and spec.origin.endswith(".py") else None
    package = name if spec.submodule_search_locations is not None else ".".join(parts[:-1])
    return Module(source=source, place=place, path=path, package=package)


def _named_as(place: PurePosixPath, path: Path) -> PurePosixPath:
    return place.with_name(f"{place.name}.{path.name.partition('.')[2]}")


def _spec(name: str) -> ModuleSpec | None:
    spec: ModuleSpec | None = getattr(sys.modules.get(name), "__spec__", None)
    if spec is not None and spec.name == name:
        return spec
    try:
        return find_spec(name)
    except (ImportError, ValueError, AttributeError, KeyError):  # a finder's way to say no
        return None


def _is_own(spec: ModuleSpec) -> bool:
    if spec.origin is None:
        return spec.submodule_search_locations is not None
    path = Path(spec.origin)
    installed = not _INSTALLED.isdisjoint(path.parts) or any(path.is_relative_to(home) for home in _library_homes())
    return spec.has_location and not installed and path.is_file()


@functools.cache
def _library_homes() -> frozenset[Path]:
    homes = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    return frozenset(homes | {home.resolve() for home in homes})


# -- reading files


def _walk(directory: Path) -> list[Path]:
    """The files of a package, without caches, hidden ones and those that its ignore file names."""
    ignore_file = directory / IGNORE_FILE
    lines = _read(ignore_file).decode("utf-8", "replace").splitlines() if ignore_file.is_file() else []
    patterns = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]
    found: list[Path] = []
    visited: set[str] = set()
    for root, names, files in os.walk(directory, followlinks=True):
        real = os.path.realpath(root)
        if real in visited:
            names.clear()
            continue
        visited.add(real)
        here = Path(root)
        names[:] = sorted(name for name in names if name != "__pycache__" and _ships(here / name, directory, patterns))
        found += [here / name for name in sorted(files) if _ships(here / name, directory, patterns)]
        if len(found) > MAX_FILES:
            raise ProjectError(
                f"the package at {directory} holds more than {MAX_FILES} files; "
                f"name those to leave behind in {ignore_file}, or install the package in the executor's environment"
            )
    return [path for path in found if path.is_file()]


def _ships(path: Path, directory: Path, patterns: Iterable[str]) -> bool:
    relative = path.relative_to(directory).as_posix()
    return not path.name.startswith(".") and not any(
        fnmatch.fnmatch(relative, pattern) or fnmatch.fnmatch(path.name, pattern) for pattern in patterns
    )


def _check_names(files: dict[PurePosixPath, Path]) -> None:
    for place, path in files.items():
        try:
            str(place).encode()
        except UnicodeEncodeError as error:
            part = str(place)[: error.end].count("/")
            pattern = place.parts[part].encode("ascii", "replace").decode("ascii")  # a question mark fits any letter
            raise ProjectError(
                f"the file {str(path)!r} cannot be shipped, because its name is not UTF-8; rename it, "
                f"or leave it behind by a line {pattern!r} in a file {IGNORE_FILE} in the package's directory"
            ) from None


def _check_size(files: dict[PurePosixPath, Path]) -> None:
    sizes = {place: path.stat().st_size for place, path in files.items()}
    total = sum(sizes.values())
    if total <= MAX_BYTES:
        return
    largest = sorted(sizes, key=lambda place: sizes[place], reverse=True)[:_NAMED_IN_ERRORS]
    named = ", ".join(f"{files[place]} ({sizes[place] / 2**20:.1f} MiB)" for place in largest)
    raise ProjectError(
        f"the modules that this workflow needs hold {total / 2**20:.1f} MiB, more than {MAX_BYTES // 2**20} MiB can be "
        f"shipped with it. The largest files: {named}. Name what tasks do not need in a file {IGNORE_FILE} in the "
        "package's directory, pass data as arguments, or install the package in the executor's environment"
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProjectError(f"a module that this workflow needs cannot be read: {error}") from error
