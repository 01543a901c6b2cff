"""A file or a folder by its path or address."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
LOCAL: Final = "file"
#: Schemes in which what stands before an ``@`` is a token or a key.
_WITHOUT_USERS: Final = frozenset({"http", "https", "s3", "s3a"})


class File:
    """A file: a path (absolute, ``~``, relative to the task's directory, ``file://…``), or an address elsewhere."""

    is_dir = False

    def __init__(self, filepath: str | os.PathLike[str] | None = None, is_remote: bool = False) -> None:  # noqa: FBT001, FBT002 - as scripts have always called it
        self._given = None if filepath is None else os.fspath(filepath)
        if self._given is not None:
            _check(self._given, type(self).__name__)
        self._marked_remote = is_remote

    @property
    def filepath(self) -> str | None:
        """The path or address, as it was given; None for a temporary file."""
        return self._given

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
    def path(self) -> Path:
        """The local path, absolute."""
        if self._given is None or self.scheme != LOCAL:
            raise ValueError(f"{self!r} has no local path; a transfer in files=[...] brings it to one")
        plain = unquote(urlsplit(self._given).path) if _SCHEME.match(self._given) else self._given
        return Path(plain).expanduser().absolute()

    @property
    def name(self) -> str:
        """The last part of the path or address; empty for a temporary file."""
        path = urlsplit(self._given or "").path if self.scheme != LOCAL else str(self.path) if self._given else ""
        return path.rstrip("/").rpartition("/")[2]

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        # What comes after a question mark may be a signature that lets anybody in.
        given = self._given or "a temporary file"
        return f"{given.partition('?')[0]}?…" if self.scheme != LOCAL and "?" in given else given

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})" if self._given is not None else f"{type(self).__name__}()"


class Folder(File):
    """A folder with all that is in it."""

    is_dir = True


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
