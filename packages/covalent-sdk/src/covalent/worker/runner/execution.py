"""One task: open the function and its inputs, run the hooks and the function."""

from __future__ import annotations

import functools
import mmap
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

from covalent import context, hooks, transportable
from covalent.errors import TransportError
from covalent.inputs import Inputs
from covalent.wire import container
from covalent.wire.manifest import Kind
from covalent.worker.messages import Task
from covalent.worker.runner.failures import NotedError, while_opening

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
        with context.opening():
            return transportable.load(self.data(digest), zero_copy=True)


def run(task: Task, assets: Assets, functions: Functions) -> Any:
    """The value of a task; raises whatever the user's code does."""
    if task.notice:
        sys.stderr.write(f"covalent: {task.notice}\n")
    open_call = functools.partial(_opened, assets, "a function")
    injected = hooks.before(task.hooks, task.name, open_call)
    function = functions.get(task.function)
    if function is None:
        function = _function(task, assets, functions)
    inputs = Inputs(functools.partial(_output, task, assets), assets.open)
    args = [_argument(function, inputs, template, place) for place, template in enumerate(task.args)]
    kwargs = {name: _argument(function, inputs, task.kwargs[name], name) for name in task.keywords or task.kwargs}
    value = _called(task.kind, function, args, kwargs | injected)
    hooks.after(task.hooks, task.name, open_call)
    return value


def _called(kind: Kind, function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """What a task gives; a sublattice gives what is to be sent of it."""
    if kind not in (Kind.SUBLATTICE, Kind.REPLAY):
        return hooks.settled(function(*args, **kwargs))
    from covalent import workflows  # noqa: PLC0415 - it loads all that writes workflows, which other tasks do without

    return workflows.build(function, args, kwargs) if kind is Kind.SUBLATTICE else workflows.replay(function, *args)


def _function(task: Task, assets: Assets, functions: Functions) -> Any:
    data = assets.data(task.function)
    try:
        with context.opening():
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
