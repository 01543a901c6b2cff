"""One task: open the function and its inputs, run the hooks and the function, write the output."""

from __future__ import annotations

import functools
import mmap
import os
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

from covalent import hooks, transportable
from covalent.errors import TransportError
from covalent.inputs import Inputs
from covalent.transportable import TransportableObject
from covalent.wire import INLINE_ASSET_BYTES, container
from covalent.worker.messages import Task
from covalent.worker.runner.failures import NotedError, TaskFailedError, while_opening

Buffer = bytes | bytearray | memoryview

#: Functions kept open between tasks.
_KEPT_FUNCTIONS: Final = 256


class Functions:
    """Functions that can be called again without being opened again.

    A function that lives in a module is what the module holds. One that travelled by value is kept only while it
    carries nothing that a call could change for the next one: no closure, no defaults, no globals but modules.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Any, bool]] = OrderedDict()

    def get(self, digest: str) -> Any:
        """The open function, or None."""
        function, by_name = self._kept.get(digest, (None, False))
        if function is None or not (by_name or _carries_nothing(function)):
            return None
        return function

    def keep(self, digest: str, function: Any, *, by_name: bool) -> None:
        """Remember a function that was opened just now."""
        if by_name or _carries_nothing(function):
            self._kept[digest] = (function, by_name)
            if len(self._kept) > _KEPT_FUNCTIONS:
                self._kept.popitem(last=False)


def _carries_nothing(function: Any) -> bool:
    if not isinstance(function, FunctionType):
        return isinstance(function, BuiltinFunctionType)
    if function.__closure__ or function.__defaults__ or function.__kwdefaults__ or function.__dict__:
        return False
    names = function.__globals__
    return all(
        isinstance(value, ModuleType) or name in ("__builtins__", "__name__", "__file__", "__package__", "__doc__")
        for name, value in names.items()
    )


class Assets:
    """The assets of one task: those that came with it, and those that lie in files."""

    def __init__(self, inline: Mapping[str, Buffer], files: Mapping[str, str]) -> None:
        self._inline = inline
        self._files = files

    def data(self, digest: str) -> Buffer:
        """An asset's bytes, private to the caller and writable, so that arrays opened from them are, too."""
        if digest in self._inline:
            return bytearray(self._inline[digest])
        with Path(self._files[digest]).open("rb") as file:
            # A private mapping: pages are read when touched, and copied when written to.
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))

    def open(self, digest: str) -> Any:
        """The object that an asset holds."""
        return transportable.load(self.data(digest), zero_copy=True)


def run(task: Task, assets: Assets, functions: Functions) -> Any:
    """The value of a task; raises whatever the user's code does."""
    open_call = functools.partial(_opened, assets, "a function")
    injected = hooks.before(task.hooks, task.name, open_call)
    function = functions.get(task.function)
    if function is None:
        function = _function(task, assets, functions)
    inputs = Inputs(functools.partial(_output, task, assets), assets.open)
    args = [_argument(function, inputs, template, place) for place, template in enumerate(task.args)]
    kwargs = {name: _argument(function, inputs, template, name) for name, template in task.kwargs.items()}
    value = hooks.settled(function(*args, **(kwargs | injected)))
    hooks.after(task.hooks, task.name, open_call)
    return value


def _function(task: Task, assets: Assets, functions: Functions) -> Any:
    data = assets.data(task.function)
    try:
        function = transportable.load(data, zero_copy=True)
    except (ImportError, TransportError) as error:
        raise NotedError(while_opening("the function", error)) from error
    functions.keep(task.function, function, by_name=container.read_header(data).codec == "reference")
    return function


def _output(task: Task, assets: Assets, node: int) -> Any:
    return _opened(assets, f"the output of node {node}", task.outputs[str(node)])


def _opened(assets: Assets, what: str, digest: str) -> Any:
    try:
        return assets.open(digest)
    except (ImportError, TransportError) as error:
        raise NotedError(while_opening(what, error)) from error


def _argument(function: Any, inputs: Inputs, template: Mapping[str, Any], place: int | str) -> Any:
    try:
        return inputs.value(template)
    except (ImportError, TransportError) as error:
        raise NotedError(while_opening(f"the argument {_parameter(function, place)}", error)) from error


def _parameter(function: Any, place: int | str) -> str:
    """The parameter's name where it is known, else the number of the argument, from one."""
    if isinstance(place, int) and isinstance(function, FunctionType) and place < function.__code__.co_argcount:
        place = function.__code__.co_varnames[place]
    return repr(place) if isinstance(place, str) else str(place + 1)


def written(value: Any) -> TransportableObject:
    """The value as it travels; raises TaskFailedError, naming the reason, when it cannot."""
    try:
        return TransportableObject(value, copy_buffers=False)
    except Exception as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        cause = error.__cause__ or error
        message = (
            f"the value that the task returned, of type {kind}, cannot be pickled: {type(cause).__name__}: {cause}; "
            "return plain data, or write it to a file and return its path"
        )
        raise TaskFailedError(message) from error


def is_small(output: TransportableObject) -> bool:
    """Whether an output travels inside a message."""
    return output.size <= INLINE_ASSET_BYTES


def store(chunks: Sequence[Buffer], directory: Path) -> tuple[str, Path]:
    """Write a large output, hashing it on the way; it appears whole under its digest."""
    partial = directory / f".{os.getpid()}-{secrets.token_hex(4)}"
    sha = sha256()
    try:
        with partial.open("wb", buffering=0) as file:
            for chunk in chunks:
                view = memoryview(chunk).cast("B")
                sha.update(view)
                while view:
                    view = view[file.write(view) :]
        path = directory / sha.hexdigest()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path.name, path
