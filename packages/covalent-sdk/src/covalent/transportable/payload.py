"""How an object becomes the parts of a container, and how it is made from them again.

Small values that JSON says exactly are written as JSON, functions and classes of importable modules by name, all else
as a pickle (protocol 5, by cloudpickle) whose large buffers lie beside it. Opening checks first that this Python can
read what the other one wrote: a code object of another minor version does not fail, it crashes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import platform
import re
import sys
import threading
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from covalent.errors import CloudpickleMismatchError, CovalentError, PythonMismatchError, TransportError
from covalent.references import importable, reference, resolve
from covalent.secret import check_absent, masked
from covalent.transportable import preview
from covalent.wire.codec import loads
from covalent.wire.container import Buffer, Header

if TYPE_CHECKING:
    import pickle

PY_VERSION: Final = platform.python_version()
IMPLEMENTATION: Final = platform.python_implementation()
_DOC_CHARACTERS: Final = 2000
_NAMED: Final = (types.FunctionType, types.BuiltinFunctionType, type)
#: Modules of one Python version alone, and where all versions have their classes.
_MOVED: Final = {"pathlib._local": "pathlib"}
#: Where numpy 2 has its functions that open arrays, and where older ones have them.
_NUMPY: Final = ("numpy._core", "numpy.core")
#: What cloudpickle writes in place of the file that code stands in.
_NO_FILE: Final = "<dynamic-code>"
_by_value_lock = threading.RLock()


class Origins(NamedTuple):
    """What a pickle leans on, known only where it was written: what has to be there when it is opened."""

    #: The modules that it names.
    modules: frozenset[str] = frozenset()
    #: The code that it holds by value, each with the package that its relative imports start from.
    codes: tuple[tuple[types.CodeType, str], ...] = ()


def encode(obj: Any, *, copy_buffers: bool) -> tuple[Header, list[Buffer], Origins]:
    """Header and parts of an object, and what they lean on; SecretError when they would hold a secret's value."""
    if isinstance(obj, _NAMED):
        name = reference(obj)
        if name is not None:
            origins = Origins(modules=frozenset({name.partition(":")[0]}))
            return _header(obj, "reference", sizes=(len(name.encode()),)), [name.encode()], origins
    text = preview.exact_json(obj)
    if text is not None:
        payload = text.encode()
        check_absent([payload])
        return _header(obj, "json", json=text, sizes=(len(payload),)), [payload], Origins()
    pickled = _pickled(obj)
    buffers: list[Buffer] = [bytes(raw) if copy_buffers else raw for raw in pickled.buffers]
    parts = [pickled.payload, *buffers]
    check_absent(parts)
    header = _header(
        obj,
        "pickle",
        cloudpickle_version=_cloudpickle().__version__ if b"cloudpickle" in pickled.payload else "",
        code=pickled.code,
        readonly=tuple(number for number, raw in enumerate(pickled.buffers, start=1) if raw.readonly) or None,
        sizes=tuple(len(part) for part in parts),
    )
    return header, parts, pickled.origins


def _header(obj: Any, codec: str, **known: Any) -> Header:
    attrs = {}
    if isinstance(obj, _NAMED):
        attrs["name"] = preview.sanitised(obj.__name__, 200)
        if isinstance(obj.__doc__, str):
            attrs["doc"] = preview.sanitised(obj.__doc__, _DOC_CHARACTERS)
    return Header(
        codec=codec,
        py_version=PY_VERSION,
        implementation=IMPLEMENTATION,
        type_name=preview.type_name(obj),
        attrs=attrs,
        # What JSON says exactly is small, and made of nothing foreign.
        object_string=masked(preview.text(obj)) if codec != "json" else preview.sanitised(str(obj)),
        **known,
    )


class _Pickled(NamedTuple):
    payload: bytes
    buffers: list[memoryview]
    code: bool
    origins: Origins


def _pickled(obj: Any) -> _Pickled:
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    pickler = _pickler_class()(file, protocol=5, buffer_callback=buffers.append)
    try:
        with _whole_module_by_value(obj):
            pickler.dump(obj)
        raws = [buffer.raw() for buffer in buffers]
    except CovalentError:
        raise
    except Exception as error:
        raise TransportError(
            f"a value of type {preview.type_name(obj)} cannot be serialised: {error}; "
            "return or pass plain data instead, or give its class a __reduce__ method"
        ) from error
    origins = Origins(modules=frozenset(pickler.modules), codes=tuple(pickler.codes))
    return _Pickled(file.getvalue(), raws, pickler.code, origins)


@contextlib.contextmanager
def _whole_module_by_value(obj: Any) -> Iterator[None]:
    """While a function is pickled whose module no other process would find, that module is taken along by value."""
    module = sys.modules.get(obj.__module__ or "") if isinstance(obj, types.FunctionType) else None
    if module is None or module.__name__ == "__main__" or importable(module):
        yield
        return
    cloudpickle = _cloudpickle().cloudpickle
    with _by_value_lock:
        known = module.__name__ in cloudpickle.list_registry_pickle_by_value()
        if not known:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            if not known:
                cloudpickle.unregister_pickle_by_value(module)


@functools.cache
def _pickler_class() -> Any:
    """A cloudpickle pickler that notes what it meets; made when the first value has to be pickled."""

    class Pickler(_cloudpickle().CloudPickler):  # type: ignore[misc]
        def __init__(self, file: io.BytesIO, **options: Any) -> None:
            super().__init__(file, **options)
            self.code = False
            self.modules: set[str] = set()
            self.codes: list[tuple[types.CodeType, str]] = []

        def reducer_override(self, obj: Any) -> Any:
            self.code = self.code or isinstance(obj, types.CodeType)
            otherwise = _otherwise(obj, self.dispatch_table)
            if otherwise is not None:
                return otherwise
            reduced = super().reducer_override(obj)
            if isinstance(obj, types.ModuleType):
                self.modules.add(obj.__name__)
                if type(obj) is not types.ModuleType and sys.modules.get(obj.__name__) is obj:
                    return importlib.import_module, (obj.__name__,)  # cloudpickle knows plain modules only
            elif reduced is NotImplemented:
                named = obj if isinstance(obj, _NAMED) else type(obj)
                self.modules.add(str(getattr(named, "__module__", None)))
            elif isinstance(obj, types.FunctionType):
                return self._function(obj, reduced)
            return reduced

        def _function(self, function: types.FunctionType, reduced: Any) -> Any:
            name = reference(function)
            if name is not None:  # the function behind an electron of a module
                self.modules.add(function.__module__)
                return resolve, (name,)
            self.codes.append((function.__code__, str(function.__globals__.get("__package__") or "")))
            return reduced

    return Pickler


def _otherwise(obj: Any, table: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """How code and classes are written otherwise than cloudpickle writes them; None for all else."""
    if isinstance(obj, types.CodeType):
        return _with_its_file(obj, table[types.CodeType](obj))
    if isinstance(obj, type) and obj.__module__ in _MOVED:
        return resolve, (f"{_MOVED[obj.__module__]}:{obj.__qualname__}",)
    return None


def _with_its_file(code: types.CodeType, reduced: tuple[Any, tuple[Any, ...]]) -> tuple[Any, tuple[Any, ...]]:
    """Code that knows where it stands: from 3.1.3 on cloudpickle leaves that out, and tracebacks show no lines then."""
    make, arguments = reduced
    named = (code.co_filename if isinstance(given, str) and given == _NO_FILE else given for given in arguments)
    return make, tuple(named)


def carry(module: types.ModuleType) -> None:
    """Whatever pickles with cloudpickle writes what this module defines by value from now on."""
    _cloudpickle().register_pickle_by_value(module)


def prepare() -> None:
    """Load now what pickling needs: a runner does so before its first task waits for it."""
    _cloudpickle()


def _cloudpickle() -> Any:
    import cloudpickle  # noqa: PLC0415 - loaded only when something has to be pickled or unpickled

    return cloudpickle


def decode(header: Header, parts: list[Buffer], *, zero_copy: bool) -> Any:
    """The object that header and parts describe."""
    if header.version > 1 or header.compression or not parts:
        raise TransportError("written by a newer covalent-sdk; run: pip install --upgrade covalent-sdk")
    if header.codec == "json":
        return loads(parts[0])
    if header.codec == "reference":
        return resolve(bytes(parts[0]).decode())
    if header.codec != "pickle":
        raise TransportError(f"an asset with codec {header.codec!r} is not an object that can be opened")
    _check_versions(header)
    import pickle  # noqa: PLC0415 - as cloudpickle

    kept = range(len(parts)) if zero_copy else header.readonly or ()
    buffers = [part if number in kept else bytearray(part) for number, part in enumerate(parts[1:], start=1)]
    try:
        return pickle.loads(parts[0], buffers=buffers)  # noqa: S301 - it runs where its environment is, never in the server
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(_NUMPY[0]):
            raise
        return _by_older_numpy(parts[0], buffers)


def _by_older_numpy(payload: Buffer, buffers: list[Buffer]) -> Any:
    """The object in a pickle with arrays that numpy 2 wrote."""
    import pickle  # noqa: PLC0415 - as cloudpickle

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            newer, older = _NUMPY
            return super().find_class(older + module.removeprefix(newer) if module.startswith(newer) else module, name)

    return Unpickler(io.BytesIO(payload), buffers=buffers).load()


def _check_versions(header: Header) -> None:
    what = f"{header.type_name} {header.attrs.get('name', '')}".strip()
    wrote = _python(header.implementation, header.py_version)
    runs = _python(IMPLEMENTATION, PY_VERSION)
    if header.code and wrote != runs:
        raise PythonMismatchError(what, wrote, runs)
    if header.cloudpickle_version:
        here = str(_cloudpickle().__version__)
        if _release(header.cloudpickle_version) > _release(here):
            raise CloudpickleMismatchError(what, header.cloudpickle_version, here)


def _python(implementation: str, version: str) -> str:
    return f"{implementation} {'.'.join(version.split('.')[:2])}"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
