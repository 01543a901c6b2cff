"""Files on machines that are reached by ssh, with the programs ``rsync`` and ``ssh`` of the worker's machine."""

from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from covalent.errors import FileTransferError
from covalent.fs_strategies.strategy import End, FileTransferStrategy

#: Nothing that a program could take for an option or a shell for more than a name.
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.%a-z]+\]")
_ERROR_CHARACTERS: Final = 2000
#: Seconds until a machine that does not answer, or a transfer in which nothing moves, is given up.
_CONNECT_SECONDS: Final = 30
_SILENT_SECONDS: Final = 300
#: What ssh and rsync say, and what helps.
_HELP: Final = (
    ("Host key verification failed", "log in there once by hand, or name a file with its key: Rsync(known_hosts=…)"),
    ("Permission denied", "check the user, and on {here} the key: Rsync(user=…, private_key_path=…)"),
    ("not found", "install rsync there"),
    ("No such file or directory", "check the path; a folder that a file is sent into has to be there"),
    ("Connection refused", "check the host and the port, and that {here} may reach it"),
    ("timed out", "check the host and the port, and that {here} may reach it"),
    ("Could not resolve", "check the host's name; it is looked up on {here}"),
)


class Rsync(FileTransferStrategy):
    """Copies by ``rsync`` over ``ssh``: to and from ``ssh://user@host:port/path``, or a path on ``host``.

    ``private_key_path`` and ``known_hosts`` are files on the machine that the task runs on. Nobody is asked for a
    password there, and a host whose key is not known is refused.
    """

    def __init__(
        self,
        user: str = "",
        host: str = "",
        private_key_path: str | os.PathLike[str] | None = None,
        *,
        port: int | None = None,
        known_hosts: str | os.PathLike[str] | None = None,
    ) -> None:
        self.user = user
        self.host = host
        self.port = port
        self.private_key_path = None if private_key_path is None else os.fspath(private_key_path)
        self.known_hosts = None if known_hosts is None else os.fspath(known_hosts)

    def check(self, from_file: End, to_file: End) -> None:
        """Refuse what names no machine, and two remote ends."""
        if from_file.is_remote and to_file.is_remote:
            raise ValueError(f"rsync cannot copy from {from_file} to {to_file}: one end has to be local")
        for end in (from_file, to_file):
            if end.is_remote:
                _Place(self, end)

    def download(self, from_file: End, to_file: End) -> None:
        """Fetch a file, or what is in a folder."""
        place = _Place(self, from_file)
        self._run(place, place.spelled(from_file), _local(to_file))

    def upload(self, from_file: End, to_file: End) -> None:
        """Send a file, or what is in a folder."""
        place = _Place(self, to_file)
        self._run(place, _local(from_file), place.spelled(to_file))

    def cp(self, from_file: End, to_file: End) -> None:
        """Copy on the machine that the task runs on."""
        _rsync([_local(from_file), _local(to_file)], "rsync")

    def _run(self, place: _Place, source: str, target: str) -> None:
        shell = shlex.join(["ssh", *self._options(place)])
        _rsync([f"--rsh={shell}", "--", source, target], f"rsync with {place.host}")

    def _options(self, place: _Place) -> Iterator[str]:
        yield from ("-oBatchMode=yes", f"-oConnectTimeout={_CONNECT_SECONDS}")
        if place.port is not None:
            yield f"-p{place.port}"
        if self.private_key_path is not None:
            yield from (f"-i{_expanded(self.private_key_path)}", "-oIdentitiesOnly=yes")
        if self.known_hosts is not None:
            yield f"-oUserKnownHostsFile={_expanded(self.known_hosts)}"


class _Place:
    """A path on another machine."""

    def __init__(self, strategy: Rsync, end: End) -> None:
        given = end.filepath or ""
        if end.scheme == "ssh":
            parts = urlsplit(given)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            self.host, self.user, self.port = host or "", parts.username or strategy.user, parts.port or strategy.port
            self.path = unquote(parts.path).removeprefix("/~/")
        else:
            self.host, self.user, self.port = strategy.host, strategy.user, strategy.port
            self.path = unquote(urlsplit(given).path) if "://" in given else given
        if not self.host or end.scheme not in {"ssh", "file"}:
            raise ValueError(f"rsync does not know where {end} is: write ssh://host/path, or Rsync(host=…)")
        if not _HOST.fullmatch(self.host) or (self.user and not _NAME.fullmatch(self.user)) or not self.path:
            raise ValueError(f"{self.user}@{self.host}:{self.path} is no user, host and path for rsync")

    def spelled(self, end: End) -> str:
        """As rsync writes it; of a folder, what is in it."""
        at = f"{self.user}@" if self.user else ""
        return f"{at}{self.host}:{self.path.rstrip('/') + '/' if end.is_dir else self.path}"


def _local(end: End) -> str:
    return f"{end.path}/" if end.is_dir else str(end.path)


def _expanded(path: str) -> str:
    return str(Path(path).expanduser())


def _rsync(arguments: list[str], what: str) -> None:
    import subprocess  # noqa: PLC0415 - who fetches from a web server needs none

    # Links stay links; owners, which only root could keep, are those of who copies. -s: no shell splits paths there.
    command = ["rsync", "-rlpts", f"--timeout={_SILENT_SECONDS}", *arguments]
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError:
        raise FileTransferError(
            f"there is no rsync on {socket.gethostname()}, where the task runs; install there: rsync, openssh-client"
        ) from None
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip()[-_ERROR_CHARACTERS:]
        help_ = next((help_ for words, help_ in _HELP if words in said), "rsync's own words tell what is wrong")
        raise FileTransferError(
            f"{what} ended with exit status {run.returncode}; {help_.format(here=socket.gethostname())}\n{said}"
        )
