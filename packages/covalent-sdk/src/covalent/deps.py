"""What a task needs around its function: packages, commands, modules of the user's, calls before and after it."""

from __future__ import annotations

import functools
import importlib
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from covalent import requirements
from covalent.errors import WireError
from covalent.transportable import TransportableObject

#: The keyword by which a function is told where the files of ``files=[...]`` are.
FILES: Final = "files"


class DepsBash:
    """Shell commands that run in the task's environment and directory before anything else of the task.

    Each runs in a shell of its own, in the given order; the first that fails fails the task.
    """

    def __init__(self, commands: str | Sequence[str] = ()) -> None:
        items: list[object] = list(commands) if isinstance(commands, (list, tuple)) else [commands]
        self.commands = tuple(item for item in items if isinstance(item, str) and item.strip())
        if len(self.commands) < len(items):
            raise TypeError(f"DepsBash takes a command or a list of commands, each a text, not {commands!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data that holds all of it."""
        return {"type": "DepsBash", "attributes": {"commands": list(self.commands)}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """From what :meth:`to_dict` gave."""
        try:
            return cls(plain["attributes"]["commands"])
        except (KeyError, TypeError) as error:
            raise WireError(f"not the JSON form of a DepsBash: {error!r}") from None

    def __eq__(self, other: object) -> bool:
        return self.commands == other.commands if isinstance(other, DepsBash) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.commands)

    def __repr__(self) -> str:
        return f"DepsBash({list(self.commands)!r})"


class DepsPip:
    """Packages that are laid over the environment of the task's executor, for this task and those like it alone.

    ``packages`` is a requirement or a list of them, as they stand in a requirements file; ``reqs_path`` is the path of
    such a file, which is read when the workflow is built. The environment itself is not changed.
    """

    def __init__(self, packages: str | Sequence[str] = (), reqs_path: str | os.PathLike[str] = "") -> None:
        items: list[Any] = list(packages) if isinstance(packages, (list, tuple)) else [packages]
        if not all(isinstance(item, str) and item.strip() for item in items):
            raise TypeError(
                f'DepsPip takes a requirement or a list of them, each a text as in "pandas>=2.2", not {packages!r}'
            )
        if not isinstance(reqs_path, (str, os.PathLike)):
            raise TypeError(f"DepsPip(reqs_path=...) takes the path of a requirements file, not {reqs_path!r}")
        here = Path.cwd()
        #: The lines, checked; paths in them are absolute.
        self.packages = requirements.parsed(items, "DepsPip", here)
        path = os.fspath(reqs_path)
        #: The file's absolute path, or an empty text.
        self.reqs_path = requirements.absolute(path, here) if path else ""

    @property
    def requirements(self) -> tuple[str, ...]:
        """All lines, with those of the files that they name as they are now; raises OSError or ValueError."""
        return requirements.inlined([*self.packages, *([f"--requirement {self.reqs_path}"] if self.reqs_path else ())])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data that holds all of it, also what is in the files that it names."""
        return {"type": "DepsPip", "attributes": {"packages": list(self.requirements), "reqs_path": ""}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """From what :meth:`to_dict` gave."""
        try:
            attributes = plain["attributes"]
            return cls(attributes["packages"], attributes.get("reqs_path", ""))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise WireError(f"not the JSON form of a DepsPip: {error!r}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        # The files are here, and the pickle is opened elsewhere.
        return type(self), (list(self.requirements),)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __eq__(self, other: object) -> bool:
        mine = (self.packages, self.reqs_path)
        return mine == (other.packages, other.reqs_path) if isinstance(other, DepsPip) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.packages, self.reqs_path))

    def __repr__(self) -> str:
        path = f", reqs_path={self.reqs_path!r}" if self.reqs_path else ""
        return f"DepsPip({list(self.packages)!r}{path})"


class DepsModule:
    """A module that is sent along with the workflow, whether or not it is installed where its tasks run.

    The modules beside a script are sent without being asked for; this is for the others. A module in a package brings
    the whole package.
    """

    def __init__(self, module: types.ModuleType | str) -> None:
        if isinstance(module, str):
            try:
                module = importlib.import_module(module)
            except ImportError as error:
                raise type(error)(
                    f"DepsModule({module!r}): a module that is sent along has to be found here first, but {error}",
                    name=error.name,
                ) from None
        if not isinstance(module, types.ModuleType):
            raise TypeError(f"DepsModule takes a module or a module's name, not {module!r}")
        self.module_name = module.__name__

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; the module itself is read when the workflow is dispatched."""
        return {"type": "DepsModule", "attributes": {"module_name": self.module_name}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """From what :meth:`to_dict` gave; imports nothing."""
        self = cls.__new__(cls)
        try:
            self.module_name = str(plain["attributes"]["module_name"])
        except (KeyError, TypeError) as error:
            raise WireError(f"not the JSON form of a DepsModule: {error!r}") from None
        return self

    def __eq__(self, other: object) -> bool:
        return self.module_name == other.module_name if isinstance(other, DepsModule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.module_name)

    def __repr__(self) -> str:
        return f"DepsModule({self.module_name!r})"


class DepsCall:
    """A call that runs in the task's environment, before or after its function.

    With ``retval_keyword`` the value of a call before is handed to the function by that keyword.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        retval_keyword: str = "",
    ) -> None:
        if not callable(func):
            raise TypeError(f"DepsCall takes a function, not {func!r}")
        if getattr(func, "__self__", None) is os.environ:
            raise TypeError(
                "a method of os.environ takes a copy of all your variables along, secrets too, and sets none of the "
                "task's; write a function that sets os.environ[...] and pass that"
            )
        if retval_keyword == FILES:
            raise ValueError(
                f"retval_keyword={FILES!r} is kept for the paths that files=[...] hands over; choose another name"
            )
        self._call = {"function": func, "args": tuple(args), "kwargs": dict(kwargs or {})}
        self._asset: TransportableObject | None = None
        self.name = str(getattr(func, "__name__", type(func).__name__))
        self.retval_keyword = retval_keyword
        #: Whether what the task gives depends on this call, so that it counts when equal tasks are looked for.
        self.decides = bool(retval_keyword)

    @functools.cached_property
    def _opened(self) -> dict[str, Any]:
        opened: dict[str, Any] = self._call if self._asset is None else self._asset.get_deserialized()
        return opened

    @property
    def func(self) -> Callable[..., Any]:
        """What is called."""
        function: Callable[..., Any] = self._opened["function"]
        return function

    @property
    def args(self) -> tuple[Any, ...]:
        """With which positional arguments."""
        return tuple(self._opened["args"])

    @property
    def kwargs(self) -> dict[str, Any]:
        """With which keyword arguments."""
        return dict(self._opened["kwargs"])

    def description(self) -> object:
        """What it hands over, and under which name: something to tell it from other calls by. Nothing is opened."""
        if self._asset is not None:
            return self.retval_keyword, self._asset.value_id
        return self.retval_keyword, self.func, self.args, self.kwargs

    def transportable(self) -> TransportableObject:
        """The call as an asset, which opens as ``{"function", "args", "kwargs", "retval_keyword"}``."""
        return self._asset or TransportableObject({**self._call, "retval_keyword": self.retval_keyword})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data that holds all of it."""
        call = self.transportable().to_dict()
        attributes = {"name": self.name, "retval_keyword": self.retval_keyword, "call": call}
        return {"type": "DepsCall", "attributes": attributes}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """From what :meth:`to_dict` gave; opened only when it is asked what it calls."""
        self = cls.__new__(cls)
        try:
            attributes = plain["attributes"]
            self.name = str(attributes["name"])
            self.retval_keyword = str(attributes["retval_keyword"])
            self.decides = bool(self.retval_keyword)
            self._asset = TransportableObject.from_dict(attributes["call"])
        except (KeyError, TypeError) as error:
            raise WireError(f"not the JSON form of a DepsCall: {error!r}") from None
        return self

    def __repr__(self) -> str:
        return f"<DepsCall {self.name}>"


Bash = DepsBash | str | Sequence[str] | None
Pip = DepsPip | str | Sequence[str] | None
Modules = DepsModule | types.ModuleType | str | Sequence[DepsModule | types.ModuleType | str] | None
Calls = DepsCall | Callable[..., Any] | Sequence[DepsCall | Callable[..., Any]] | None


def checked_bash(commands: Bash) -> DepsBash | None:
    """The commands that a user gave for ``deps_bash``."""
    return commands if commands is None or isinstance(commands, DepsBash) else DepsBash(commands)


def checked_pip(packages: Pip) -> DepsPip | None:
    """The packages that a user gave for ``deps_pip``."""
    return packages if packages is None or isinstance(packages, DepsPip) else DepsPip(packages)


def checked_modules(modules: Modules) -> tuple[DepsModule, ...] | None:
    """The modules that a user gave for ``deps_module``: one or several, modules, names or DepsModules."""
    if modules is None:
        return None
    items: Sequence[Any] = modules if isinstance(modules, (list, tuple)) else [modules]
    return tuple(item if isinstance(item, DepsModule) else DepsModule(item) for item in items)


def checked_calls(name: str, calls: Calls) -> tuple[DepsCall, ...] | None:
    """The calls that a user gave for ``call_before`` or ``call_after``: one or several, functions or DepsCalls."""
    if calls is None:
        return None
    items: Sequence[Any] = calls if isinstance(calls, (list, tuple)) else [calls]
    for item in items:
        if not isinstance(item, DepsCall) and not callable(item):
            raise TypeError(f"{name} takes functions and ct.DepsCall(...)s, not {item!r}")
    return tuple(item if isinstance(item, DepsCall) else DepsCall(item) for item in items)
