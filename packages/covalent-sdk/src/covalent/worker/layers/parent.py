"""The interpreter that a layer lies over: what it is and which packages it has.

Asking it means starting it. So the answer is kept, in memory and in a file, until something is installed into one of
its directories of packages or removed from there. A project that is used where it lies is on its path, too, but what is
written there is none of its packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Self

from covalent.requirements import normalised
from covalent.worker import installed
from covalent.worker.layers.record import LayerError

#: Asked of the parent itself. What a ``.pth`` file has added to its path is found in ``path``.
_QUESTION: Final = """
import json, os, site, sys, sysconfig
directories = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
json.dump({
    "build": [sys.version, sys.implementation.cache_tag, sysconfig.get_platform()],
    "prefix": sys.prefix,
    "site": [directory for directory in dict.fromkeys(directories) if os.path.isdir(directory)],
    "packages": list(dict.fromkeys(directories)),
    "path": [entry for entry in sys.path if entry and os.path.isdir(entry)],
}, sys.stdout)
"""
_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An interpreter with its packages."""

    python: str
    #: Version, implementation and platform, as the interpreter tells them.
    build: tuple[str, ...]
    prefix: str
    #: Its site directories, in the order in which they are searched.
    site: tuple[str, ...]
    #: Its whole path.
    path: tuple[str, ...]
    #: When each of its directories of packages was modified, as in :func:`covalent.worker.installed.stamps`.
    stamps: Mapping[str, int]
    #: The versions of its packages by their normalised names.
    versions: Mapping[str, str]
    #: Of its packages, with where those come from that were not taken from an index.
    digest: str

    @classmethod
    def asked(cls, python: str, environ: Mapping[str, str]) -> Self:
        """Ask an interpreter; raises LayerError when it does not answer."""
        try:
            answer = subprocess.run(
                [python, "-P", "-c", _QUESTION],
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=True,
            )
            told = json.loads(answer.stdout)
        except subprocess.CalledProcessError as error:
            raise LayerError(f"no packages can be laid over {python}, which does not start: {error.stderr}") from None
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise LayerError(f"no packages can be laid over {python}, which does not start: {error}") from None
        # Before the packages are looked at: what is installed meanwhile is noticed the next time.
        stamps = installed.stamps(_package_directories(told["packages"], told["path"]))
        found = {normalised(item.name): item for item in reversed(list(distributions(told["path"])))}
        return cls(
            python=python,
            build=tuple(told["build"]),
            prefix=told["prefix"],
            site=tuple(told["site"]),
            path=tuple(told["path"]),
            stamps=stamps,
            versions={name: item.version for name, item in sorted(found.items())},
            digest=_digest(found),
        )

    @property
    def current(self) -> bool:
        """Whether nothing was installed or removed since."""
        return installed.stamps(self.stamps) == self.stamps

    def write(self, path: Path) -> None:
        """Keep it in a file, which appears whole or not at all."""
        partial = path.with_name(f".{path.name}.{os.getpid()}.{id(self)}")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What :meth:`write` wrote, None when there is nothing."""
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**plain, **{name: tuple(plain[name]) for name in ("build", "site", "path")}})
        except (OSError, ValueError, TypeError, KeyError):
            return None


class Parents:
    """The interpreters that were asked, each until it changes."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._directory = directory
        self._environ = environ
        self._known: dict[str, Parent] = {}

    def find(self, python: str) -> Parent | None:
        """What is known of an interpreter without asking it."""
        known = self._known.get(python) or Parent.read(self._file(python))
        if known is None or not known.current:
            return None
        self._known[python] = known
        return known

    def get(self, python: str) -> Parent:
        """What an interpreter is and has; raises LayerError."""
        found = self.find(python)
        if found is None:
            found = Parent.asked(python, self._environ)
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found.write(self._file(python))
            self._known[python] = found
        return found

    def _file(self, python: str) -> Path:
        return self._directory / f"{hashlib.sha256(python.encode()).hexdigest()[:32]}.json"


def distributions(path: list[str] | tuple[str, ...]) -> Iterator[metadata.Distribution]:
    """What is installed in directories; what was left behind by a broken removal has no name."""
    for item in metadata.distributions(path=list(path)):
        if "Name" in (item.metadata or ()):
            yield item


def _package_directories(site: list[str], path: list[str]) -> list[str]:
    """The site directories, also those that are not there yet, and what else on the path has packages installed."""
    others = [
        entry
        for entry in path
        if entry.endswith(("site-packages", "dist-packages")) or next(Path(entry).glob("*.dist-info"), None)
    ]
    return list(dict.fromkeys([*site, *others]))


def _digest(found: Mapping[str, metadata.Distribution]) -> str:
    lines = [f"{name}=={item.version} {item.read_text('direct_url.json') or ''}" for name, item in found.items()]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
