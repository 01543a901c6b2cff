"""What the configuration says of tasks: their defaults, and the attributes of executors by short name.

It is read when a workflow is built, and goes along with a sublattice, which is built on another machine.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from covalent import config, executors
from covalent.errors import ConfigError
from covalent.options import Keywords, Options
from covalent.project import MAX_BYTES

#: The keys of ``[defaults]``. Calls before and after are functions, which no file holds.
KEYS: Final = (
    "executor", "workflow_executor", "deps_bash", "deps_pip", "deps_module",
    "retries", "retry_delay", "timeout", "cache", "env", "tags", "at_most_once",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The defaults of all workflows of a user."""

    options: Options = field(default_factory=Options)
    #: Where workflows' own tasks run, by short name; None for where their electrons run.
    workflow_executor: str | None = None
    #: Attributes by an executor's short name.
    executors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: How many bytes of the user's own modules may be sent along.
    project_bytes: int = MAX_BYTES


def configured() -> Configured:
    """What the configuration says now; raises ConfigError for what it cannot say."""
    values = config.in_force()
    defaults = copy.deepcopy(_table(values, "defaults"))
    unknown = sorted(defaults.keys() - set(KEYS))
    if unknown:
        raise _wrong(f"{', '.join(unknown)} is no default of tasks; there are {', '.join(KEYS)}")
    for name in ("executor", "workflow_executor"):
        if not isinstance(defaults.get(name, ""), str):
            raise _wrong(f"{name} is an executor's short name, whose attributes stand in [executors.NAME]")
    workflow_executor = defaults.pop("workflow_executor", None) or None
    try:
        options = Options.given(
            cast("Keywords", {name: None if value == "" else value for name, value in defaults.items()})
        )
    except (TypeError, ValueError, ImportError) as error:
        raise _wrong(str(error)) from None
    tables = copy.deepcopy(_table(values, "executors"))
    return Configured(
        options=options,
        workflow_executor=workflow_executor,
        executors={name: _without_credentials(_table(tables, name, "executors.")) for name in tables},
        project_bytes=_project_bytes(_table(values, "preflight").get("max_project_bytes", MAX_BYTES)),
    )


def _project_bytes(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ConfigError(
            f"{value!r} is not a number of bytes; correct COVALENT_MAX_PROJECT_BYTES or preflight.max_project_bytes in "
            f"{config.config_path()}"
        )
    return value


def _table(values: Mapping[str, Any], name: str, above: str = "") -> dict[str, Any]:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{above}{name} in {config.config_path()} is a table, [{above}{name}], not {table!r}")
    return table


def _without_credentials(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in executors.CREDENTIALS}


def _wrong(what: str) -> ConfigError:
    return ConfigError(f"[defaults] in {config.config_path()}: {what}")
