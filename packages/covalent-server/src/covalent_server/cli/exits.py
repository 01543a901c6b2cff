"""The exit codes of the ``covalent`` command, all of them, in one table."""

from __future__ import annotations

from typing import Final

from covalent_server import errors

#: Everything went as asked.
OK: Final = 0
#: ``doctor`` found something that keeps a server from working.
UNHEALTHY: Final = 1
#: The command line could not be understood (click's own code).
USAGE: Final = 2
#: Interrupted from the keyboard.
INTERRUPTED: Final = 130

#: What each error answers; the first class that fits counts, so special ones stand before general ones.
CODES: Final[dict[type[errors.CovalentServerError], int]] = {
    errors.NotRunningError: 3,
    errors.AlreadyRunningError: 4,
    errors.PortInUseError: 5,
    errors.UnwritableDirectoryError: 6,
    errors.NetworkFilesystemError: 7,
    errors.NewerDataError: 8,
    errors.DataDirectoryError: 9,
    errors.SettingsError: 10,
    errors.GuardError: 11,
    errors.MigrationError: 12,
    errors.TokenFileError: 13,
    errors.StartError: 14,
    errors.StopError: 15,
    errors.NotAnsweringError: 16,
    errors.RefusedError: 18,
    errors.DatabaseUnavailableError: 19,
    errors.DamagedDataError: 20,
    errors.BackupError: 21,
    errors.CovalentServerError: 17,
}

_OTHERS: Final = {
    OK: "Everything went as asked.",
    UNHEALTHY: "doctor found something that keeps a server from working, or the command itself is broken.",
    USAGE: "The command line could not be understood.",
    CODES[errors.CovalentServerError]: "Anything else that kept the command from doing what it was asked.",
    INTERRUPTED: "Interrupted from the keyboard.",
}


def code_of(error: errors.CovalentServerError) -> int:
    """The exit code of an error."""
    return next(code for kind, code in CODES.items() if isinstance(error, kind))


def error_of(code: int, message: str) -> errors.CovalentServerError:
    """The error that another process of ours exited with."""
    kind = next((kind for kind, known in CODES.items() if known == code), errors.CovalentServerError)
    return kind(message)


def described() -> str:
    """All codes with their meaning, for the help text."""
    meanings = {code: (kind.__doc__ or "").replace("``", "") for kind, code in CODES.items()} | _OTHERS
    lines = [f"{code:>5}  {meaning}" for code, meaning in sorted(meanings.items())]
    return "\n".join(["\b", "Exit codes:", *lines])
