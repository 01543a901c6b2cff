"""Where and how tasks run, key by key: the electron, else its lattice, else the executor that was found, else the file.

The limits of an executor, ``time_limit`` and ``retries``, count for its tasks where neither electron nor lattice says
anything; below them are the configured defaults.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Self

from covalent import executors, variables
from covalent.configured import Configured
from covalent.electron.assets import Assets
from covalent.executors import Executor
from covalent.options import Keywords, Options
from covalent.resources import Resources
from covalent.wire.manifest import CLIENT_EXECUTOR, Deps, Hooks, Metadata

#: Of tasks that are no call of a user's function.
NO_OPTIONS: Final = Options()
_LOCAL: Final = executors.LocalExecutor.short_name


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What a lattice gives to its tasks; without slots, so that what each operator asks for is worked out once."""

    #: For electrons, where they say nothing themselves.
    options: Options = NO_OPTIONS
    #: Where operators, sublattices and the return value are worked out; None where it is not said.
    workflow_executor: Executor | str | None = None
    #: For what the lattice does not say either.
    configured: Configured = field(default_factory=Configured)

    def within(self, options: Options, workflow_executor: Executor | str | None) -> Self:
        """The defaults of a lattice that is called inside this one."""
        return replace(
            self,
            options=options.filled(self.options),
            workflow_executor=workflow_executor or self.workflow_executor,
        )

    def place(self, options: Options) -> Executor | str:
        """Where a task of these options runs."""
        return options.executor or self.options.executor or self.configured.options.executor or _LOCAL

    @functools.cached_property
    def own(self) -> Options:
        """Of tasks that are no call of a user's function: the packages and variables of those that are."""
        own = Options(deps_pip=self.options.deps_pip, env=self.options.env)
        found = own.filled(self.configured.options)
        return Options(deps_pip=found.deps_pip, env=found.env)

    @property
    def workflow_place(self) -> Executor | str:
        """Where the return value is put together, which may be left to the client."""
        return self.workflow_executor or self.configured.workflow_executor or self.place(NO_OPTIONS)

    @property
    def here(self) -> Executor | str:
        """Where the workflow's own tasks run that cannot be left to the client."""
        chosen = self.workflow_place
        return self.place(NO_OPTIONS) if executors.name_of(chosen) == CLIENT_EXECUTOR else chosen


class _Made(NamedTuple):
    #: What the executor said of itself at that time.
    said: Mapping[str, Any] | str
    metadata: Metadata
    modules: frozenset[str]


class Resolution:
    """Makes the metadata of one graph's tasks, one record for all tasks of which it is the same."""

    def __init__(self, assets: Assets, modules: set[str], tables: Mapping[str, Mapping[str, Any]]) -> None:
        """``modules`` is to hold those that tasks want sent along; ``tables`` has what executors leave open."""
        self._assets = assets
        self._modules = modules
        self._tables = tables
        self._made: dict[int, _Made] = {}
        #: So that no other object takes over an id that is remembered.
        self._alive: list[Options] = []

    def metadata(self, options: Options, executor: Executor | str, configured: Options = NO_OPTIONS) -> Metadata:
        """The metadata of a task; what its options leave open is up to the executor, and then to the configuration."""
        said = executor if isinstance(executor, str) else executor.to_dict()
        made = self._made.get(id(options))
        if made is None or made.said != said:
            place = executors.described(executor, self._tables)
            # Before the executor's limits: its retries give way, those that electron or lattice ask for are refused.
            once = options.filled(Options(at_most_once=configured.at_most_once))
            made = self._resolved(once.filled(_limits(place)).filled(configured), place, said)
            self._made[id(options)] = made
            self._alive.append(options)
        self._modules |= made.modules
        return made.metadata

    def _resolved(self, options: Options, place: executors.Described, said: Mapping[str, Any] | str) -> _Made:
        bash = options.deps_bash.commands if options.deps_bash else ()
        pip = options.deps_pip.requirements if options.deps_pip else ()
        metadata = Metadata(
            executor=place.short_name,
            executor_data=place.attributes,
            hooks=Hooks(
                deps=Deps(bash=bash, pip=pip) if bash or pip else None,
                call_before=self._assets.calls(options.call_before or ()),
                call_after=self._assets.calls(options.call_after or ()),
            ),
            retries=options.retries,
            retry_delay=options.retry_delay,
            timeout=options.timeout,
            cache=options.cache,
            env=variables.plain(options.env or {}),
            tags=options.tags or None,
            at_most_once=options.at_most_once,
        )
        return _Made(said, metadata, frozenset(module.module_name for module in options.deps_module or ()))


def _limits(place: executors.Described) -> Options:
    limit = place.attributes.get("time_limit")
    endless = isinstance(limit, (int, float)) and limit <= 0  # as earlier Covalents wrote it
    keywords: Keywords = {
        "timeout": None if endless else limit,
        "retries": place.attributes.get("retries"),
        "env": place.attributes.get("env"),
    }
    try:
        Resources.given(place.attributes.get("resources"))
        return Options.given(keywords)
    except (TypeError, ValueError) as error:
        raise type(error)(f"an attribute of the executor {place.short_name!r}: {error}") from None
