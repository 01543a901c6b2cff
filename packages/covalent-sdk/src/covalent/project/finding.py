"""Finding modules: what code may import, and whether and where it lies among the user's own."""

from __future__ import annotations

import ast
import functools
import os
import sys
import sysconfig
import types
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

from covalent.references import find_spec
from covalent.transportable import Origins

_OURS: Final = frozenset({"covalent", "covalent_server"})
#: The names of directories that installers fill.
_INSTALLED_HOMES: Final = frozenset({"site-packages", "dist-packages"})
#: Whose a module's file is.
_OWN: Final = "the user's own"
_INSTALLED: Final = "put there by an installer"
_PYTHONS: Final = "a part of Python"


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


class Imported(NamedTuple):
    """A module that code may import."""

    name: str
    #: Whether the code goes on without it: the import stands in a ``try`` or ``with``.
    guarded: bool


def roots(origins: Iterable[Origins]) -> set[str]:
    """The modules that payloads of these origins name themselves."""
    found: set[str] = set()
    for origin in origins:
        found.update(origin.modules)
        for code, package in origin.codes:
            found.update(imported.name for imported in code_imports(code, package))
    return found


@functools.lru_cache(maxsize=2048)
def code_imports(code: types.CodeType, package: str) -> tuple[Imported, ...]:
    """The modules that a code object may import, those of the functions inside it too."""
    import dis  # noqa: PLC0415 - needed only for functions that travel by value

    found: list[Imported] = []
    level: Any = 0
    names: Any = ()
    bytecode = dis.Bytecode(code)
    entries = bytecode.exception_entries  # type: ignore[attr-defined]  # typeshed does not know it
    for instruction in bytecode:
        if instruction.opname == "IMPORT_NAME":
            guarded = any(entry.start <= instruction.offset < entry.end for entry in entries)
            modules = _candidates(str(instruction.argval), names or (), level or 0, package)
            found += (Imported(module, guarded) for module in modules)
        if instruction.opname != "EXTENDED_ARG":
            level, names = names, instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found += code_imports(constant, package)
    return tuple(found)


def _candidates(module: str, names: Iterable[str], level: int, package: str) -> Iterator[str]:
    """What ``from module import names`` may import: the module, and the names as far as they are modules."""
    if level:
        above = package.split(".")[: 1 - level or None]
        module = ".".join([*above, module] if module else above)
    if module:
        yield module
        yield from (f"{module}.{name}" for name in names if name != "*")


@functools.lru_cache(maxsize=2048)
def imports(source: bytes, package: str) -> tuple[str, ...]:
    """The modules that a source file may import."""
    tree = _parsed(source)
    if tree is None:
        return ()
    return tuple(dict.fromkeys(name for node in ast.walk(tree) for name in _imported(node, package)))


@functools.lru_cache(maxsize=2048)
def certain_imports(source: bytes, package: str) -> frozenset[str]:
    """The modules that a source file imports whenever it is imported itself: outside of functions, ifs and tries."""
    tree = _parsed(source)
    return frozenset(name for node in tree.body for name in _imported(node, package)) if tree else frozenset()


@functools.lru_cache(maxsize=2048)
def optional_imports(source: bytes, package: str) -> frozenset[str]:
    """The modules that a source file imports in a ``try``, where it may go on without."""
    tree = _parsed(source)
    tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try)] if tree else []
    return frozenset(name for part in tries for node in ast.walk(part) for name in _imported(node, package))


@functools.lru_cache(maxsize=1)  # what a module imports is asked in three ways, one after the other
def _parsed(source: bytes) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None  # it cannot be imported there either, and importing it will say why


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    """The modules that a statement may import, if it is one that imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from _candidates(node.module or "", [alias.name for alias in node.names], node.level, package)


def locate(name: str, *, installed: bool = False) -> Module | None:
    """Where one of the user's own modules lies, or None when it is not one of them.

    With ``installed`` those that an installer has put where they lie count too, if not those of Python itself.
    """
    parts = name.split(".")
    if parts[0] in _OURS or name == "__main__":
        return None
    place = PurePosixPath()
    path: Path | None = None
    spec: ModuleSpec | None = None
    for length, part in enumerate(parts, start=1):
        spec = _spec(".".join(parts[:length]))
        if spec is None or not _is_own(spec, installed=installed):
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


def _is_own(spec: ModuleSpec, *, installed: bool) -> bool:
    if spec.origin is None:
        return spec.submodule_search_locations is not None
    if not spec.has_location or _lies(spec.origin) not in (_OWN, _INSTALLED if installed else _OWN):
        return False
    return os.path.isfile(spec.origin)  # noqa: PTH113 - asked for every module that anything imports


@functools.lru_cache(maxsize=4096)
def _lies(origin: str) -> str:
    """Whose a file is, as its place tells."""
    path = Path(origin)
    if not _INSTALLED_HOMES.isdisjoint(path.parts):
        return _INSTALLED
    return _PYTHONS if any(path.is_relative_to(home) for home in _library_homes()) else _OWN


@functools.cache
def _library_homes() -> frozenset[Path]:
    homes = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    return frozenset(homes | {home.resolve() for home in homes})
