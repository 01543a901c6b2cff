"""Files in object stores, and in whatever else fsspec opens, such as ``s3://``, ``gs://``, ``az://`` and ``sftp://``.

fsspec is the extra ``covalent-sdk[fsspec]``; it and the package of the kind of store, such as s3fs, have to be where
the task runs, and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from covalent.errors import FileTransferError
from covalent.fs_strategies.strategy import End, FileTransferStrategy
from covalent.secret import Secret, revealed

_LOCAL: Final = "file"
#: Words in the names of options by which stores are opened.
_SECRET: Final = ("secret", "password", "passphrase", "account_key", "connection_string", "sas_token")


class Fsspec(FileTransferStrategy):
    """Copies from and to any place that fsspec opens; the options are those of its file system.

    Credentials are found by the file system itself, in the variables and files of the machine that the task runs on, or
    are a ``ct.Secret`` among the options.
    """

    #: What addresses of this strategy begin with; empty for all that fsspec knows.
    schemes: frozenset[str] = frozenset()

    def __init__(self, **options: Any) -> None:
        self.options = options
        for name, value in options.items():
            if isinstance(value, str) and value and any(word in name for word in _SECRET):
                warnings.warn(
                    f"{type(self).__name__}({name}=...) is stored with the workflow, and who can read the server's "
                    f"data can read it; write {name}=ct.Secret(NAME), or set it in the environment of the worker",
                    UserWarning,
                    stacklevel=2 if type(self) is Fsspec else 3,
                )

    def check(self, from_file: End, to_file: End) -> None:
        """Refuse two remote ends, and addresses of other kinds."""
        remote = [end for end in (from_file, to_file) if end.scheme != _LOCAL]
        name = type(self).__name__
        if len(remote) != 1:
            raise ValueError(f"{name} copies between a path and an address, not from {from_file} to {to_file}")
        if self.schemes and remote[0].scheme not in self.schemes:
            beginnings = " or ".join(f"{scheme}://" for scheme in sorted(self.schemes))
            raise ValueError(f"{name} takes addresses that begin with {beginnings}, not {remote[0]}")

    def download(self, from_file: End, to_file: End) -> None:
        """Fetch a file, or what is in a folder."""
        with self._opened(from_file) as (system, path):
            if to_file.is_dir:
                system.get(f"{path.rstrip('/')}/", f"{to_file.path}/", recursive=True)
            else:
                system.get_file(path, str(to_file.path))

    def upload(self, from_file: End, to_file: End) -> None:
        """Send a file, or what is in a folder."""
        with self._opened(to_file) as (system, path):
            if from_file.is_dir:
                system.put(f"{from_file.path}/", f"{path.rstrip('/')}/", recursive=True)
            else:
                system.put_file(str(from_file.path), path)

    def cp(self, from_file: End, to_file: End) -> None:
        """Refused, as when it was declared."""
        self.check(from_file, to_file)

    def variables(self) -> Mapping[str, str]:
        """Variables of the environment that the file system is to see."""
        return {}

    @contextlib.contextmanager
    def _opened(self, end: End) -> Iterator[tuple[Any, str]]:
        """The file system of an address and the path in it, while something is done there."""
        given = {name: revealed(value) for name, value in self.options.items() if value is not None}
        with _set(self.variables()):
            try:
                import fsspec  # noqa: PLC0415 - an extra, and slow to load

                if end.scheme not in fsspec.available_protocols():
                    raise FileTransferError(f"{end}: fsspec knows no {end.scheme}://; check the address")
                yield fsspec.url_to_fs(str(end.filepath), **given)
            except ImportError as error:
                raise FileTransferError(_missing(end, error)) from None
            except FileNotFoundError as error:
                raise FileTransferError(f"{end}: nothing is there, check the address: {error}") from None
            except PermissionError as error:
                raise FileTransferError(
                    f"{end} is refused: {error}; check the credentials that the worker's environment has for it"
                ) from None


class S3(Fsspec):
    """Copies from and to ``s3://bucket/key``, with s3fs.

    ``credentials`` is the path of a file of credentials, and ``profile`` a part of it, on the machine that the task
    runs on; ``endpoint_url`` is for stores that are not Amazon's.
    """

    schemes = frozenset({"s3", "s3a"})

    def __init__(
        self,
        credentials: str | os.PathLike[str] | None = None,
        profile: str | None = None,
        region_name: str | None = None,
        *,
        endpoint_url: str | None = None,
    ) -> None:
        super().__init__(
            profile=profile,
            endpoint_url=endpoint_url,
            client_kwargs=None if region_name is None else {"region_name": region_name},
        )
        self.credentials = None if credentials is None else os.fspath(credentials)

    def variables(self) -> Mapping[str, str]:
        """Where the credentials are."""
        if self.credentials is None:
            return {}
        return {"AWS_SHARED_CREDENTIALS_FILE": str(Path(self.credentials).expanduser())}


class GCloud(Fsspec):
    """Copies from and to ``gs://bucket/name``, with gcsfs.

    ``credentials`` is the path of a service account's file on the machine that the task runs on.
    """

    schemes = frozenset({"gs", "gcs"})

    def __init__(self, credentials: str | os.PathLike[str] | None = None, project_id: str | None = None) -> None:
        super().__init__(token=None if credentials is None else os.fspath(credentials), project=project_id)


class Blob(Fsspec):
    """Copies from and to ``az://container/name`` of Azure, with adlfs.

    The account is ``account_name``, or that of an address ``abfs://container@account.dfs.core.windows.net/name``.
    """

    schemes = frozenset({"az", "abfs", "abfss"})

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | Secret | None = None,
        tenant_id: str | None = None,
        *,
        account_name: str | None = None,
    ) -> None:
        super().__init__(
            client_id=client_id, client_secret=client_secret, tenant_id=tenant_id, account_name=account_name
        )


def _missing(end: End, error: ImportError) -> str:
    package = "'covalent-sdk[fsspec]'" if error.name == "fsspec" else "the package that it names"
    said = "" if error.name == "fsspec" else f" ({error})"
    return f"{end} cannot be opened by {sys.executable}{said}; install there: {package}"


@contextlib.contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
