"""Functions by name: ``module:qualname``, which every Python that has the module can resolve.

A name is given only when it leads back to the very same function in a new process: what lives in ``__main__``, in a
notebook, inside another function, or in a module that the import system would not find again has none.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from typing import Any, Final

from covalent.errors import TransportError

#: The attribute under which electrons and lattices keep the function that they stand for.
FUNCTION_ATTRIBUTE: Final = "_covalent_function"


def reference(thing: object) -> str | None:
    """The name of a function or class, or None when it has to travel by value."""
    module_name = getattr(thing, "__module__", None)
    qualname = getattr(thing, "__qualname__", None)
    if not isinstance(module_name, str) or not isinstance(qualname, str) or "<" in qualname:
        return None
    module = sys.modules.get(module_name)
    if module is None or module_name == "__main__":
        return None
    found: Any = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    if function_of(found) is not thing:  # an electron itself is no function: a name would lead to its function
        return None
    return f"{module_name}:{qualname}" if importable(module) else None


def resolve(name: str) -> Any:
    """What a reference names; for an electron or a lattice its function."""
    module_name, _, qualname = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise TransportError(
            f"{name} cannot be imported here, by {sys.executable}: {error}; install there what is missing, "
            "or define the function in the script itself"
        ) from error
    try:
        for part in qualname.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise TransportError(
            f"{name} is not there: {error}; the module {module_name} at {getattr(found, '__file__', '?')} "
            "is another version than the one that the workflow was written with"
        ) from error
    return function_of(found)


def function_of(thing: Any) -> Any:
    """The function that an electron, a lattice or an electron of a lattice stands for; else the thing itself."""
    if isinstance(thing, types.MethodType):  # it would answer for the function that it binds
        return thing
    while (function := getattr(thing, FUNCTION_ATTRIBUTE, thing)) is not thing:
        thing = function
    return thing


def name_of(function: Any) -> str:
    """What a function is called: of a partial what is called in the end, of an object its class."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)


def importable(module: types.ModuleType) -> bool:
    """Whether a new process with the same ``sys.path`` would import this very module by its name."""
    spec = getattr(module, "__spec__", None)
    if spec is None or spec.name != module.__name__:
        return False
    found = find_spec(module.__name__)
    return found is not None and found.origin == spec.origin


def find_spec(name: str) -> ModuleSpec | None:
    """Where the import system would find a module now; imports nothing, not even the packages above it."""
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        above = find_spec(parent)
        if above is None or above.submodule_search_locations is None:
            return None
        path = above.submodule_search_locations
    for finder in sys.meta_path:
        search = getattr(finder, "find_spec", None)
        try:
            spec: ModuleSpec | None = search(name, path) if search is not None else None
        except KeyError:  # PathFinder has found a namespace package and misses the imported package above it
            spec = _namespace_spec(name, path or ())
        if spec is not None:
            return spec
    return None


def _namespace_spec(name: str, path: Iterable[str]) -> ModuleSpec | None:
    """Where a namespace package lies that is itself in a package; none of the two has to be imported."""
    import pkgutil  # noqa: PLC0415 - slow, and seldom needed

    portions: list[str] = []
    for entry in path:
        finder = pkgutil.get_importer(entry)
        found = finder.find_spec(name) if finder is not None else None
        portions += (found.submodule_search_locations or ()) if found is not None else ()
    if not portions:
        return None
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = portions
    return spec


def collect(value: Any) -> Any:
    """The task behind a workflow's return value: its argument is the value, already put together."""
    return value
