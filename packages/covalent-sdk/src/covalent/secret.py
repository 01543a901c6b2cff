"""Secrets: values that a workflow only names, and that are looked up where its tasks run.

What a process has looked up is remembered for as long as it lives: it is hidden in whatever is shown of values, and a
value that holds it cannot be written.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from covalent.context import RUNNER_VARIABLE
from covalent.errors import ConfigError, SecretError
from covalent.masks import SHORTEST, Buffer, Masks
from covalent.wire import places
from covalent.wire.manifest import Variable

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
#: The most bytes of a secret's file: a key or a certificate, not a data set.
_MOST_BYTES: Final = 64 * 1024
#: The workflow whose function runs, in which nothing is looked up.
_building: ContextVar[str | None] = ContextVar("covalent_building", default=None)


class _Process:
    """What this process has looked up."""

    #: The name of each value; one that was replaced meanwhile is still to be hidden.
    names: dict[str, str] = {}  # noqa: RUF012 - one for the process
    masks = Masks()
    #: Is told of each value before anybody else has it; raises OSError when it cannot be.
    tell: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that only its name is said of; a task looks it up where it runs.

    ``name`` is that of an environment variable of the worker, or of a file in its directory of secrets,
    ``~/.config/covalent/secrets`` or ``COVALENT_SECRETS_DIR``, which nobody but its owner may read. The variable wins.

    >>> key = ct.Secret("weather-key")
    >>> key
    Secret(name='weather-key')
    """

    name: str

    def __post_init__(self) -> None:
        """Refuse what is no name: TypeError or ValueError."""
        if not isinstance(self.name, str):
            raise TypeError(f"ct.Secret takes the name of a secret, a text such as 'weather-key', not {self.name!r}")
        if not _NAME.fullmatch(self.name):
            # It may be the secret itself, which is not to be repeated.
            raise ValueError(
                "ct.Secret takes the name of a secret, and the text that it was given is none: letters, digits, '_', "
                "'-' and '.', at most 200, not beginning with '-' or '.'"
            )

    def get(self) -> str:
        """The value; call it in a task. Raises SecretError, which says where the value is to be put.

        Of a file, one line break at its end does not count. What is printed, shown or raised afterwards has stars in
        the value's place, and a task that returns the value fails.
        """
        workflow = _building.get()
        if workflow is not None:
            raise SecretError(
                f"the secret {self.name!r} has no value while the workflow {workflow} is built: hand ct.Secret itself "
                "to an electron, and call get() there"
            )
        value = _looked_up(self.name)
        _know(self.name, value)
        return value

    def to_dict(self) -> dict[str, str]:
        """Its JSON form, which says its name."""
        return {"secret": self.name}

    @classmethod
    def from_dict(cls, plain: Mapping[str, str]) -> Self:
        """From what :meth:`to_dict` gave."""
        return cls(plain["secret"])

    def __format__(self, _: str) -> str:
        """Refuse to be part of a text, where the value was meant: TypeError."""
        raise TypeError(f"a text was to be made of {self!r}; in a task, make it of its value: .get()")


def revealed(value: Any) -> Any:
    """The value of a secret, anything else as it is."""
    return value.get() if isinstance(value, Secret) else value


def variables(given: Mapping[str, Variable]) -> dict[str, str]:
    """Environment variables with the values of the secrets that they name."""
    return {name: value if isinstance(value, str) else Secret.from_dict(value).get() for name, value in given.items()}


@contextlib.contextmanager
def withheld(workflow: str) -> Iterator[None]:
    """While a workflow function runs: what it looked up would be stored with the workflow."""
    token = _building.set(workflow)
    try:
        yield
    finally:
        _building.reset(token)


def tell(call: Callable[[str], None]) -> None:
    """Have a call made with each value before anybody has it; no value is given out when it raises OSError."""
    _Process.tell = call


def masked(text: str) -> str:
    """A text in which the values that this process has looked up are hidden."""
    return _Process.masks.text(text) if _Process.masks else text


def check_absent(chunks: Iterable[Buffer]) -> None:
    """Raise SecretError when a value that this process has looked up stands in bytes that are to be stored."""
    if not _Process.masks:
        return
    for chunk in chunks:
        if _Process.masks.find(chunk):
            name = next(name for value, name in _Process.names.items() if Masks([value]).find(chunk))
            raise SecretError(
                f"the value of the secret {name!r} stands in what is to be stored, where others can read it; give "
                "what was done with it, or ct.Secret itself"
            )


def _know(name: str, value: str) -> None:
    if value in _Process.names:
        return
    if _Process.tell is None and RUNNER_VARIABLE in os.environ:
        raise SecretError(
            f"the secret {name!r} is not given out here, for it could not be hidden in what is printed: look it up in "
            "the task itself, not in a process that the task starts; if it was, upgrade covalent-sdk in the worker's "
            "environment"
        )
    if _Process.tell is not None:
        try:
            _Process.tell(value)
        except OSError as error:
            raise SecretError(
                f"the secret {name!r} is not given out, for it could not be hidden in what is printed: the task has "
                f"closed or changed a file that is its worker's ({error})"
            ) from None
    _Process.names[value] = name
    _Process.masks = Masks(_Process.names)


def _looked_up(name: str) -> str:
    value = os.environ.get(name)
    where = f"the variable {name}"
    if value is None:
        path = _path(name)
        value = _read(path, name)
        where = str(path)
    if len(value) < SHORTEST or not value.strip():
        raise SecretError(
            f"the secret {name!r}, from {where}, has fewer than {SHORTEST} characters: it could not be told from other "
            "text, and so not be hidden; choose a longer one"
        )
    return value


def _path(name: str) -> Path:
    try:
        return places.secrets_dir(os.environ) / name
    except ConfigError as error:
        raise SecretError(f"the secret {name!r} is no variable of the environment, and {error}") from None


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise SecretError(
            f"there is no secret {name!r} on {os.uname().nodename}: neither the variable {name} in the worker's "
            f"environment nor the file {path}; write it there:\n"
            f"    mkdir -p -m 700 {path.parent} && install -m 600 /dev/stdin {path}"
        ) from None
    except OSError as error:
        raise SecretError(f"the file {path} of the secret {name!r} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise SecretError(
            f"the file {path} of the secret {name!r} can be read by others, its mode is {mode:o}; run: chmod 600 {path}"
        )
    try:
        value = data.decode()
    except UnicodeDecodeError:
        value = "\0"
    if len(data) > _MOST_BYTES or "\0" in value:
        raise SecretError(
            f"the file {path} of the secret {name!r} is to hold a text in UTF-8 of at most {_MOST_BYTES} bytes"
        )
    return value.removesuffix("\n").removesuffix("\r")
