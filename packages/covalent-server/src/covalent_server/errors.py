"""Every error that the server raises by itself when it is started, asked or stopped; each says what to do next.

::

    CovalentError
    └── CovalentServerError
        ├── SettingsError                 a flag, a variable or covalent.toml has a value that cannot be used
        ├── GuardError                    something had loaded an unpickler before the guard was armed
        ├── AlreadyRunningError           a server serves this data directory
        ├── NotRunningError               no server serves this data directory
        ├── NotAnsweringError             a server holds this data directory, but does not answer
        ├── PortInUseError                another program listens at the address
        ├── DataDirectoryError            the data directory cannot be used
        │   ├── UnwritableDirectoryError  ... because this account may not write there
        │   ├── NetworkFilesystemError    ... because a database in it would be damaged
        │   └── NewerDataError            ... because a newer version wrote it
        ├── DatabaseUnavailableError      the database cannot be reached, or is not one to work with
        ├── MigrationError                the database could not be brought to this version's form
        ├── TokenFileError                the API token cannot be kept safely
        ├── BackupError                   a backup cannot be made or put back
        ├── DamagedDataError              something that was stored is damaged or gone
        ├── StartError                    the server ended, or said nothing, before it was ready
        └── StopError                     the server did not end
"""

from __future__ import annotations

from covalent.errors import CovalentError


class CovalentServerError(CovalentError):
    """The root of all errors that the server raises by itself."""


class SettingsError(CovalentServerError):
    """A flag, a variable of the environment or ``covalent.toml`` has a value that cannot be used."""


class GuardError(CovalentServerError):
    """Something had loaded an unpickler before the guard was armed."""


class AlreadyRunningError(CovalentServerError):
    """A server serves this data directory."""


class NotRunningError(CovalentServerError):
    """No server serves this data directory."""


class NotAnsweringError(CovalentServerError):
    """A server holds this data directory, but does not answer."""


class RefusedError(CovalentServerError):
    """The server refused what a command asked of it."""


class PortInUseError(CovalentServerError):
    """Another program listens at the address."""


class DataDirectoryError(CovalentServerError):
    """The data directory cannot be used."""


class UnwritableDirectoryError(DataDirectoryError):
    """This account may not write in the data directory."""


class NetworkFilesystemError(DataDirectoryError):
    """The data directory is on a file system on which a database would be damaged."""


class NewerDataError(DataDirectoryError):
    """A newer version of Covalent wrote the data directory."""


class DatabaseUnavailableError(CovalentServerError):
    """The database cannot be reached, or is not one to work with."""


class MigrationError(CovalentServerError):
    """The database could not be brought to this version's form."""


class TokenFileError(CovalentServerError):
    """The API token cannot be kept where only this account can read it."""


class BackupError(CovalentServerError):
    """A backup cannot be made or put back."""


class DamagedDataError(CovalentServerError):
    """Something that was stored is damaged or gone."""


class StartError(CovalentServerError):
    """The server ended, or said nothing, before it was ready."""


class StopError(CovalentServerError):
    """The server did not end."""
