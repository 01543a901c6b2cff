"""What the text of a setting means, or its value in the file: each reader raises ValueError with what is wrong."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_MAX_PORT: Final = 65535
_DATABASES: Final = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9_-]+)+")
_FORMATS: Final = ("text", "json")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_LABEL: Final = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL}){{0,40}}")


def host(found: object) -> str:
    """An address to listen on: an IP address, or a name that leads to one of this machine's."""
    given = text(found)
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        pass
    if not _NAME.fullmatch(given):
        raise ValueError(f"{given!r} is neither an IP address nor a host's name; write 127.0.0.1, or 0.0.0.0 for all")
    return given.lower()


def host_names(found: object) -> tuple[str, ...]:
    """Names that the server is reached by, from a list or a text with commas."""
    given = _several(found)
    for name in given:
        if not _NAME.fullmatch(name.removeprefix("*.")):
            raise ValueError(f"{name!r} is not a host's name; write covalent.example.org, or *.example.org")
    return tuple(name.lower() for name in given)


def interpreters(found: object) -> tuple[str, ...]:
    """Whole paths of interpreters, from a list or a text with commas."""
    given = _several(found)
    for name in given:
        if not Path(name).is_absolute():
            raise ValueError(f"{name!r} is not the whole path of an interpreter; write /usr/bin/python3.11, say")
    return given


def _several(found: object) -> tuple[str, ...]:
    items = found if isinstance(found, list) else text(found).split(",")
    return tuple(text(item).strip() for item in items)


def port(found: object) -> int:
    """A port."""
    number = whole(found)
    if number > _MAX_PORT:
        raise ValueError(f"{number} is not a port; use 0 (chooses a free one) to {_MAX_PORT}")
    return number


def level(found: object) -> str:
    """What is logged."""
    given = text(found).upper()
    if given not in _LEVELS:
        raise ValueError(f"{found!r} is not one of {', '.join(_LEVELS)}")
    return given


def log_format(found: object) -> str:
    """How the log is written."""
    given = text(found).lower()
    if given not in _FORMATS:
        raise ValueError(f"{found!r} is not one of {', '.join(_FORMATS)}")
    return given


def database_url(found: object) -> str:
    """The address of a database."""
    given = text(found)
    scheme, found_scheme, _ = given.partition("://")
    if not found_scheme:
        raise ValueError(f"{given!r} is not a database's URL; write sqlite:////path/to/covalent.db")
    if scheme not in _DATABASES:
        raise ValueError(f"{scheme}:// is no database that is known; write one of {', '.join(_DATABASES)}")
    return given


def url_prefix(found: object) -> str:
    """What addresses begin with."""
    given = text(found).rstrip("/")
    if given and not _PREFIX.fullmatch(given):
        raise ValueError(f"{found!r} is not the beginning of an address; write one such as /covalent")
    return given


def web_address(found: object) -> str:
    """Where requests are sent, or nowhere."""
    if found == "":
        return ""
    given = text(found)
    parts = urlsplit(given)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or not given.isascii():
        raise ValueError(f"{given!r} is not where a request can be sent; write https://host/path")
    return given


def hosts(found: object) -> tuple[str, ...]:
    """Names of hosts."""
    names = text(found).split(",") if isinstance(found, str) else found
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{found!r} is not a list of hosts; write names with commas between them")
    return tuple(name.strip().lower() for name in names if name.strip())


def path(found: object) -> Path:
    """A path, from the home directory where it begins so."""
    place = Path(found if isinstance(found, Path) else text(found))
    try:
        return place.expanduser()
    except RuntimeError:
        raise ValueError(
            f"nobody knows the home directory that {str(place)!r} begins with; write a whole path"
        ) from None


def text(found: object) -> str:
    """A text."""
    if not isinstance(found, str) or not found or "\0" in found:
        raise ValueError(f"{found!r} is not text")
    return found


def whole(found: object) -> int:
    """A whole number."""
    if isinstance(found, str) and found.isascii() and found.isdigit():
        return int(found)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError(f"{found!r} is not a whole number of 0 or more")
    return found


def count(found: object) -> int:
    """A whole number that is not 0."""
    number = whole(found)
    if number == 0:
        raise ValueError("must be at least 1")
    return number


def seconds(found: object) -> float:
    """A time."""
    try:
        number = float(found) if isinstance(found, (str, int, float)) and not isinstance(found, bool) else -1.0
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise ValueError(f"{found!r} is not a number of seconds above 0")
    return number


def executors(found: object) -> tuple[str, ...]:
    """Short names of executors."""
    names = found.split(",") if isinstance(found, str) else found
    if not isinstance(names, list) or not all(re.fullmatch(r"[A-Za-z0-9_-]{1,100}", str(name)) for name in names):
        raise ValueError(f"{found!r} are no short names of executors; write some with commas between them")
    return tuple(names)


def days(found: object) -> float:
    """A time in days, or 0 for never."""
    if found in ("0", 0) and not isinstance(found, bool):
        return 0.0
    try:
        return seconds(found)
    except ValueError:
        raise ValueError(f"{found!r} is not a number of days, nor 0 for never") from None


def yes(found: object) -> bool:
    """Yes or no."""
    answers = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    answer = found if isinstance(found, bool) else answers.get(str(found).lower())
    if answer is None:
        raise ValueError(f"{found!r} is neither true nor false")
    return answer
