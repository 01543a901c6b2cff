"""What went wrong, told in the user's terms: their traceback without our frames, or a sentence."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from covalent.errors import CovalentError
from covalent.worker.messages import sendable

#: The directory of the whole package: frames from here are ours.
_OURS: Final = str(Path(__file__).resolve().parents[2])


class TaskFailedError(Exception):
    """A task failed in a way that a sentence tells better than a traceback."""


def describe(error: BaseException) -> str:
    """The text for the node's ``error`` and its stderr."""
    try:
        return sendable(_told(error))
    except Exception as other:  # noqa: BLE001  an error whose own text cannot be made is still told
        return sendable(f"{type(error).__qualname__} (its text cannot be shown: {type(other).__qualname__})")


def _told(error: BaseException) -> str:
    if isinstance(error, TaskFailedError):
        return str(error)
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        return f"{_traceback(error)}the task called sys.exit({code}); return a value or raise an error instead"
    if isinstance(error, KeyboardInterrupt):
        return f"{_traceback(error)}the task raised KeyboardInterrupt"
    return _traceback(error).rstrip("\n")


def _traceback(error: BaseException) -> str:
    # A CovalentError is ours: where in our code it was raised tells the user nothing.
    place = None if isinstance(error, CovalentError) else _users_part(error.__traceback__)
    if place is None:
        return "".join(traceback.format_exception_only(error))
    return "".join(traceback.TracebackException(type(error), error, place, compact=True).format())


def _users_part(place: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame that is not ours."""
    while place is not None and place.tb_frame.f_code.co_filename.startswith(_OURS):
        place = place.tb_next
    return place
