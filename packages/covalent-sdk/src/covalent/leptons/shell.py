"""A shell command as a function: positional arguments are ``$1, $2 …``, keywords fill ``{name}``, quoted.

The variables that it is to give are written by the shell to a file of their own, so that whatever the command prints is
not mistaken for them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from covalent.deps import FILES
from covalent.errors import LeptonError
from covalent.hooks import ending
from covalent.leptons import places
from covalent.secret import Secret, revealed

#: What a variable may be read as.
Types = Mapping[str, type | None]
#: How the shell variables are called that hold keywords' values, before a number: a keyword need not be such a name.
_VARIABLE: Final = "covalent_keyword_"
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False, "": False}


@dataclass(frozen=True, slots=True)
class Shell:
    """A command, run by bash; its value is that of its named outputs: None, one, or a tuple of several."""

    command: str
    #: Shell variables that are read when it has ended, with what they are read as; None for what they look like.
    outputs: Types = field(default_factory=dict)
    name: str = "bash"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run it; raises LeptonError when it ends with a status other than 0."""
        if FILES not in self.command:
            kwargs.pop(FILES, None)  # transfers hand their paths to whatever takes keywords
        shown = next((item for item in args if isinstance(item, Secret)), None)
        if shown is not None:
            raise TypeError(
                f"{shown!r} would be an argument of the command of {self.name}, which everybody on the machine can "
                "see; give it by a keyword, as key=ct.Secret(...), for {key} in the command"
            )
        command, variables = filled(self.command, kwargs, self.name)
        return run(command, [text(item, self.name) for item in args], self, variables)


@dataclass(frozen=True, slots=True)
class Written:
    """A command that a function writes when the task runs; the function's arguments are the task's."""

    function: Callable[..., str]
    outputs: Types = field(default_factory=dict)
    name: str = "bash"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Have the command written, and run it."""
        command = self.function(*args, **kwargs)
        if not isinstance(command, str):
            raise TypeError(f"the function of {self.name} returns the text of a command, not {command!r}")
        return run(command, [], self, {})


def filled(command: str, given: Mapping[str, Any], name: str) -> tuple[str, dict[str, str]]:
    """A command with a shell variable in each place ``{keyword}``, and what the variables hold; other braces stay.

    The values are never part of the command, so nothing in them is run; but where bash counts, it works a text out.
    """
    pattern = re.compile("|".join(rf"(?<!\$)\{{{re.escape(keyword)}\}}" for keyword in given) or "(?!)")
    numbers = {keyword: number for number, keyword in enumerate(given, start=1)}
    found = {place[0][1:-1] for place in pattern.finditer(command)}
    for keyword in given:
        if keyword not in found:
            raise TypeError(f"the command of {name} has no {{{keyword}}} that could be filled; it is: {command}")
    filling = pattern.sub(lambda place: _filling(place, numbers[place[0][1:-1]], name), command)
    return filling, {f"{_VARIABLE}{numbers[keyword]}": text(value, name) for keyword, value in given.items()}


def _filling(place: re.Match[str], number: int, name: str) -> str:
    """What stands in a place instead."""
    variable = f"${{{_VARIABLE}{number}}}"
    match places.around(place.string[: place.start()]):
        case "":
            return f'"{variable}"'
        case places.DOCUMENT:
            return variable
        case places.LITERAL:
            raise ValueError(
                f"in the command of {name}, {place[0]} stands in a here-document whose word is quoted, in which bash "
                "fills nothing; write that word without quotes"
            )
        case _:
            raise ValueError(
                f"in the command of {name}, {place[0]} stands in quotes, which it does not need: its value is one word "
                f"already; write {place[0]} outside of them"
            )


def text(value: Any, name: str) -> str:
    """A value as a command has it, that of a secret looked up."""
    value = revealed(value)
    if isinstance(value, (str, int, float, os.PathLike)):
        return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    raise TypeError(
        f"a command takes texts, numbers and paths, but {name} was given {value!r}; make a text of it in a task before"
    )


def run(command: str, arguments: list[str], shell: Shell | Written, variables: Mapping[str, str]) -> Any:
    """Run a command with arguments and variables; the values of its outputs."""
    import shutil  # noqa: PLC0415 - few tasks are commands
    import subprocess  # noqa: PLC0415 - as above

    with os.fdopen(os.memfd_create("outputs"), "rb") as outputs:
        told = _telling(shell.outputs, outputs.fileno())
        try:
            status = subprocess.run(
                [shutil.which("bash") or "/bin/bash", "-c", f"{command}\n{told}", shell.name, *arguments],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **variables},
                pass_fds=[outputs.fileno()],
                check=False,
            ).returncode
        except (OSError, ValueError) as error:
            raise LeptonError(f"the command of {shell.name} cannot be run by bash: {error}") from error
        if status:
            raise LeptonError(f"the command of {shell.name}, which ran in {Path.cwd()}, {ending(status)}")
        outputs.seek(0)
        found = outputs.read().decode("utf-8", "surrogateescape").split("\0")[:-1]
    return _values(shell, found)


def _telling(outputs: Types, descriptor: int) -> str:
    """The lines that write the outputs, for each whether it is set and its text, after a command that was well."""
    if not outputs:
        return ""
    lines = ["covalent_status=$?; [ $covalent_status = 0 ] || exit $covalent_status"]
    lines += [f'printf \'%s\\0%s\\0\' "${{{name}+set}}" "${{{name}-}}" >&{descriptor}' for name in outputs]
    return "\n".join(lines)


def _values(shell: Shell | Written, found: list[str]) -> Any:
    values = []
    for position, (name, kind) in enumerate(shell.outputs.items()):
        is_set, value = found[2 * position : 2 * position + 2] or ("", "")
        if not is_set:
            reason = "is not set" if found else "was not reached: the command left by exit"
            raise LeptonError(
                f"the command of {shell.name} is to give the shell variable {name}, which {reason} at its end"
            )
        values.append(_read(value, kind, name, shell.name))
    if not values:
        return None
    return values[0] if len(values) == 1 else tuple(values)


def _read(value: str, kind: type | None, name: str, lepton: str) -> Any:
    if kind is None:
        return _as_it_looks(value)
    try:
        return _TRUTH[value.strip().lower()] if kind is bool else kind(value)
    except (KeyError, ValueError):
        raise LeptonError(
            f"the shell variable {name} of {lepton} is to be read as {kind.__name__}, which {value!r} is not"
        ) from None


def _as_it_looks(value: str) -> int | float | str:
    """A number where it is written as one, else the text."""
    if re.fullmatch(r"[+-]?\d+", value):
        return int(value)
    return float(value) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value) else value
