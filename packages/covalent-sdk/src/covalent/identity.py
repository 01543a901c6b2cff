"""What a function is, told apart from how it happens to be written down.

A pickle's digest will not do: cloudpickle's bytes differ between runs and with the script's name. The function id is a
digest of the code and everything it refers to, in an order that no hash seed changes, without file names and line
numbers. A function that is found by name stands for itself by that name; what its module holds is told by the digest
of the user's own modules and by the environment, which the caller adds.
"""

from __future__ import annotations

import copyreg
import hashlib
import json
import platform
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from covalent.references import function_of, reference

_MAX_DEPTH: Final = 200
_SIMPLE: Final = (int, float, bool, complex, type(None), type(Ellipsis), type(NotImplemented), range)
_CONTAINERS: Final = (list, tuple, set, frozenset, dict)
_GLOBAL_NAMES: Final = frozenset(
    {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_GLOBAL", "DELETE_GLOBAL"}
)
#: What a class holds that says nothing about it, or says it in an order of chance.
_UNTOLD: Final = frozenset(
    {"__dict__", "__weakref__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__", "_abc_impl"}
)


class _UntellableError(Exception):
    """Something that has no stable description."""


def function_id(function: object, *, project: str, environment: Mapping[str, Any]) -> str:
    """The identity of a function, or an empty string when something that it refers to has none.

    ``project`` identifies the user's own modules that it needs, ``environment`` where it runs.
    """
    walker = _Walker()
    walker.feed("python", f"{platform.python_implementation()} {sys.version_info.major}.{sys.version_info.minor}")
    walker.feed("project", project)
    walker.feed("environment", json.dumps(environment, sort_keys=True))
    try:
        walker.walk(function)
    except _UntellableError:
        return ""
    except Exception:  # noqa: BLE001 - the user's own __reduce__ methods; an identity is worth having, not needed
        return ""
    return walker.sha.hexdigest()


class _Walker:
    """Feeds a digest with a description of values, each object once."""

    def __init__(self) -> None:
        self.sha = hashlib.sha256()
        self._seen: dict[int, int] = {}
        self._alive: list[object] = []
        self._depth = 0

    def feed(self, tag: str, content: str | bytes = b"") -> None:
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        self.sha.update(f"{tag}:{len(data)}:".encode())
        self.sha.update(data)

    def walk(self, value: Any) -> None:
        value = function_of(value)
        cls = type(value)
        if isinstance(value, _SIMPLE) and cls.__module__ == "builtins":
            self.feed(cls.__name__, repr(value))
        elif cls is str or cls is bytes:
            self.feed(cls.__name__, value)
        elif isinstance(value, types.ModuleType):
            self.feed("module", value.__name__)
        elif id(value) in self._seen:
            self.feed("seen", str(self._seen[id(value)]))
        else:
            self._seen[id(value)] = len(self._seen)
            self._alive.append(value)
            self._depth += 1
            if self._depth > _MAX_DEPTH:
                raise _UntellableError
            self._walk_object(value)
            self._depth -= 1

    def _walk_object(self, value: Any) -> None:
        name = reference(value) if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)) else None
        if name is not None:
            self.feed("reference", name)
        elif type(value) in _CONTAINERS:
            self._walk_container(value)
        elif isinstance(value, types.CodeType):
            self._walk_code(value)
        elif isinstance(value, types.FunctionType):
            self._walk_function(value)
        elif isinstance(value, type):
            self._walk_class(value)
        elif isinstance(value, types.CellType):
            self._walk_all("cell", list(_contents(value)))
        else:
            self._walk_part_of_class(value)

    def _walk_part_of_class(self, value: Any) -> None:
        if isinstance(value, (staticmethod, classmethod)):
            self._walk_all(type(value).__name__, [value.__func__])
        elif isinstance(value, property):
            self._walk_all("property", [value.fget, value.fset, value.fdel])
        elif isinstance(value, types.MappingProxyType):  # each field of a dataclass holds one
            self._walk_all("mapping", [dict(value)])
        elif isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType)):
            self.feed("descriptor", value.__name__)
        else:
            self._walk_reduced(value)

    def _walk_container(self, value: Any) -> None:
        tag = type(value).__name__
        if tag == "dict":
            self._walk_all(tag, [part for item in value.items() for part in item])
        elif tag in {"list", "tuple"}:
            self._walk_all(tag, value)
        else:
            self._walk_all(tag, sorted(_digest(item) for item in value))

    def _walk_all(self, tag: str, values: Iterable[Any]) -> None:
        values = list(values)
        self.feed(tag, str(len(values)))
        for value in values:
            self.walk(value)

    def _walk_code(self, code: types.CodeType) -> None:
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self.feed("code", code.co_code)
        self.feed("exceptions", code.co_exceptiontable)
        self.feed("shape", repr((counts, names)))
        self._walk_all("constants", code.co_consts)

    def _walk_function(self, function: types.FunctionType) -> None:
        self.feed("function")
        self.walk(function.__code__)
        self._walk_all("defaults", [function.__defaults__, function.__kwdefaults__])
        self._walk_all("closure", function.__closure__ or ())
        names = sorted(set(_global_names(function.__code__)) & function.__globals__.keys())
        self.feed("globals", repr(names))
        for name in names:
            self.walk(function.__globals__[name])

    def _walk_class(self, cls: type) -> None:
        self.feed("class", cls.__name__)
        self._walk_all("bases", cls.__bases__)
        told = {name: item for name, item in vars(cls).items() if name not in _UNTOLD}
        if "__dataclass_fields__" in told and str(told.get("__doc__")).startswith(f"{cls.__name__}("):
            del told["__doc__"]  # written by dataclass: its defaults as text, sets in an order of chance
        for name in sorted(told):
            self.feed("attribute", name)
            self.walk(told[name])

    def _walk_reduced(self, value: Any) -> None:
        reducer = copyreg.dispatch_table.get(type(value))
        reduced = reducer(value) if reducer is not None else value.__reduce_ex__(4)
        if isinstance(reduced, str):
            self.feed("global", f"{type(value).__module__}:{reduced}")
            return
        self.feed("object")
        for part in reduced:
            # The fourth and fifth parts are iterators over the items of lists and dicts.
            self.walk(list(part) if isinstance(part, Iterator) else part)


def _digest(value: Any) -> str:
    walker = _Walker()
    walker.walk(value)
    return walker.sha.hexdigest()


def _contents(cell: types.CellType) -> Iterator[Any]:
    try:
        yield cell.cell_contents
    except ValueError:  # not bound yet
        return


def _global_names(code: types.CodeType) -> Iterator[str]:
    """The global names that code reads or writes, that of the functions inside it too."""
    import dis  # noqa: PLC0415 - needed only when a workflow is dispatched

    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBAL_NAMES:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
