"""What runs around a task's function: shell commands, then calls, before it; more calls after it, if it was well.

Workers run tasks with this, and so does whoever runs a workflow in its own process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from covalent.errors import CovalentError
from covalent.wire.manifest import Hooks

#: Gives a call, as it was given to ``ct.DepsCall``, by its digest.
OpenCall = Callable[[str], Mapping[str, Any]]


class HookError(CovalentError):
    """Says in which hook of which task its cause was raised."""


class CommandError(CovalentError):
    """A shell command of a task could not be run or ended with an exit status other than 0."""


def before(hooks: Hooks, name: str, open_call: OpenCall) -> dict[str, Any]:
    """Run what comes before the function of the task ``name``; what is handed over to it, by keyword.

    Raises CommandError for the first command that fails, HookError for a call that does.
    """
    if hooks.deps is not None:
        for command in hooks.deps.bash:
            _run(command, name)
    if not hooks.call_before:
        return {}
    returned: dict[str, list[Any]] = {}
    for call, value in _called(hooks.call_before, f"in call_before of {name}", open_call):
        if call["retval_keyword"]:
            returned.setdefault(call["retval_keyword"], []).append(value)
    return {keyword: values if len(values) > 1 else values[0] for keyword, values in returned.items()}


def after(hooks: Hooks, name: str, open_call: OpenCall) -> None:
    """Run what comes after the function of the task ``name``; raises HookError."""
    if hooks.call_after:
        _called(hooks.call_after, f"in call_after of {name}", open_call)


def settled(value: Any) -> Any:
    """The value of a coroutine, the list of what a generator yields, anything else as it is."""
    if isinstance(value, GeneratorType):
        return list(value)
    if isinstance(value, (CoroutineType, AsyncGeneratorType)):
        import asyncio  # noqa: PLC0415  as large as all the rest of a runner, and rarely needed

        return asyncio.run(_awaited(value))
    return value


async def _awaited(value: Any) -> Any:
    if isinstance(value, AsyncGeneratorType):
        return [item async for item in value]
    return await value


def _called(digests: tuple[str, ...], where: str, open_call: OpenCall) -> list[tuple[Mapping[str, Any], Any]]:
    """The calls, all opened before the first is made, and what each has returned."""
    try:
        calls = [open_call(digest) for digest in digests]
        return [(call, settled(call["function"](*call["args"], **call["kwargs"]))) for call in calls]
    except (Exception, SystemExit) as error:
        raise HookError(where) from error


def _run(command: str, name: str) -> None:
    """Run a command in a shell of its own: what it prints goes where the task prints, what it exports ends with it."""
    import shutil  # noqa: PLC0415 - few tasks have commands
    import subprocess  # noqa: PLC0415 - as above

    shell = shutil.which("bash") or shutil.which("sh") or "/bin/sh"
    what = f"the command {command!r} of deps_bash of {name}"
    try:
        status = subprocess.run([shell, "-c", command], stdin=subprocess.DEVNULL, check=False).returncode
    except (OSError, ValueError) as error:
        raise CommandError(f"{what} cannot be run by {shell}: {error}") from error
    if status:
        raise CommandError(f"{what} {ending(status)}")


def ending(status: int) -> str:
    """What to tell of a command that ended with a status other than 0, negative for a signal."""
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
    return f"{ended}; what it printed is in the task's stdout and stderr"
