"""Every error that Covalent raises by itself; each message says what to do next.

::

    CovalentError
    ├── ConflictingDistributionError   the old ``covalent`` package is installed beside ours
    ├── FileTransferError              a file cannot be brought to a task, or taken from it
    ├── ConfigError                    a setting that cannot be used
    ├── WireError                      bytes or JSON that do not have the agreed form
    │   └── FeatureError               the other side needs something this version cannot do
    ├── TransportError                 a value cannot be written or opened here
    │   ├── PythonMismatchError        written by a Python that this one cannot stand in for
    │   └── CloudpickleMismatchError   written by a newer cloudpickle than the one here
    ├── GraphError                     a workflow that cannot be turned into a graph
    │   ├── BoundElectronError         an operation that needs a value used on a value-to-be
    │   └── ArgumentsError             a call with arguments that the function does not take
    ├── ReplayError                    a workflow function that is run again takes another way
    ├── SecretError                    a secret that cannot be had, or would be stored
    ├── LeptonError                    a command or a C function that cannot be run, or has failed
    ├── ProjectError                   the user's own modules cannot be shipped
    ├── PreflightError                 a workflow that cannot run where its tasks are to run
    ├── ServerError                    the server answered with an error
    │   ├── ServerUnreachableError     nobody answered at the address
    │   ├── AuthenticationError        the token is missing, unknown or not allowed to do this
    │   └── MissingLatticeRecordError  no dispatch of that id
    ├── ServerCommandError             the server's command is not installed here, or has failed
    ├── DispatchFailedError            a dispatch ended without a value
    ├── PostProcessingError            a dispatch's value cannot be put together here
    ├── ArchiveError                   a saved result that cannot be read, or lacks something
    ├── ProvisioningError              workers cannot be started for an executor
    └── WorkerError                    a worker cannot go on

    UserWarning
    └── PreflightWarning               a workflow that may not run where its tasks are to run
"""

from __future__ import annotations

from collections.abc import Sequence


class CovalentError(Exception):
    """The root of all errors that Covalent raises by itself."""


class ConflictingDistributionError(CovalentError, ImportError):
    """The old ``covalent`` distribution owns the same import name and is installed in this environment."""


class FileTransferError(CovalentError):
    """A file cannot be brought to a task, or taken from it."""


class ConfigError(CovalentError, ValueError):
    """A setting that cannot be used."""


class WireError(CovalentError, ValueError):
    """Bytes or JSON that do not have the agreed form; ``path`` tells where."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class FeatureError(WireError):
    """The other side needs a feature that this version does not have."""


class TransportError(CovalentError):
    """A value cannot be written, or cannot be opened here."""


class PythonMismatchError(TransportError):
    """A value was written by a Python whose pickled code this one cannot read."""

    def __init__(self, what: str, wrote: str, runs: str) -> None:
        super().__init__(
            f"{what} was serialised by {wrote}, but this process runs {runs}; "
            f"dispatch from {runs}, give the electron an executor that runs {wrote}, "
            "or move the function into a module (functions of modules travel by name and run on any Python)"
        )
        self.wrote = wrote
        self.runs = runs


class CloudpickleMismatchError(TransportError):
    """A value was written by a newer cloudpickle than the one here."""

    def __init__(self, what: str, wrote: str, runs: str) -> None:
        super().__init__(
            f"{what} was serialised with cloudpickle {wrote}, but this environment has {runs}; "
            f"run: pip install 'cloudpickle>={wrote}' in this environment"
        )
        self.wrote = wrote
        self.runs = runs


class GraphError(CovalentError):
    """A workflow that cannot be turned into a graph."""


class BoundElectronError(GraphError, TypeError):
    """An operation that needs a real value was applied to an electron's value-to-be."""


class ArgumentsError(GraphError, TypeError, ValueError):
    """A call with too many, unknown or missing arguments."""


class ReplayError(CovalentError):
    """A workflow function that is run again took another way than when its graph was built."""


class SecretError(CovalentError):
    """A secret cannot be had where it is asked for, or would be stored where others can read it."""


class LeptonError(CovalentError):
    """A command or a C function cannot be run, or has failed."""


class ProjectError(CovalentError):
    """The user's own modules cannot be shipped."""


class PreflightError(CovalentError):
    """A workflow cannot run where its tasks are to run; ``problems`` are those of the report of ``ct.preflight``."""

    def __init__(self, message: str, problems: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class PreflightWarning(UserWarning):
    """A workflow may not run where its tasks are to run."""


class ServerError(CovalentError):
    """The server answered with an error; ``status`` is the HTTP status, ``code`` the problem's short name."""

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ServerUnreachableError(ServerError, ConnectionError):
    """Nobody answered at the server's address."""


class AuthenticationError(ServerError):
    """The token is missing, unknown, or not allowed to do this."""


class MissingLatticeRecordError(ServerError):
    """The server knows no dispatch of that id."""


class ServerCommandError(CovalentError):
    """The server's command is not installed here, or has failed with ``exit_code``."""

    def __init__(self, message: str, *, exit_code: int = 0) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class DispatchFailedError(CovalentError):
    """A dispatch ended without a value; the message names the failed tasks and shows their tracebacks."""


class PostProcessingError(CovalentError):
    """A dispatch's value cannot be put together here, or not yet."""


class ArchiveError(CovalentError):
    """A saved result cannot be read, or lacks what was asked for."""


class ProvisioningError(CovalentError):
    """Workers cannot be started for an executor, or not here."""


class WorkerError(CovalentError):
    """A worker cannot go on."""
