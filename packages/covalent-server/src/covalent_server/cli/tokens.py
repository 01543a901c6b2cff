"""The API token of a local server: a file that only its account can read, where SDK and command line look for it."""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

from covalent.wire import places
from covalent_server.errors import TokenFileError

#: 256 bits.
TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43,200}")
_FOREIGN: Final = stat.S_IRWXG | stat.S_IRWXO

logger = logging.getLogger(__name__)


def ensure_token(config_dir: Path, url: str) -> str:
    """The token for the server at ``url``: the one in its file, or a new one, stored there.

    Raises :class:`TokenFileError` when the file cannot be kept for this account alone.
    """
    path = places.token_path(config_dir, url)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(path.parent)
        return _stored(path) or _made(path)
    except OSError as error:
        raise TokenFileError(
            f"the API token cannot be stored in {path}: {error.strerror or error}; "
            "choose another place with --config-dir or COVALENT_CONFIG_DIR"
        ) from None


def read_token(config_dir: Path, url: str) -> str | None:
    """The token for the server at ``url``, if there is one."""
    try:
        return places.token_path(config_dir, url).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _stored(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if facts.st_uid != os.geteuid():
            raise TokenFileError(f"the token file {path} belongs to another account; remove it and start again")
        text = file.read(1000).decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(text):
        return None
    if stat.S_IMODE(facts.st_mode) & _FOREIGN:
        # Whoever could read it may have done so. What the database admits is not decided here.
        logger.warning(
            "token file was open to other accounts; it holds a new token now, and the old one is worth nothing",
            extra={"file": str(path)},
        )
        return None
    return text


def _made(path: Path) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600, or not at all
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    Path(name).replace(path)
    return token


def _close_to_others(directory: Path) -> None:
    if stat.S_IMODE(directory.stat().st_mode) & _FOREIGN:
        directory.chmod(0o700)
