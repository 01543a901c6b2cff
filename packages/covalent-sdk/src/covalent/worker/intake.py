"""From a lease to a task that can be run: its assets, its project, its directory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from covalent.errors import ServerError, ServerUnreachableError, WorkerError
from covalent.http import Server
from covalent.resources import Resources
from covalent.wire import FEATURES, template
from covalent.wire.work import Lease
from covalent.worker.assets import Assets, fetch, unpack_project
from covalent.worker.couriers import Courier
from covalent.worker.environment import VISIBLE_GPUS, check_variables, early
from covalent.worker.home import Home
from covalent.worker.layers import Layer
from covalent.worker.ledger import Held
from covalent.worker.messages import Bind, Task
from covalent.worker.preparing import Need, Preparation
from covalent.worker.process import ANY, Job, RunnerKey
from covalent.worker.settings import Patience

Buffer = bytes | bytearray | memoryview

#: Statuses that say "not now"; every other refusal is final.
_PASSING: Final = frozenset({0, 408, 409, 429})
#: Descriptions of runners that are kept; a worker may live long and see many projects.
_KEPT_BINDINGS: Final = 256


class Intake:
    """Makes jobs of leases, fetching what is not here."""

    def __init__(
        self,
        *,
        server: Server,
        home: Home,
        fetchers: list[Courier[dict[str, bytes]]],
        preparation: Preparation,
        ready: Callable[[Job], None],
        impossible: Callable[[Held, str], None],
        later: Callable[[float, Callable[[], None]], None],
        patience: Patience,
    ) -> None:
        """``ready`` is given each job, ``impossible`` each lease that cannot become one; ``later`` sets a timer."""
        self._server = server
        self._home = home
        self._fetchers = fetchers
        self._preparation = preparation
        self._ready = ready
        self._impossible = impossible
        self._later = later
        self._patience = patience
        self._assets = Assets(home)
        self._bindings: dict[tuple[Any, ...], tuple[RunnerKey, Bind]] = {}
        self._waiting: dict[str, Held] = {}

    def forget(self, held: Held) -> None:
        """The lease is no longer this worker's."""
        self._waiting.pop(held.lease.key.token, None)
        self._preparation.forget(held.lease.key)

    def release(self) -> list[Held]:
        """Give up what is still being fetched or prepared; those leases."""
        leases, self._waiting = list(self._waiting.values()), {}
        for held in leases:
            self._preparation.forget(held.lease.key)
        return leases

    def take(self, held: Held, blobs: Mapping[str, Buffer]) -> None:
        """Start to make a job of a lease that came with some of its assets."""
        lease = held.lease
        self._waiting[lease.key.token] = held
        try:
            _check_features(lease)
            check_variables(lease.env)
            needed = needed_by(lease)
            for digest in blobs.keys() & needed.keys():
                self._assets.memory.receive(lease.owner, digest, blobs[digest])
        except Exception as error:  # noqa: BLE001  as in _continue
            self._refuse(held, error)
        else:
            self._continue(held, needed, self._patience.first_pause)

    def _continue(self, held: Held, needed: Iterable[str], pause: float) -> None:
        """Hand over the job when everything is here; fetch what is not."""
        if held.lease.key.token not in self._waiting:
            return
        try:
            self._advance(held, needed, pause)
        except Exception as error:  # noqa: BLE001  whatever is wrong with a lease fails its task, never the worker
            self._refuse(held, error)

    def _refuse(self, held: Held, error: Exception) -> None:
        self._waiting.pop(held.lease.key.token, None)
        self._impossible(held, f"this worker cannot run the task: {_reason(error)}")

    def _advance(self, held: Held, needed: Iterable[str], pause: float) -> None:
        lease = held.lease
        blobs: dict[str, bytes] = {}
        files: dict[str, str] = {}
        missing: list[str] = []
        for digest in needed:
            found = self._assets.find(lease.owner, digest)
            if found is None:
                missing.append(digest)
            elif isinstance(found, Path):
                files[digest] = str(found)
            else:
                blobs[digest] = found
        project = self._assets.project_place(lease.owner, lease.project) if lease.project else None
        if missing or (lease.project and self._assets.project(lease.owner, lease.project) is None):
            self._fetch(held, needed, missing, project, pause)
            return
        need = _need(lease)
        if need is not None and held.layer is None:
            held.layer = self._preparation.find(need)
            if held.layer is None:
                self._prepare(held, need, needed, pause)
                return
        job = self._job(held, blobs, files, project)
        self._waiting.pop(lease.key.token, None)
        self._ready(job)

    def _prepare(self, held: Held, need: Need, needed: Iterable[str], pause: float) -> None:
        """Have the environment built, then go on."""

        def done(layer: Layer) -> None:
            held.layer = layer
            self._continue(held, needed, pause)

        def failed(error: Exception) -> None:
            if self._waiting.pop(held.lease.key.token, None) is not None:
                self._impossible(held, f"the packages of deps_pip cannot be installed: {_reason(error)}")

        self._preparation.want(need, held.lease.key, done, failed)

    def _fetch(self, held: Held, needed: Iterable[str], missing: list[str], project: Path | None, pause: float) -> None:
        directory = self._home.assets(held.lease.owner)

        def errand() -> dict[str, bytes]:
            small = fetch(self._server, directory, missing) if missing else {}
            if project is not None and not project.is_dir():
                got = fetch(self._server, directory, [project.name])
                unpack_project(got.get(project.name) or (directory / project.name).read_bytes(), project)
            return small

        def done(small: dict[str, bytes]) -> None:
            for digest, data in small.items():
                self._assets.memory.keep(held.lease.owner, digest, data)
            self._continue(held, needed, pause)

        def failed(error: Exception) -> None:
            passing = isinstance(error, ServerError) and (error.status in _PASSING or error.status >= 500)
            if isinstance(error, ServerUnreachableError) or (
                passing and getattr(error, "code", "") != "digest-mismatch"
            ):
                longer = min(self._patience.longest_pause, pause * 2)
                self._later(pause, lambda: self._continue(held, needed, longer))
            elif held.lease.key.token in self._waiting:
                self._waiting.pop(held.lease.key.token, None)
                self._impossible(held, f"the task's inputs cannot be fetched: {error}")

        min(self._fetchers, key=lambda courier: courier.pending).send(errand, done, failed)

    def _job(self, held: Held, blobs: Mapping[str, bytes], files: dict[str, str], project: Path | None) -> Job:
        lease = held.lease
        key, bind = self._binding(lease, project)
        if held.layer is not None:
            key = replace(key, python=held.layer.python)
        task = Task(
            function=lease.function,
            name=lease.name,
            kind=lease.kind,
            args=lease.args,
            kwargs=lease.kwargs,
            keywords=lease.keywords,
            hooks=lease.hooks,
            notice="" if held.layer is None else held.layer.warning,
            outputs=lease.outputs,
            inline=tuple(blobs),
            files=files,
            directory=_own_directory(lease, bind.directory),
            keeps_directory=_keeps_directory(lease.executor_data),
            store_files=lease.executor_data.get("store_files") is not False,
            dispatch_id=lease.dispatch_id,
            node_id=lease.node_id,
            attempt=lease.key.attempt,
            env=lease.env,
        )
        return Job(held=held, key=key, bind=bind, task=task, blobs=list(blobs.values()))

    def _binding(self, lease: Lease, project: Path | None) -> tuple[RunnerKey, Bind]:
        """Which runner a task needs; the same objects again for the same needs."""
        data = lease.executor_data
        python, workdir = _text(data, "python"), _workdir(data)
        resources = resources_of(data)
        if resources.gpus and VISIBLE_GPUS in lease.env:
            raise WorkerError(
                f"it asks for GPUs for itself with resources, and its env names some with {VISIBLE_GPUS}; leave one of "
                "the two out"
            )
        variables = early(lease.env)
        needs = (lease.owner, python, lease.project, workdir, resources, variables)
        if needs not in self._bindings:
            if len(self._bindings) >= _KEPT_BINDINGS:
                self._bindings.clear()
            directory = _expanded(workdir) if workdir else str(self._home.work)
            key = RunnerKey(
                owner=lease.owner,
                python=python or sys.executable,
                project=lease.project,
                directory=directory,
                resources=resources,
                variables=variables,
            )
            bind = Bind(
                project=None if project is None else str(project),
                directory=directory,
                cache=str(self._home.assets(lease.owner)),
                checkpoints=str(self._home.checkpoints(lease.owner)),
            )
            self._bindings[needs] = (key, bind)
        return self._bindings[needs]


def _reason(error: Exception) -> str:
    """What to tell of an error; one that is not ours says of which kind it is."""
    return str(error) if isinstance(error, WorkerError) else f"{type(error).__name__}: {error}"


def _check_features(lease: Lease) -> None:
    unknown = set(lease.requires) - FEATURES
    if unknown:
        raise WorkerError(f"it needs {', '.join(sorted(unknown))}; upgrade covalent-sdk in the worker's environment")


def _need(lease: Lease) -> Need | None:
    """The layer that a task runs in, None when it needs none."""
    deps = lease.hooks.deps
    if deps is None or not deps.pip:
        return None
    return _text(lease.executor_data, "python") or sys.executable, deps.pip


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise WorkerError(f"its executor's `{name}` is to be a string, not {value!r:.100}")
    return value


def _own_directory(lease: Lease, above: str) -> str | None:
    """The directory that a task has to itself; a later attempt does not find what one before it has left."""
    if not lease.executor_data.get("create_unique_workdir"):
        return None
    again = f".{lease.key.attempt}" if lease.key.attempt > 1 else ""
    return f"{above}/{lease.dispatch_id}/node_{lease.node_id}{again}"


def _keeps_directory(data: Mapping[str, Any]) -> bool:
    """Whether a task's own directory stays when it was well: below one that the user has named, unless he says no."""
    keeps = data.get("keep_workdir")
    return bool(_workdir(data)) if keeps is None else bool(keeps)


def _workdir(data: Mapping[str, Any]) -> str | None:
    """The directory that the user has named, for wherever tasks run or for machines that are not the client's."""
    return _text(data, "workdir") or _text(data, "remote_workdir")


def resources_of(data: Mapping[str, Any]) -> Resources:
    """What a task takes of its machine; raises WorkerError."""
    given = data.get("resources")
    if given is None:
        return ANY
    try:
        return Resources.given(given)
    except (TypeError, ValueError) as error:
        raise WorkerError(f"its executor's {error}") from None


def _expanded(workdir: str) -> str:
    try:
        return str(Path(workdir).expanduser())
    except RuntimeError as error:
        raise WorkerError(f"its executor's `workdir` {workdir!r} names no directory here: {error}") from error


def needed_by(lease: Lease) -> dict[str, None]:
    """The digests that a task opens, each once."""
    needed: dict[str, None] = dict.fromkeys((lease.function, *lease.hooks.call_before, *lease.hooks.call_after))
    for item in (*lease.args, *lease.kwargs.values()):
        if ("value" not in item and "node" not in item) or _has_templates_in_path(item):
            needed.update(dict.fromkeys(template.assets(item)))
    needed.update(dict.fromkeys(lease.outputs.values()))
    return needed


def _has_templates_in_path(item: Mapping[str, Any]) -> bool:
    return any(step[0] == "item" and isinstance(step[1], dict) for step in item.get("path", ()))
