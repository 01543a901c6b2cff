"""Settings of a user's scripts, and with them the server's address and token.

A setting is named by a dotted key, ``dispatcher.port``. The environment wins over ``covalent.toml``, which wins over
the ``covalent.conf`` of an earlier Covalent, which wins over the defaults. Files are read when a setting is first asked
for, never on import. ``covalent.toml`` is written by :func:`set_config` alone, which changes one line and leaves the
rest, comments too, as it stands.
"""

from __future__ import annotations

import copy
import json
import os
import re
import tempfile
import threading
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from covalent import covalent_conf
from covalent.errors import ConfigError
from covalent.wire import places

FILE_NAME: Final = "covalent.toml"
DEFAULTS: Final[Mapping[str, Any]] = {
    "dispatcher": {"address": "localhost", "port": places.DEFAULT_PORT, "ca_file": ""},
    "preflight": {"enabled": True, "max_project_bytes": 16 * 1024 * 1024},
}
#: Which variable of the environment stands above a key.
VARIABLES: Final[Mapping[str, str]] = {
    "dispatcher.address": "COVALENT_DISPATCHER_ADDR",
    "dispatcher.port": "COVALENT_SVC_PORT",
    "dispatcher.ca_file": "COVALENT_CA_FILE",
    "preflight.enabled": "COVALENT_PREFLIGHT",
    "preflight.max_project_bytes": "COVALENT_MAX_PROJECT_BYTES",
}
_MAX_PORT: Final = 65535
#: The tables of the file that mean something by themselves; others belong to whoever made them.
_TABLES: Final = ("defaults", "dispatcher", "executors", "preflight", "server")
#: The variables that decide, besides the files, what is in force.
_DECIDING: Final = ("COVALENT_CONFIG_DIR", "XDG_CONFIG_HOME", "HOME", "APPDATA", *VARIABLES.values())
_files: dict[Path, dict[str, Any]] = {}
#: What was in force with such values of the deciding variables, and the files as they were read.
_in_force: dict[tuple[str | None, ...], dict[str, Any]] = {}
_lock = threading.RLock()


def get_config(entries: str | list[str] | None = None) -> Any:
    """The value of a key; of several keys a dict of them; without a key everything there is."""
    effective = in_force()
    if entries is None:
        return copy.deepcopy(dict(effective))
    if isinstance(entries, str):
        return copy.deepcopy(_lookup(effective, entries))
    if len(entries) == 1:
        return copy.deepcopy(_lookup(effective, entries[0]))
    return {key: copy.deepcopy(_lookup(effective, key)) for key in entries}


def set_config(new_config: str | Mapping[str, Any], new_value: Any = None) -> None:
    """Write one key, or a dict of dotted keys, to the file; a variable of the environment still stands above it."""
    changes = {new_config: new_value} if isinstance(new_config, str) else dict(new_config)
    path = config_path()
    with _lock:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for key, value in changes.items():
            _check_known(key)
            text = _edited(text, key, value, path)
        _write(path, text)
        _files.pop(path, None)
        _in_force.clear()


def _check_known(key: str) -> None:
    """Raise ConfigError for a key that nothing reads, and for a table that looks like one of ours misspelt."""
    import difflib  # noqa: PLC0415 - slow to load, and few scripts write settings

    table, _, name = key.partition(".")
    known = DEFAULTS.get(table, {})
    if name and known and name.partition(".")[0] not in known:
        keys = ", ".join(f"{table}.{item}" for item in known)
        raise ConfigError(f"{key!r} is no setting, so nothing was written; there are: {keys}")
    near = [] if table in _TABLES else difflib.get_close_matches(table, _TABLES, 1)
    if near:
        meant = f"{near[0]}.{name}" if name else near[0]
        raise ConfigError(f"{key!r} is no setting, so nothing was written; did you mean {meant!r}?")


def reload_config() -> None:
    """Read the file again when a setting is next asked for."""
    with _lock:
        _files.clear()
        _in_force.clear()


def config_path() -> Path:
    """Where the file is, or would be."""
    return places.config_dir(os.environ) / FILE_NAME


def server_url(dispatcher_addr: str | None = None) -> str:
    """The server's address as ``scheme://host:port``, given, or from the environment, the file, the defaults."""
    if not (dispatcher_addr is None or isinstance(dispatcher_addr, str)):
        raise TypeError(f"a server's address is a text such as 'http://localhost:48008', not {dispatcher_addr!r}")
    whole = dispatcher_addr or os.environ.get("COVALENT_SERVER_URL")
    settings = {} if whole and "://" in whole else in_force()
    given = whole or str(_lookup(settings, "dispatcher.address"))
    url = given if "://" in given else f"http://{given}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{given!r} is not a server's address ({error}); write http://localhost:48008") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"{given!r} is not a server's address; write http://localhost:48008")
    if port is None:
        port = {"http": 80, "https": 443}[parts.scheme] if whole and "://" in whole else _port(settings)
    host = parts.hostname
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}{parts.path.rstrip('/')}"


def server_token(url: str) -> str | None:
    """The API token for the server at ``url``: ``COVALENT_API_TOKEN``, or the file that ``covalent start`` wrote."""
    given = os.environ.get("COVALENT_API_TOKEN")
    if given:
        return given.strip()
    path = places.token_path(places.config_dir(os.environ), url)
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token file {path} cannot be read ({error}); set COVALENT_API_TOKEN instead") from None


def ca_file(url: str) -> Path | None:
    """The certificates that vouch for the one of the server at ``url``, None for those that the system trusts."""
    if not url.startswith("https:"):
        return None
    given = _lookup(in_force(), "dispatcher.ca_file")
    return Path(str(given)).expanduser().absolute() if given else None


def store_token(url: str, token: str) -> Path:
    """Keep the API token for the server at ``url`` where :func:`server_token` finds it, for this account alone."""
    path = places.token_path(places.config_dir(os.environ), url)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
        Path(name).replace(path)
    except OSError as error:
        raise ConfigError(f"the token cannot be kept in {path} ({error}); set COVALENT_API_TOKEN instead") from None
    return path


def _port(settings: Mapping[str, Any]) -> int:
    value = _lookup(settings, "dispatcher.port")
    if not str(value).isascii() or not str(value).isdigit() or not 0 < int(value) <= _MAX_PORT:
        raise ConfigError(f"{value!r} is not a port; correct COVALENT_SVC_PORT or dispatcher.port in {config_path()}")
    return int(value)


def in_force() -> Mapping[str, Any]:
    """Everything there is, to be looked at only: it is put together once for all who ask."""
    deciding = tuple(map(os.environ.get, _DECIDING))
    known = _in_force.get(deciding)
    if known is None:
        with _lock:
            known = _in_force[deciding] = _put_together()
    return known


def _put_together() -> dict[str, Any]:
    file = _read()
    merged = _merged(_with_servers_port(_merged(DEFAULTS, _read_former()), file), file)
    for key, variable in VARIABLES.items():
        value: Any = os.environ.get(variable)
        if value:
            section, _, name = key.partition(".")
            merged[section] = {**merged[section], name: int(value) if value.isdecimal() else value}
    return merged


def _with_servers_port(defaults: dict[str, Any], file: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults; when the file gives the server of this account a port, that is where scripts look for it."""
    server = file.get("server")
    if isinstance(server, dict) and isinstance(server.get("port"), int) and server["port"] > 0:
        defaults["dispatcher"]["port"] = server["port"]
    return defaults


def _read() -> dict[str, Any]:
    path = config_path()
    with _lock:
        if path not in _files:
            _files[path] = _parsed(path.read_text(encoding="utf-8"), path) if path.exists() else {}
        return _files[path]


def _read_former() -> dict[str, Any]:
    for path in covalent_conf.paths(os.environ):
        with _lock:
            if path not in _files:
                text = path.read_text(encoding="utf-8") if path.exists() else ""
                _files[path] = covalent_conf.taken_over(text, path, os.environ)
            if _files[path]:
                return _files[path]
    return {}


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(below))
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else copy.deepcopy(value)
    return merged


def _lookup(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            raise KeyError(f"{key!r} is not set; there are: {', '.join(_leaves(values))}")
        found = found[part]
    return found


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in sorted(values.items()):
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def _edited(text: str, key: str, value: Any, path: Path) -> str:
    """The file's text with one value set; a layout in which that takes more than a line is left to its author."""
    *sections, name = key.split(".")
    expected = _parsed(text, path)
    table = expected
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{key!r} cannot be set: {section!r} is a value, not a section, in {path}")
    table[name] = tomllib.loads(f"value = {_literal(value)}")["value"]
    line = f"{_key(name)} = {_literal(value)}"
    edited = _with_line(text.splitlines(), ".".join(map(_key, sections)), name, line)
    try:
        if tomllib.loads(edited) == expected:
            return edited
    except tomllib.TOMLDecodeError:
        pass
    raise ConfigError(f"{path} is laid out in a way that cannot be edited automatically; set {line} there by hand")


def _with_line(lines: list[str], section: str, name: str, line: str) -> str:
    headers = [number for number, content in enumerate(lines) if content.lstrip().startswith("[")]
    starts = [number for number in headers if lines[number].partition("#")[0].strip() == f"[{section}]"]
    if section and not starts:
        return "\n".join([*lines, *([""] if lines else []), f"[{section}]", line, ""])
    first = starts[0] + 1 if section else 0
    last = next((number for number in headers if number >= first), len(lines))
    pattern = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
    for number in range(first, last):
        if pattern.match(lines[number]):
            return "\n".join([*lines[:number], line, *lines[number + 1 :], ""])
    return "\n".join([*lines[:first], line, *lines[first:], ""])


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_literal(item)}' for key, item in value.items())}}}"
    raise TypeError(
        f"a setting is text, a number, true or false, a list or a dict of those, not {type(value).__name__}"
    )


def _write(path: Path, text: str) -> None:
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, delete=False) as file:
        file.write(text)
    Path(file.name).replace(target)
