"""From a workflow that is ready to be sent to findings.

Tasks are looked at in groups: those of one function, with the same calls around it, in the same environment. An
interpreter may lack what a function imports only deep inside, or what a command before the task installs: such things
are warnings.
"""

from __future__ import annotations

import io
import platform
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from covalent.distributions import installed_by
from covalent.executors import KINDS
from covalent.executors.local import LocalExecutor, own_interpreter
from covalent.hydration import Package
from covalent.readiness import interpreters
from covalent.readiness.interpreters import Interpreter, SilentError, UnusableError
from covalent.readiness.needs import Finder, Need, Weight
from covalent.readiness.report import Finding, Place, Report, Shipped
from covalent.readiness.requirements import Brought, brought
from covalent.readiness.usual import Likeness, likeness_of, missing_here
from covalent.requirements import normalised
from covalent.transportable import TransportableObject
from covalent.wire.links import constants
from covalent.wire.manifest import CLIENT_EXECUTOR, Deps, Node
from covalent.wire.places import host_identity

#: The oldest Python that runs tasks.
_OLDEST: Final = (3, 11)
#: What a runner loads before anything else: import name and distribution.
_RUNNERS: Final = (("covalent", "covalent-sdk"), ("cloudpickle", "cloudpickle"))
#: Gives the executors that the server has; nothing when that is not known.
Executors = Callable[[], Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found."""

    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    places: tuple[Place, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Group:
    """Tasks that differ in their arguments alone."""

    node: Node
    #: Their names, in the order of their calls.
    names: dict[str, None] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    @property
    def deps(self) -> Deps:
        """What is prepared before their calls."""
        return self.node.metadata.hooks.deps or Deps()

    @property
    def python(self) -> str:
        """The interpreter they ask for."""
        return str(self.node.metadata.executor_data.get("python", ""))


def look(package: Package, executors: Executors) -> Findings:
    """What can be told of a workflow here and now."""
    return _Look(package, executors).findings()


def report(package: Package, executors: Executors) -> Report:
    """All of it, with what is sent along."""
    found = look(package, executors)
    code = package.manifest.project
    return Report(
        workflow=package.manifest.graph.graph.name,
        problems=found.problems,
        warnings=found.warnings,
        places=found.places,
        shipped=_shipped(package),
        values_size=sum(asset.size for digest, asset in package.assets.items() if digest != code),
    )


def _shipped(package: Package) -> tuple[Shipped, ...]:
    """The files of the user's own modules, as far as they are sent anew."""
    code = package.assets.get(package.manifest.project or "")
    if code is None:
        return ()
    import zipfile  # noqa: PLC0415 - few looks need it

    with zipfile.ZipFile(io.BytesIO(bytes(code.parts()[0]))) as archive:
        return tuple(Shipped(name=entry.filename, size=entry.file_size) for entry in archive.infolist())


class _Look:
    def __init__(self, package: Package, executors: Executors) -> None:
        self._package = package
        self._executors = executors
        self._finder = Finder()
        #: By what is wrong and what to do: who is concerned.
        self._problems: dict[Finding, dict[str, None]] = {}
        self._warnings: dict[Finding, dict[str, None]] = {}

    def findings(self) -> Findings:
        places: dict[tuple[str, tuple[str, ...]], tuple[str, dict[str, None]]] = {}
        own = own_interpreter()
        for group in self._groups():
            executor = group.node.metadata.executor
            if executor != LocalExecutor.short_name:
                self._look_at_executor(executor, group)
                continue
            here = group.python == own
            known = None if here else self._asked(group)
            version = f"{platform.python_implementation()} {platform.python_version()}" if here else _version(known)
            places.setdefault((group.python, group.deps.pip), (version, {}))[1].update(group.names)
            if here:
                self._look_here(group)
            elif known is not None:
                self._look_there(group, known)
        return Findings(
            problems=_with_tasks(self._problems),
            warnings=_with_tasks(self._warnings),
            places=tuple(
                Place(python=python, version=version, tasks=tuple(names), requirements=lines)
                for (python, lines), (version, names) in places.items()
            ),
        )

    def _groups(self) -> Iterable[_Group]:
        groups: dict[Likeness, _Group] = {}
        for node in self._package.manifest.graph.nodes:
            group = groups.setdefault(likeness_of(node), _Group(node=node))
            group.names[node.name] = None
            group.nodes.append(node)
        return groups.values()

    def _problem(self, group: _Group, finding: Finding) -> None:
        self._problems.setdefault(finding, {}).update(group.names)

    def _warn(self, group: _Group, finding: Finding) -> None:
        self._warnings.setdefault(finding, {}).update(group.names)

    # -- executors

    def _look_at_executor(self, name: str, group: _Group) -> None:
        if name == CLIENT_EXECUTOR:
            return
        known = self._known_executors
        if known and name not in known:
            what = f"this server has no executor {name!r}, so these tasks will fail; it has: {', '.join(sorted(known))}"
            self._warn(group, _finding(what, "give them an executor that it has: executor='local'"))
        elif not known and name not in KINDS:
            what = f"no executor is known here by the name {name!r}"
            self._warn(group, _finding(what, f"there are: {', '.join(KINDS)}, and those that your server has besides"))

    @cached_property
    def _known_executors(self) -> Collection[str]:
        return self._executors()

    # -- the interpreter of this process

    def _look_here(self, group: _Group) -> None:
        if group.deps.bash:
            return  # which may install what is missing
        missing = missing_here(self._functions(group))
        packages = brought(group.deps.pip) if missing and group.deps.pip else None
        for name, by in missing.items():
            distribution = installed_by(name)
            if packages is None or not (packages.open or normalised(distribution) in packages.names):
                self._warn(
                    group,
                    _finding(
                        f"{by} imports {name}, which is not installed here",
                        f"{sys.executable} -m pip install {distribution}    or, for these tasks alone: "
                        f"deps_pip=[{distribution!r}]",
                        package=distribution,
                    ),
                )

    # -- another interpreter of this machine

    def _asked(self, group: _Group) -> Interpreter | None:
        """What the group's interpreter has, None when it is not worth a further look."""
        python = group.python
        if group.node.metadata.executor_data.get("host") != host_identity():
            return None  # its server will say so
        try:
            known = interpreters.ask(python)
        except UnusableError as error:
            exists = Path(python).exists()
            what = f"the interpreter {python} {f'cannot be run: {error}' if exists else 'is not there'}"
            self._problem(group, _finding(what, "give the executor one that is: LocalExecutor(python=...)"))
            return None
        except SilentError as error:
            what = f"the interpreter {python} {error}"
            self._warn(group, _finding(what, "see that it starts: its tasks will have to wait for it, too"))
            return None
        if known.version < _OLDEST:
            version = ".".join(map(str, known.version))
            self._problem(
                group,
                _finding(
                    f"{python} is Python {version}, and tasks need 3.11 or later",
                    "give the executor a later one, as LocalExecutor(python='3.12')",
                    package="python",
                    here=platform.python_version(),
                    there=version,
                ),
            )
            return None
        return known

    def _look_there(self, group: _Group, known: Interpreter) -> None:
        lacking = [name for module, name in _RUNNERS if module not in known.names]
        if lacking and not known.strange:
            what = f"{group.python} lacks {' and '.join(lacking)}, without which no task runs in it"
            self._problem(group, _finding(what, f"{group.python} -m pip install covalent-sdk", package=lacking[0]))
        packages = brought(group.deps.pip)
        for asset in self._opened(group):
            self._look_at_code(group, asset, known)
            self._look_at_cloudpickle(group, asset, known)
            for need in self._finder.needs(asset).values():
                if need.name not in known.names:
                    self._look_at_need(group, need, known, packages)

    def _look_at_code(self, group: _Group, asset: TransportableObject, known: Interpreter) -> None:
        header = asset.header
        wrote = f"{header.implementation} {'.'.join(header.py_version.split('.')[:2])}"
        if not header.code or wrote == known.python:
            return
        name = asset.attrs.get("name")
        called, moved = (name, name) if name else (f"a value of type {header.type_name}", "what it is made of")
        self._problem(
            group,
            _finding(
                f"{called} travels as its code, which only {wrote} understands, and {group.python} is {known.python}",
                f"move {moved} into a module beside the script and import it from there, or give its executor this "
                f"Python: LocalExecutor(python={wrote.partition(' ')[2]!r})",
                package="python",
                here=header.py_version,
                there=".".join(map(str, known.version)),
            ),
        )

    def _look_at_cloudpickle(self, group: _Group, asset: TransportableObject, known: Interpreter) -> None:
        wrote, reads = asset.header.cloudpickle_version, known.distributions.get("cloudpickle", "")
        if wrote and reads and _release(reads) < _release(wrote):
            self._problem(
                group,
                _finding(
                    f"{group.python} has cloudpickle {reads}, which cannot read what cloudpickle {wrote} here writes",
                    f"{group.python} -m pip install 'cloudpickle>={wrote}'",
                    package="cloudpickle",
                    here=wrote,
                    there=reads,
                ),
            )

    def _look_at_need(self, group: _Group, need: Need, known: Interpreter, packages: Brought) -> None:
        here = self._here
        owners = (here.owners.get(need.name) if here else None) or (normalised(installed_by(need.name)),)
        told = packages.open or not packages.names.isdisjoint(map(normalised, owners))
        absent = here is not None and need.name not in here.names
        if told or need.name in self._shipped_names or (absent and need.weight is Weight.OPTIONAL):
            return
        version = here.distributions.get(normalised(owners[0])) if here else None
        where = f"{group.python} ({known.python})"
        if need.name in sys.stdlib_module_names:
            what, remedy = f"{need.by} imports {need.name}, which {where} has no longer", "import something else there"
        else:
            what = f"{need.by} imports {need.name}, which {where} lacks; {_here(owners[0], version)}"
            asked = f"{owners[0]}=={version}" if version else owners[0]
            remedy = f"{group.python} -m pip install '{asked}'    or, for these tasks alone: deps_pip=['{asked}']"
        certain = need.weight is Weight.CERTAIN and not (
            known.strange or group.deps.bash or group.node.metadata.hooks.call_before
        )
        (self._problem if certain else self._warn)(group, _finding(what, remedy, package=owners[0], here=version))

    @cached_property
    def _here(self) -> Interpreter | None:
        try:
            return interpreters.ask(own_interpreter())
        except (SilentError, UnusableError):
            return None

    @cached_property
    def _shipped_names(self) -> frozenset[str]:
        return frozenset(re.split(r"[./]", item.name, maxsplit=1)[0] for item in _shipped(self._package))

    # -- what a group's tasks open

    def _functions(self, group: _Group) -> Iterator[TransportableObject]:
        hooks = group.node.metadata.hooks
        for digest in (group.node.function, *hooks.call_before, *hooks.call_after):
            if digest in self._package.assets:  # of a dispatch that is run again only what is new is here
                yield self._package.assets[digest]

    def _opened(self, group: _Group) -> Iterator[TransportableObject]:
        yield from self._functions(group)
        for digest in sorted({digest for node in group.nodes for digest in constants(node)}):
            if digest in self._package.assets:
                yield self._package.assets[digest]


def _finding(
    what: str, remedy: str, *, package: str | None = None, here: str | None = None, there: str | None = None
) -> Finding:
    return Finding(tasks=(), what=what, remedy=remedy, package=package, here=here, there=there)


def _with_tasks(found: dict[Finding, dict[str, None]]) -> tuple[Finding, ...]:
    return tuple(replace(finding, tasks=tuple(names)) for finding, names in found.items())


def _version(known: Interpreter | None) -> str:
    return "" if known is None else f"{known.implementation} {'.'.join(map(str, known.version))}"


def _here(name: str, version: str | None) -> str:
    return f"here it is {name} {version}" if version else "it is not installed here either"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
