"""A file or a folder: where it is, or what is in it.

The same class serves for both. A transfer has files at both ends. A task that returns one gives what is in it, unless
its executor leaves files where they are; who takes it has a copy of its own, made when its path is asked for.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from covalent import context, transportable
from covalent.errors import FileTransferError
from covalent.fs import contents

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
LOCAL: Final = "file"
#: Schemes in which what stands before an ``@`` is a token or a key.
_WITHOUT_USERS: Final = frozenset({"http", "https", "s3", "s3a"})
#: The first version of pickles with buffers beside them.
_WITH_BUFFERS: Final = 5


class File:
    """A file: a path (absolute, ``~``, relative to the task's directory, ``file://…``), or an address elsewhere.

    With ``store`` it travels as what is in it, wherever it goes; with ``store=False`` as its path. What is left open is
    up to the executor for what a task returns (its ``store_files``), and an argument travels as its path.
    """

    is_dir = False

    def __init__(
        self,
        filepath: str | os.PathLike[str] | None = None,
        is_remote: bool = False,  # noqa: FBT001, FBT002 - as scripts have always called it
        *,
        store: bool | None = None,
    ) -> None:
        self._given = None if filepath is None else os.fspath(filepath)
        if self._given is not None:
            _check(self._given, type(self).__name__)
        self._marked_remote = is_remote
        self._store = store
        #: What is in it, when it came as that, and what it was called.
        self._data: memoryview | None = None
        self._called = ""
        self._copy: Path | None = None

    # -- what it is

    @property
    def filepath(self) -> str | None:
        """The path or address, as it was given; None for a temporary file."""
        return self._given if self._data is None else str(self.path)

    @property
    def scheme(self) -> str:
        """The beginning of the address, ``https``; ``file`` for a path."""
        found = _SCHEME.match(self._given or "")
        return found.group(1).lower() if found else LOCAL

    @property
    def is_remote(self) -> bool:
        """Whether it is elsewhere than on the machine that the task runs on."""
        return self._marked_remote or self.scheme != LOCAL

    @property
    def name(self) -> str:
        """The last part of the path or address; empty for a temporary file."""
        if self._data is not None:
            return self._called
        path = urlsplit(self._given or "").path if self.scheme != LOCAL else str(self.path) if self._given else ""
        return path.rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        if self._data is not None:
            return self._called
        # What comes after a question mark may be a signature that lets anybody in.
        given = self._given or "a temporary file"
        return f"{given.partition('?')[0]}?…" if self.scheme != LOCAL and "?" in given else given

    def __repr__(self) -> str:
        kind = type(self).__name__
        if self._data is not None:
            return f"<{kind} {self._called}, {len(self._data):,} bytes>"
        return f"{kind}({str(self)!r})" if self._given is not None else f"{kind}()"

    # -- what is in it

    @property
    def path(self) -> Path:
        """The local path, absolute. Of a file that came as what is in it, that of a copy, which goes with the task."""
        if self._data is not None:
            if self._copy is None:
                copy = Path(tempfile.mkdtemp(dir=context.temporary())) / self._called
                self._write(copy)
                self._copy = copy
            return self._copy
        if self._given is None or self.scheme != LOCAL:
            raise ValueError(f"{self!r} has no local path; a transfer in files=[...] brings it to one")
        plain = unquote(urlsplit(self._given).path) if _SCHEME.match(self._given) else self._given
        return Path(plain).expanduser().absolute()

    def __fspath__(self) -> str:
        return str(self.path)

    def read_bytes(self) -> bytes:
        """All that is in the file."""
        return self.path.read_bytes() if self._data is None or self._copy is not None else bytes(self._data)

    def read_text(self, encoding: str = "utf-8") -> str:
        """All that is in the file, as text."""
        return self.read_bytes().decode(encoding)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it to a path, or into a folder that is there; where it is then. It appears whole or not at all."""
        target = Path(path).expanduser().absolute()
        if target.is_dir():
            target /= self.name
        if target.exists() and (self.is_dir or target.is_dir()):
            raise FileExistsError(f"{target} is there already; remove it, or save to another path")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".covalent-", dir=target.parent) as directory:
            staged = Path(directory) / target.name
            self._write(staged)
            staged.replace(target)
        return target

    def _write(self, path: Path) -> None:
        if self._data is None or self._copy is not None:
            shutil.copyfile(self.path, path)
        else:
            contents.write_file(self._data, path)

    def _read(self) -> memoryview:
        return contents.of_file(self.path)

    # -- on its way

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if self._data is None and (self.is_remote or self._given is None or not self._is_to_be_stored()):
            here = context.is_giving() and not self.is_remote and self._given is not None
            return _placed, (type(self), str(self.path) if here else self._given, self._marked_remote, self._store)
        data = self._data if self._data is not None and self._copy is None else self._taken()
        held = transportable.beside(data) if protocol >= _WITH_BUFFERS else bytes(data)
        return _opened, (type(self), self.name, held)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def _is_to_be_stored(self) -> bool:
        return context.is_stored(str(self.path), self._store)

    def _taken(self) -> memoryview:
        path = self.path
        if path.is_dir() is not self.is_dir and path.exists():
            raise FileTransferError(
                f"{path} is a folder; write ct.Folder({str(self)!r})"
                if path.is_dir()
                else f"{path} is a file; write ct.File({str(self)!r})"
            )
        try:
            return self._read()
        except FileNotFoundError:
            raise FileTransferError(
                f"{self!r} is to be stored, but there is no {path}; write it before it is returned or handed over"
            ) from None


class Folder(File):
    """A folder with all that is in it."""

    is_dir = True

    def read_bytes(self) -> bytes:
        """Refused: a folder has no bytes of its own."""
        raise IsADirectoryError(f"{self!r} is a folder; its files are below its path")

    def _write(self, path: Path) -> None:
        if self._data is None or self._copy is not None:
            shutil.copytree(self.path, path, symlinks=True)
        else:
            contents.write_folder(self._data, path)

    def _read(self) -> memoryview:
        return contents.of_folder(self.path)


def _opened(kind: type[File], name: str, data: Any) -> File:
    """A file that came as what is in it."""
    made = kind()
    made._called = name  # noqa: SLF001 - one of ours
    made._data = memoryview(data).cast("B").toreadonly()  # noqa: SLF001 - one of ours
    return made


def _placed(kind: type[File], given: str | None, is_remote: bool, store: bool | None) -> File:  # noqa: FBT001 - of a pickle
    return kind(given, is_remote, store=store)


def _check(given: str, kind: str) -> None:
    if not given or "\0" in given:
        raise ValueError(f"{kind} takes a path or an address, not {given!r}")
    parts = urlsplit(given) if _SCHEME.match(given) else None
    if parts is None:
        return
    if parts.scheme.lower() == LOCAL and parts.netloc not in {"", "localhost"}:
        raise ValueError(
            f"{given!r} is a file on {parts.netloc}; a path has three slashes, file:///{parts.netloc}{parts.path}, "
            f"and another machine is reached by ssh://{parts.netloc}{parts.path}"
        )
    if parts.password is not None or (parts.username and parts.scheme.lower() in _WITHOUT_USERS):
        shown = given.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
        raise ValueError(
            f"the address {shown} came with a user's name or password, and addresses are shown to whoever looks at the "
            "workflow; leave them out, and give them to the strategy or to the environment of the worker"
        )
