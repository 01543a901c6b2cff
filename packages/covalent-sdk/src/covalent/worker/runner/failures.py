"""What went wrong, told in the user's terms: their traceback without our frames, or a sentence, and what helps."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from traceback import StackSummary, TracebackException
from types import FrameType
from typing import Final

from covalent.distributions import installed_by
from covalent.errors import CovalentError, TransportError
from covalent.hooks import HookError
from covalent.secret import masked
from covalent.worker.installed import LAYER_MARK, site_directories
from covalent.worker.messages import sendable

#: The directory of the whole package: frames from here are ours.
_OURS: Final = f"{Path(__file__).resolve().parents[2]}{os.sep}"
#: It opens functions for us.
_OPENS: Final = str(Path("cloudpickle", "cloudpickle.py"))


class TaskFailedError(Exception):
    """A task failed in a way that a sentence tells better than a traceback."""


class NotedError(Exception):
    """Says where its cause happened, or what helps against it.

    A note added to the cause itself would still be on it when a later task raises the same object again.
    """


def while_opening(what: str, error: ImportError | TransportError) -> str:
    """What was being opened, where, and the command that mends it."""
    text = f"while opening {what} in {sys.executable}"
    cause = error if isinstance(error, ImportError) else error.__cause__
    if not isinstance(cause, ImportError) or not cause.name:
        return text
    package, _, inside = cause.name.partition(".")
    if isinstance(cause, ModuleNotFoundError) and not (inside and _is_there(package)):
        return f"{text}; {_install(package)}"
    if not _is_installed(package):
        return text
    name = installed_by(package)
    mending = f"run: {sys.executable} -m pip install --upgrade {name}"
    if _in_layer():
        mending = f"name the version of {name} that you dispatched with in deps_pip"
    return f"{text}, where {package} may have another version than where you dispatched from; {mending}"


def describe(error: BaseException) -> str:
    """The text for the node's ``error`` and its stderr."""
    try:
        return sendable(masked(_told(error)))
    except Exception as other:  # noqa: BLE001  an error whose own text cannot be made is still told
        return sendable(f"{type(error).__qualname__} (its text cannot be shown: {type(other).__qualname__})")


def _told(error: BaseException) -> str:
    notes: list[str] = []
    while isinstance(error, (NotedError, HookError)) and error.__cause__ is not None:
        notes.insert(0, str(error))
        error = error.__cause__
    return "\n".join([_alone(error), *_hints(error, explained=any("while opening" in note for note in notes)), *notes])


def _alone(error: BaseException) -> str:
    if isinstance(error, TaskFailedError):
        return str(error)
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        return f"{_traceback(error)}the task called sys.exit({code}); return a value or raise an error instead"
    if isinstance(error, KeyboardInterrupt):
        return f"{_traceback(error)}the task raised KeyboardInterrupt"
    return _traceback(error).rstrip("\n")


def _hints(error: BaseException, *, explained: bool) -> Iterator[str]:
    """What helps against errors that come of where the task ran."""
    match error:
        case FileNotFoundError() if not _is_of_a_command(error):
            with suppress(OSError):  # the task may have removed its directory
                directory = os.getcwd()  # noqa: PTH109
                if _may_be_relative(error.filename, directory):
                    yield f"the task ran in {directory}; use an absolute path, or give its executor a workdir"
        case KeyError() if _is_of_a_variable(error):
            yield "tasks have the variables that the server was started with, not your script's, and those of env={...}"
        case ModuleNotFoundError(name=str(name)) if not explained and not _is_there(name.partition(".")[0]):
            package = name.partition(".")[0]
            own = "" if installed_by(package) != package else f"; or, a module of your own: deps_module={package!r}"
            yield f"the task ran in {sys.executable}; {_install(package)}{own}"


def _may_be_relative(name: object, directory: str) -> bool:
    """Whether a file that is not there may have been looked for where the task ran; libraries do not always name it."""
    if not isinstance(name, str):
        return name is None
    return Path(directory, name).is_relative_to(directory)


def _is_of_a_command(error: BaseException) -> bool:
    """Whether no file was looked for, but a program to run."""
    frame = _last_frame(error)
    return frame is not None and frame.f_globals.get("__name__") == "subprocess"


def _is_of_a_variable(error: BaseException) -> bool:
    """Whether a variable of the environment was looked for."""
    frame = _last_frame(error)
    return frame is not None and frame.f_code is type(os.environ).__getitem__.__code__


def _last_frame(error: BaseException) -> FrameType | None:
    """Where it was raised."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return frames[-1][0] if frames else None


def _is_there(package: str) -> bool:
    try:
        return package in sys.modules or find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _is_installed(package: str) -> bool:
    """Whether a package is one that pip has put there, not the user's own."""
    file = getattr(sys.modules.get(package), "__file__", None)
    return isinstance(file, str) and file.startswith(tuple(site_directories()))


def _install(package: str) -> str:
    name = installed_by(package)
    if _in_layer():
        return f"that is a layer of packages: name {name} in deps_pip, too"
    there = f"install it there: {sys.executable} -m pip install {name}"
    # The SDK is not a layer's to bring.
    return there if package == "covalent" else f"{there}    or, for this task alone: deps_pip=[{name!r}]"


def _in_layer() -> bool:
    """Whether this interpreter is a layer's, into which nothing is to be installed by hand."""
    return any(Path(directory, LAYER_MARK).exists() for directory in site_directories())


def _traceback(error: BaseException) -> str:
    told = TracebackException(type(error), error, error.__traceback__, compact=True)
    _leave_out_ours(told)
    # A CovalentError is ours: where in our code it was raised tells the user nothing.
    only = isinstance(error, CovalentError) or not told.stack
    return "".join(told.format_exception_only() if only else told.format())


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OURS) or filename.endswith(_OPENS)


def _leave_out_ours(told: TracebackException) -> None:
    """Drop our frames from an error and all that it comes with; repeated frames of the user's are then told once."""
    waiting: list[TracebackException | None] = [told]
    while waiting:
        item = waiting.pop()
        if item is not None:
            item.stack = StackSummary.from_list([frame for frame in item.stack if not _is_ours(frame.filename)])
            waiting += [item.__cause__, item.__context__, *(item.exceptions or ())]
