"""The exit codes of ``python -m covalent``; where they mean the same as the server's command's, they are the same."""

from __future__ import annotations

from typing import Final

from covalent.errors import (
    AuthenticationError,
    CovalentError,
    MissingLatticeRecordError,
    ServerUnreachableError,
)

#: Everything went as asked.
OK: Final = 0
#: The command line could not be understood.
USAGE: Final = 2
#: Anything else that kept the command from doing what it was asked.
OTHER: Final = 17
#: No server answers.
UNREACHABLE: Final = 20
#: The token is missing, unknown or not allowed to do this.
NOT_LET_IN: Final = 21
#: The server knows no dispatch of that id.
UNKNOWN: Final = 22
#: The dispatch has ended without a value.
NO_VALUE: Final = 23
#: The dispatch has not ended.
NOT_ENDED: Final = 24
#: Interrupted from the keyboard.
INTERRUPTED: Final = 130

#: What each error answers; the first class that fits counts.
_CODES: Final[dict[type[CovalentError], int]] = {
    ServerUnreachableError: UNREACHABLE,
    AuthenticationError: NOT_LET_IN,
    MissingLatticeRecordError: UNKNOWN,
    CovalentError: OTHER,
}


def code_of(error: CovalentError) -> int:
    """The exit code of an error."""
    return next(code for kind, code in _CODES.items() if isinstance(error, kind))
