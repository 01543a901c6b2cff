"""Environment variables that a user gives to tasks, checked where they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from covalent.secret import Secret
from covalent.wire.manifest import REFUSED_VARIABLES, Variable

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def checked(env: object) -> dict[str, str | Secret]:
    """The variables that a user gave as ``env``; raises TypeError or ValueError that says what to write."""
    if not isinstance(env, Mapping):
        raise TypeError(f"env is a dict of environment variables such as {{'OMP_NUM_THREADS': '1'}}, not {env!r}")
    return {name: _checked(name, value) for name, value in env.items()}


def plain(env: Mapping[str, str | Secret]) -> dict[str, Variable]:
    """Variables in their JSON form."""
    return {name: value if isinstance(value, str) else value.to_dict() for name, value in env.items()}


def _checked(name: object, value: object) -> str | Secret:
    if isinstance(value, Mapping) and value.keys() == {"secret"}:
        value = Secret.from_dict(value)  # as a file of settings says it, and the JSON of an executor
    if not isinstance(name, str) or not isinstance(value, (str, Secret)):
        raise TypeError(f"names and values in env are text; write env={{{str(name)!r}: {str(value)!r}}}")
    _check(name, value)
    return value


def _check(name: str, value: str | Secret) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} in env is no name of a variable: letters, digits and _, no digit first")
    if name.startswith(REFUSED_VARIABLES):
        raise ValueError(
            f"env cannot set {name}: variables that begin with {', '.join(REFUSED_VARIABLES)} decide which code a "
            "worker loads or which server it speaks to; choose code with ct.executor.LocalExecutor(python=...)"
        )
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"the value of {name} in env holds a NUL character, which no variable can hold")
