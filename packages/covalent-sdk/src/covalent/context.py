"""What a task may know of its own run: ``ct.get_context()``."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from covalent.errors import ProjectError

#: The variable that marks a runner and, by inheritance, everything that its tasks start.
RUNNER_VARIABLE: Final = "COVALENT_RUNNER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The run that a task is in; outside of tasks everything is None."""

    dispatch_id: str | None = None
    #: The number of the task's node in the workflow's graph.
    task_id: int | None = None
    #: 1 for the first attempt at the task; one more for each further one.
    attempt: int | None = None
    #: Where :attr:`checkpoint_dir` is, made or not.
    checkpoints: str | None = field(default=None, repr=False)
    #: Where its temporary files are, made or not.
    temporary: str | None = field(default=None, repr=False)

    @property
    def checkpoint_dir(self) -> Path | None:
        """A directory that all attempts at the task share on one machine; made when it is first asked for.

        What one attempt leaves in it the next one finds. It is removed when the task has given its value, and when
        nobody has written to it for a month.
        """
        if self.checkpoints is None:
            return None
        directory = Path(self.checkpoints)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory


class _Process:
    """What this process runs: one task at a time, whatever threads it starts."""

    context = Context()
    #: What its hooks keep for each other.
    kept: dict[str, Any] = {}  # noqa: RUF012 - a new one for each task
    #: While it writes what a task gave: whether files are stored, and the directories whose files are in any case.
    gives: tuple[bool, tuple[str, ...]] | None = None
    #: Whether it opens what a task needs, which imports the user's modules.
    opens = False


def get_context() -> Context:
    """What is known of the task that this process runs; a Context of Nones outside of tasks.

    Threads of a task see it too, other processes that it starts do not.

    >>> ct.get_context().task_id is None  # not in a task
    True
    """
    return _Process.context


@contextlib.contextmanager
def entered(context: Context) -> Iterator[None]:
    """While this process runs a task."""
    before = _Process.context, _Process.kept
    _Process.context, _Process.kept = context, {}
    try:
        yield
    finally:
        _Process.context, _Process.kept = before
        if context.temporary is not None and os.path.isdir(context.temporary):  # noqa: PTH112  a Path costs more
            import shutil  # noqa: PLC0415 - few tasks have temporary files

            shutil.rmtree(context.temporary, ignore_errors=True)


def kept() -> dict[str, Any]:
    """What the hooks of the task keep for each other; forgotten when it is over."""
    return _Process.kept


def temporary() -> Path:
    """A directory for what is of no use any more when the task is over; outside of tasks, when the process is."""
    if _Process.context.temporary is None:
        return _temporary_of_the_process()
    directory = Path(_Process.context.temporary)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


@functools.cache
def _temporary_of_the_process() -> Path:
    import atexit  # noqa: PLC0415 - few processes need it
    import shutil  # noqa: PLC0415 - as above
    import tempfile  # noqa: PLC0415 - as above

    directory = tempfile.mkdtemp(prefix="covalent-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


@contextlib.contextmanager
def giving(*, stores: bool, directory: str | None = None) -> Iterator[None]:
    """While a task's value is written; ``stores`` says whether files in it are stored, ``directory`` is the task's own.

    What is in the task's own directory, or in its temporary one, is stored in any case: it would not be found there.
    """
    passing = tuple(path for path in (directory, _Process.context.temporary) if path)
    before, _Process.gives = _Process.gives, (stores, passing)
    try:
        yield
    finally:
        _Process.gives = before


def is_stored(path: str, wanted: bool | None) -> bool:  # noqa: FBT001 - three answers
    """Whether a file travels as what is in it, and not as its path; ``wanted`` is what it says itself."""
    if _Process.gives is None:
        return bool(wanted)
    stores, passing = _Process.gives
    if stores if wanted is None else wanted:
        return True
    return f"{os.path.realpath(path)}/".startswith(tuple(f"{os.path.realpath(place)}/" for place in passing))


def is_giving() -> bool:
    """Whether a task's value is being written, so that paths in it are read somewhere else."""
    return _Process.gives is not None


@contextlib.contextmanager
def opening() -> Iterator[None]:
    """While this process opens what a task needs."""
    before, _Process.opens = _Process.opens, True
    try:
        yield
    finally:
        _Process.opens = before


def check_dispatching(workflow: str) -> None:
    """Raise ProjectError when a workflow is started by a module that a task imports.

    Each of its tasks would import the module and start it again, until all of them wait for one another.
    """
    if _Process.opens:
        raise ProjectError(
            f"a module of yours starts the workflow {workflow} when it is imported, and a task imports it; "
            'put what starts it below: if __name__ == "__main__":'
        )
