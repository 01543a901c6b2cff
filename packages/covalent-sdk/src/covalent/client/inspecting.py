"""A workflow is looked at before it is sent: problems are raised, warnings are given at the user's own line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final, NamedTuple

from covalent import config
from covalent.errors import ConfigError, CovalentError, PreflightWarning
from covalent.http import Server
from covalent.hydration import Package
from covalent.readiness.usual import is_usual
from covalent.wire.codec import from_json

#: Where our own code lies: a warning is not about any line of it.
_OURS: Final = f"{Path(__file__).parents[1]}/"
_KEY: Final = "preflight.enabled"
_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"0", "false", "no", "off"})


class Line(NamedTuple):
    """A line of the user's code, as warnings take it."""

    file: str
    number: int
    module: str
    #: Which of its warnings were given already.
    registry: dict[Any, Any]


def users_line() -> Line:
    """The line that called us, through whatever of our own code."""
    frame = sys._getframe(1)  # noqa: SLF001 - what `inspect` would do, and slowly
    while frame.f_code.co_filename.startswith(_OURS) and frame.f_back is not None:
        frame = frame.f_back
    names = frame.f_globals
    registry = names.setdefault("__warningregistry__", {})
    return Line(frame.f_code.co_filename, frame.f_lineno, str(names.get("__name__", "")), registry)


def inspect(package: Package, server: Server, line: Line | None = None) -> None:
    """Raise PreflightError for what cannot run, and warn of what may not, at the given line or the caller's."""
    if not enabled() or is_usual(package):
        return
    from covalent.readiness.checks import look  # noqa: PLC0415 - see readiness.usual
    from covalent.readiness.report import Report  # noqa: PLC0415 - as above

    found = look(package, executors_of(server))
    report = Report(workflow=package.manifest.graph.graph.name, problems=found.problems, warnings=found.warnings)
    report.raise_for_problems()
    if report.warnings:
        where = line or users_line()
        for warning in report.warnings:
            warnings.warn_explicit(
                str(warning), PreflightWarning, where.file, where.number, where.module, where.registry
            )


def enabled() -> bool:
    """What the configuration says; raises ConfigError when it cannot be understood."""
    value = config.get_config(_KEY)
    word = str(value).lower()
    if word not in _ON | _OFF:
        raise ConfigError(f"{value!r} is not true or false; correct COVALENT_PREFLIGHT or {_KEY} in covalent.toml")
    return word in _ON


def executors_of(server: Server) -> Callable[[], Collection[str]]:
    """Gives the executors that a server has; none when it does not say, or cannot be asked now."""
    from covalent.wire.records import ServerInfo  # noqa: PLC0415 - as above

    def ask() -> Collection[str]:
        try:
            return from_json(ServerInfo, server.get("/server")).executors
        except CovalentError:
            return ()

    return ask
