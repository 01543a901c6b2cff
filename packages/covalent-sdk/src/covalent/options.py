"""What a user may say of how a task runs, each key by itself; None for what is left to the lattice or the defaults."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypedDict

from covalent import deps, executors, tags, variables
from covalent.deps import Bash, Calls, DepsBash, DepsCall, DepsModule, DepsPip, Modules, Pip
from covalent.errors import WireError
from covalent.executors import Executor
from covalent.secret import Secret

if TYPE_CHECKING:
    from covalent.fs.transfers import Files, FileTransfer


class Keywords(TypedDict, total=False):
    """The keywords of ``ct.electron`` and ``ct.lattice`` that say how a task runs."""

    executor: Executor | str | None
    files: Files
    deps_bash: Bash
    deps_pip: Pip
    deps_module: Modules
    call_before: Calls
    call_after: Calls
    retries: int | None
    retry_delay: float | None
    timeout: float | None
    cache: bool | None
    env: Mapping[str, str | Secret] | None
    tags: Collection[str] | None
    at_most_once: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a task runs."""

    #: Where it runs; a short name alone leaves the attributes to the configuration.
    executor: Executor | str | None = None
    #: Files that are brought to it and taken from it: an electron's own, so that they are in no lattice's JSON.
    files: tuple[FileTransfer, ...] | None = None
    #: Commands that run before its calls.
    deps_bash: DepsBash | None = None
    #: Packages that are laid over its executor's environment.
    deps_pip: DepsPip | None = None
    #: Modules that are sent along.
    deps_module: tuple[DepsModule, ...] | None = None
    #: Calls before and after its function.
    call_before: tuple[DepsCall, ...] | None = None
    call_after: tuple[DepsCall, ...] | None = None
    #: How many failed attempts are followed by another.
    retries: int | None = None
    #: Seconds before the first retry; doubled for each further one.
    retry_delay: float | None = None
    #: Seconds that one attempt may take.
    timeout: float | None = None
    #: Whether an equal task's output may stand in for its own.
    cache: bool | None = None
    #: Environment variables.
    env: Mapping[str, str | Secret] | None = None
    #: Words that limits go by.
    tags: tuple[str, ...] | None = None
    #: Whether it is never begun twice.
    at_most_once: bool | None = None

    @classmethod
    def given(cls, keywords: Keywords) -> Self:
        """Options from what a user wrote; raises TypeError or ValueError that names the keyword."""
        made = cls(
            executor=executors.checked(keywords.get("executor")),
            files=_files(keywords.get("files")),
            deps_bash=deps.checked_bash(keywords.get("deps_bash")),
            deps_pip=deps.checked_pip(keywords.get("deps_pip")),
            deps_module=deps.checked_modules(keywords.get("deps_module")),
            call_before=deps.checked_calls("call_before", keywords.get("call_before")),
            call_after=deps.checked_calls("call_after", keywords.get("call_after")),
            retries=_count("retries", keywords.get("retries")),
            retry_delay=_seconds("retry_delay", keywords.get("retry_delay"), least=0.0),
            timeout=_seconds("timeout", keywords.get("timeout"), least=1e-3),
            cache=_flag("cache", keywords.get("cache")),
            env=None if keywords.get("env") is None else variables.checked(keywords["env"]),
            tags=None if keywords.get("tags") is None else tags.checked(keywords["tags"], "task"),
            at_most_once=_flag("at_most_once", keywords.get("at_most_once")),
        )
        _check_once(retries=made.retries, at_most_once=made.at_most_once)
        return made

    def filled(self, other: Options) -> Options:
        """These options, with what they leave open taken from others, key by key, variable by variable.

        What is never begun twice takes over no retries. Raises ValueError where these ask for retries of a task that
        is never to be begun twice by the others.
        """
        mine = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.at_most_once:
            mine["retries"] = 0
        elif self.at_most_once is None:
            _check_once(retries=self.retries, at_most_once=other.at_most_once)
        if self.env is not None and other.env is not None:
            mine["env"] = {**other.env, **self.env}
        return Options(**{name: getattr(other, name) if value is None else value for name, value in mine.items()})

    def to_json(self) -> dict[str, Any]:
        """All that is said, as JSON; None for what is left open."""
        return {
            **executors.to_json("executor", self.executor),
            "files": _listed(self.files),
            "hooks": {
                "deps": {
                    "bash": self.deps_bash and self.deps_bash.to_dict(),
                    "pip": self.deps_pip and self.deps_pip.to_dict(),
                    "module": _listed(self.deps_module),
                },
                "call_before": _listed(self.call_before),
                "call_after": _listed(self.call_after),
            },
            "retries": self.retries,
            "retry_delay": self.retry_delay,
            "timeout": self.timeout,
            "cache": self.cache,
            "env": self.env and variables.plain(self.env),
            "tags": None if self.tags is None else list(self.tags),
            "at_most_once": self.at_most_once,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """From what :meth:`to_json` gave."""
        try:
            hooks = plain["hooks"]
            needed = hooks["deps"]
            return cls(
                executor=executors.from_json("executor", plain),
                deps_bash=needed["bash"] and DepsBash.from_dict(needed["bash"]),
                # Lattices that were stored by earlier versions have none.
                deps_pip=DepsPip.from_dict(pip) if (pip := needed.get("pip")) else None,
                deps_module=_all(DepsModule, needed["module"]),
                call_before=_all(DepsCall, hooks["call_before"]),
                call_after=_all(DepsCall, hooks["call_after"]),
                env=(env := plain.get("env")) and variables.checked(env),  # as above
                tags=None if (words := plain.get("tags")) is None else tags.checked(words, "task"),
                at_most_once=plain.get("at_most_once"),
                **{name: plain[name] for name in ("retries", "retry_delay", "timeout", "cache")},
            )
        except (KeyError, TypeError) as error:
            raise WireError(f"not the JSON form of a task's options: {error!r}") from None


def _check_once(*, retries: int | None, at_most_once: bool | None) -> None:
    if retries and at_most_once:
        raise ValueError(
            f"retries={retries} begins a task again that fails, and at_most_once=True never does; leave one of the two "
            "out, or say at_most_once=False for the electron that is to be retried"
        )


def _files(given: object) -> tuple[FileTransfer, ...] | None:
    if not given:
        return None
    from covalent.fs import transfers  # noqa: PLC0415 - few tasks have files

    return transfers.checked(given)


def _listed(items: tuple[Any, ...] | None) -> list[dict[str, Any]] | None:
    return None if items is None else [item.to_dict() for item in items]


def _all(cls: Any, plain: list[Any] | None) -> tuple[Any, ...] | None:
    return None if plain is None else tuple(cls.from_dict(item) for item in plain)


def _count(name: str, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31):
        return value
    raise _wrong(value)(f"{name} is how many failed attempts are followed by another, 0 or more, not {value!r}")


def _seconds(name: str, value: object, *, least: float) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value < math.inf:
        return float(value)
    raise _wrong(value)(f"{name} is a number of seconds, {'0 or more' if not least else 'more than 0'}, not {value!r}")


def _wrong(value: object) -> type[Exception]:
    """A number that is out of range is a ValueError, anything else a TypeError."""
    return ValueError if isinstance(value, (int, float)) and not isinstance(value, bool) else TypeError


def _flag(name: str, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise TypeError(f"{name} is True or False, not {value!r}")
