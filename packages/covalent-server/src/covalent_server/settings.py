"""What a server can be told, and by whom it was told.

Each value comes from the first of these that has it: a flag of the command line, a variable of the environment, the
table ``[server]`` of ``covalent.toml`` in the configuration directory, the default. :func:`load` reads them once, at
the entry point; the record is passed down from there. The rest of ``covalent.toml`` belongs to users' scripts.

It is long because its table is: every setting stands in one place, with its variable and what is said of it.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from covalent.errors import ConfigError
from covalent.wire import places
from covalent_server import values
from covalent_server.errors import SettingsError

FILE_NAME: Final = "covalent.toml"
TABLE: Final = "server"
#: Carries the umask that the server was started with to the workers that it starts.
WORKER_UMASK: Final = "COVALENT_WORKER_UMASK"
#: What is shown of a password.
HIDDEN: Final = "***"


class Origin(StrEnum):
    """Who gave a setting its value."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a setting's value was found: by whom, and under which name there."""

    origin: Origin
    #: The flag, the variable, or the file; empty for a default.
    name: str = ""

    def __str__(self) -> str:
        return f"{self.origin} {self.name}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server was told."""

    host: str
    #: 0 chooses a free one.
    port: int
    #: The certificate to speak with encryption with, followed by those that vouch for it, and its key; both or none.
    tls_cert: Path | None
    tls_key: Path | None
    #: Speak without encryption beyond this machine, too.
    insecure: bool
    #: Names besides its own that the server answers to; ``*.`` stands for any one label.
    host_names: tuple[str, ...]
    data_dir: Path
    config_dir: Path
    database_url: str = field(repr=False)  # it may hold a password
    log_level: str
    #: ``text`` or ``json``.
    log_format: str
    #: Who is told of dispatches that end, signed with which secret, and the hosts that may be in this network.
    webhook_url: str
    webhook_secret_file: Path
    webhook_allow: tuple[str, ...]
    #: Whether metrics are told to anybody who can reach the server.
    open_metrics: bool
    #: Seconds after which a silent worker's tasks are given to another.
    lease_ttl: float
    #: Tasks that run at once on this machine.
    local_slots: int
    #: The interpreters that local tasks may run in; empty for any while the server is reached from this machine alone,
    #: and for none beyond.
    local_interpreters: tuple[str, ...]
    max_body_bytes: int
    max_asset_bytes: int
    #: Seconds that a request may take to arrive.
    request_timeout: float
    #: Days after their end for which dispatches are kept; 0 for ever.
    retention_days: float
    #: Seconds for which an asset is kept that nothing names yet.
    asset_grace: float
    #: Whether large assets are kept compressed where that makes them smaller.
    compress_assets: bool
    allow_network_filesystem: bool
    #: Where the page and the interface begin for who comes through a proxy: ``/covalent``, or empty.
    url_prefix: str
    #: Executors whose provisioners the server starts, the interpreter that has them, and how long they may fail.
    provisioners: tuple[str, ...]
    provisioner_python: Path
    provision_timeout: float
    sources: Mapping[str, Source] = field(default_factory=dict, compare=False)

    @property
    def exposed(self) -> bool:
        """Whether other machines may reach the server."""
        return self.host != "localhost" and not (_is_address(self.host) and ip_address(self.host).is_loopback)

    @property
    def interpreters(self) -> frozenset[str] | None:
        """Those that local tasks may run in, None for any."""
        return frozenset(self.local_interpreters) if self.local_interpreters or self.exposed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting: how its text is read, and where it may stand."""

    name: str
    variable: str
    read: Callable[[object], Any]
    help: str

    @property
    def flag(self) -> str:
        """The setting's flag on the command line."""
        return "--" + self.name.replace("_", "-")


def load(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """The settings from flags (by setting's name; None means not given), environment, file and defaults."""
    known: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    table: Mapping[str, object] = {}
    file = Path()
    for option in OPTIONS:
        found, source = _found(option, flags, environ, table, file)
        if source.origin is Origin.DEFAULT:
            known[option.name] = _default(option.name, known, environ)
        else:
            known[option.name] = _read(option, found, source)
        sources[option.name] = source
        if option.name == "config_dir":  # the first of all: the others may stand in the file there
            file = known["config_dir"] / FILE_NAME
            table = _table(file)
    return Settings(**known, sources=sources)


def _found(
    option: Option, flags: Mapping[str, object], environ: Mapping[str, str], table: Mapping[str, object], file: Path
) -> tuple[object, Source]:
    if flags.get(option.name) is not None:
        return flags[option.name], Source(origin=Origin.FLAG, name=option.flag)
    if environ.get(option.variable):
        return environ[option.variable], Source(origin=Origin.ENVIRONMENT, name=option.variable)
    if option.name in table:
        return table[option.name], Source(origin=Origin.FILE, name=str(file))
    return None, Source(origin=Origin.DEFAULT)


def _read(option: Option, found: object, source: Source) -> Any:
    try:
        value = option.read(found)
    except ValueError as error:
        place = f"{TABLE}.{option.name} in {source.name}" if source.origin is Origin.FILE else source.name
        raise SettingsError(f"{place}: {error}") from None
    if isinstance(value, Path) and not value.is_absolute():
        if source.origin is Origin.FILE:
            raise SettingsError(f"{TABLE}.{option.name} in {source.name}: write a whole path, not {str(value)!r}")
        return value.absolute()
    return value


def _table(file: Path) -> Mapping[str, object]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file} is not TOML: {error}") from None
    known = [option.name for option in OPTIONS if option.name != "config_dir"]
    misplaced = [name for name in known if name in document]
    if misplaced:
        raise SettingsError(f"{file}: {misplaced[0]!r} belongs below a line [{TABLE}]")
    table = document.get(TABLE, {})
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: {TABLE!r} must be a table: write [{TABLE}] and the settings below it")
    unknown = [name for name in table if name not in known]
    if unknown:
        raise SettingsError(f"{file}: {TABLE}.{unknown[0]} is no setting; there are: {', '.join(sorted(known))}")
    return table


def _default(name: str, known: Mapping[str, Any], environ: Mapping[str, str]) -> Any:
    match name:
        case "config_dir":
            return _place(places.config_dir, environ)
        case "data_dir":
            return _place(places.data_dir, environ)
        case "webhook_secret_file":
            return known["config_dir"] / "webhook-secret"
        case "database_url":
            return sqlite_url(known["data_dir"] / "covalent.db")
        case "local_slots":
            return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        case _:
            return _DEFAULTS[name]


def _place(place: Callable[[Mapping[str, str]], Path], environ: Mapping[str, str]) -> Path:
    try:
        return place(environ).absolute()
    except ConfigError as error:
        raise SettingsError(str(error)) from None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite database, whatever letters its path is made of."""
    escaped = str(path)
    for mark in "%?#":  # the percent sign first, for it comes with the others
        escaped = escaped.replace(mark, f"%{ord(mark):02X}")
    return f"sqlite:///{escaped}"


def shown_url(url: str) -> str:
    """A database's URL without the passwords that it may hold."""
    return re.sub(r"([?&]\w*password=)[^&]*", rf"\1{HIDDEN}", re.sub(r"(://[^:/@]*:).*@", rf"\1{HIDDEN}@", url))


_DEFAULTS: Final[Mapping[str, Any]] = {
    "host": "127.0.0.1",
    "port": places.DEFAULT_PORT,
    "tls_cert": None,
    "tls_key": None,
    "insecure": False,
    "host_names": (),
    "local_interpreters": (),
    "log_level": "INFO",
    "log_format": "text",
    "open_metrics": False,
    "webhook_url": "",
    "webhook_allow": (),
    "lease_ttl": 15.0,
    "max_body_bytes": 64 * 1024**2,
    "max_asset_bytes": 16 * 1024**3,
    "request_timeout": 60.0,
    "retention_days": 0.0,
    "asset_grace": 86400.0,
    "compress_assets": False,
    "allow_network_filesystem": False,
    "url_prefix": "",
    "provisioners": (),
    "provisioner_python": Path(sys.executable),
    "provision_timeout": 600.0,
}

#: Every setting, in the order in which they are read.
OPTIONS: Final = (
    Option(
        name="config_dir", variable="COVALENT_CONFIG_DIR", read=values.path, help="Settings and tokens are kept here."
    ),
    Option(name="data_dir", variable="COVALENT_DATA_DIR", read=values.path, help="The server keeps its state here."),
    Option(
        name="host",
        variable="COVALENT_SVC_HOST",
        read=values.host,
        help="The address to listen on: 127.0.0.1 for this machine alone, 0.0.0.0 for all that reach it.",
    ),
    Option(
        name="port",
        variable="COVALENT_SVC_PORT",
        read=values.port,
        help="The port to listen on; 0 chooses a free one.",
    ),
    Option(
        name="tls_cert",
        variable="COVALENT_TLS_CERT",
        read=values.path,
        help="The certificate to speak with encryption with, a PEM file; those that vouch for it may follow in it.",
    ),
    Option(name="tls_key", variable="COVALENT_TLS_KEY", read=values.path, help="The certificate's key, a PEM file."),
    Option(
        name="insecure",
        variable="COVALENT_INSECURE",
        read=values.yes,
        help="Speak without encryption beyond this machine, where tokens and values can be read on their way.",
    ),
    Option(
        name="host_names",
        variable="COVALENT_HOST_NAMES",
        read=values.host_names,
        help="Further names that the server is reached by, with commas between them.",
    ),
    Option(
        name="database_url",
        variable="COVALENT_DATABASE_URL",
        read=values.database_url,
        help="The database, PostgreSQL or SQLite; by default a SQLite file in the data directory.",
    ),
    Option(name="log_level", variable="COVALENT_LOG_LEVEL", read=values.level, help="DEBUG, INFO, WARNING or ERROR."),
    Option(
        name="log_format",
        variable="COVALENT_LOG_FORMAT",
        read=values.log_format,
        help="How the log is written: text, or json for programs, one object a line.",
    ),
    Option(
        name="webhook_url",
        variable="COVALENT_WEBHOOK_URL",
        read=values.web_address,
        help="Where a signed request is sent when a dispatch ends.",
    ),
    Option(
        name="webhook_secret_file",
        variable="COVALENT_WEBHOOK_SECRET_FILE",
        read=values.path,
        help="The file with the secret that those requests are signed with.",
    ),
    Option(
        name="webhook_allow",
        variable="COVALENT_WEBHOOK_ALLOW",
        read=values.hosts,
        help="Hosts, with commas between them, that these may be sent to within this network, and without TLS.",
    ),
    Option(
        name="open_metrics",
        variable="COVALENT_OPEN_METRICS",
        read=values.yes,
        help="Tell /metrics to anybody who can reach the server, without a token.",
    ),
    Option(
        name="lease_ttl",
        variable="COVALENT_LEASE_TTL",
        read=values.seconds,
        help="Seconds after which a silent worker's tasks are given to another.",
    ),
    Option(
        name="local_slots",
        variable="COVALENT_LOCAL_SLOTS",
        read=values.count,
        help="How many tasks run at once in each interpreter; by default one for each processor.",
    ),
    Option(
        name="local_interpreters",
        variable="COVALENT_LOCAL_INTERPRETERS",
        read=values.interpreters,
        help="The interpreters that local tasks may run in, with commas between them; any, but beyond loopback none.",
    ),
    Option(
        name="max_body_bytes",
        variable="COVALENT_MAX_BODY_BYTES",
        read=values.count,
        help="The largest request, assets apart, in bytes.",
    ),
    Option(
        name="max_asset_bytes",
        variable="COVALENT_MAX_ASSET_BYTES",
        read=values.count,
        help="The largest asset, in bytes.",
    ),
    Option(
        name="request_timeout",
        variable="COVALENT_REQUEST_TIMEOUT",
        read=values.seconds,
        help="Seconds that a request may take to arrive.",
    ),
    Option(
        name="retention_days",
        variable="COVALENT_RETENTION_DAYS",
        read=values.days,
        help="Days after their end at which dispatches are purged by themselves; 0, the default, never.",
    ),
    Option(
        name="asset_grace",
        variable="COVALENT_ASSET_GRACE",
        read=values.seconds,
        help="Seconds that a purge leaves alone what was uploaded and is not needed yet.",
    ),
    Option(
        name="compress_assets",
        variable="COVALENT_COMPRESS_ASSETS",
        read=values.yes,
        help="Keep large assets compressed where a sample of them shrinks; needs covalent-server[zstd].",
    ),
    Option(
        name="allow_network_filesystem",
        variable="COVALENT_ALLOW_NETWORK_FILESYSTEM",
        read=values.yes,
        help="Use a data directory on a network file system, at the risk of losing the database.",
    ),
    Option(
        name="url_prefix",
        variable="COVALENT_URL_PREFIX",
        read=values.url_prefix,
        help="What addresses begin with for who comes through a proxy, such as /covalent.",
    ),
    Option(
        name="provisioners",
        variable="COVALENT_PROVISIONERS",
        read=values.executors,
        help="Executors to run provisioners for.",
    ),
    Option(
        name="provisioner_python",
        variable="COVALENT_PROVISIONER_PYTHON",
        read=values.path,
        help="The interpreter that runs these; by default the server's own.",
    ),
    Option(
        name="provision_timeout",
        variable="COVALENT_PROVISION_TIMEOUT",
        read=values.seconds,
        help="Seconds after which tasks fail for which a provisioner cannot start a worker.",
    ),
)
