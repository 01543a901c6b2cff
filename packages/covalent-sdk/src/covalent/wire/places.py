"""Where clients, workers and servers of one account find each other: directories, token files, host identity.

Everything here is computed from a given environment; nothing is created or read but the host's identity.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from covalent.errors import ConfigError

DEFAULT_PORT: Final = 48008
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def config_dir(environ: Mapping[str, str]) -> Path:
    """Where settings and tokens live: ``COVALENT_CONFIG_DIR`` or the platform's configuration directory."""
    return _directory(
        environ, "COVALENT_CONFIG_DIR", "XDG_CONFIG_HOME", ".config", "Library/Application Support", "APPDATA"
    )


def data_dir(environ: Mapping[str, str]) -> Path:
    """Where a server keeps its state: ``COVALENT_DATA_DIR`` or the platform's data directory."""
    return _directory(
        environ, "COVALENT_DATA_DIR", "XDG_DATA_HOME", ".local/share", "Library/Application Support", "LOCALAPPDATA"
    )


def cache_dir(environ: Mapping[str, str]) -> Path:
    """Where workers keep what they can fetch again: ``COVALENT_CACHE_DIR`` or the platform's cache directory."""
    return _directory(environ, "COVALENT_CACHE_DIR", "XDG_CACHE_HOME", ".cache", "Library/Caches", "LOCALAPPDATA")


def secrets_dir(environ: Mapping[str, str]) -> Path:
    """Where the files of secrets are: ``COVALENT_SECRETS_DIR``, or ``secrets`` beside the settings."""
    given = environ.get("COVALENT_SECRETS_DIR")
    return Path(given) if given else config_dir(environ) / "secrets"


def layers_dir(environ: Mapping[str, str]) -> Path:
    """Where the layers of packages are that tasks run in: one place for all workers of an account."""
    return cache_dir(environ) / "layers"


def gpus_dir(environ: Mapping[str, str]) -> Path:
    """Where the workers of an account see which GPUs of the machine are taken."""
    return cache_dir(environ) / "gpus"


def _directory(environ: Mapping[str, str], own: str, xdg: str, home: str, mac: str, windows: str) -> Path:
    if environ.get(own):
        return Path(environ[own])
    if sys.platform == "darwin":
        return _home(environ) / mac / "covalent"
    if sys.platform == "win32":
        return Path(environ.get(windows) or _home(environ)) / "covalent"
    return Path(environ.get(xdg) or _home(environ) / home) / "covalent"


def _home(environ: Mapping[str, str]) -> Path:
    """The account's home directory; asked for only where nothing else decides, for not every account has one."""
    try:
        return Path(environ.get("HOME") or Path.home())
    except RuntimeError:
        raise ConfigError(
            "this account has no home directory, and HOME is not set; "
            "say where files may be kept with COVALENT_CONFIG_DIR and COVALENT_DATA_DIR"
        ) from None


def token_path(config: Path, url: str) -> Path:
    """The file, readable by its account alone, that holds the API token for the server at ``url``."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return config / "tokens" / f"{'localhost' if host in _LOOPBACK else host.replace(':', '-')}_{port}"


def host_identity() -> str:
    """A name for this machine that no other machine has: its host name and a digest of its machine id."""
    try:
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        machine = platform.machine()
    return f"{platform.node()}-{hashlib.sha256(machine.encode()).hexdigest()[:12]}"
