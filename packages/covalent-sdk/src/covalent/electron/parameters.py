"""Arguments against a function's parameters, checked when a call is recorded and not when it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Final

from covalent.errors import ArgumentsError

_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_KEYWORD: Final = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a function accepts."""

    function: str
    positional: tuple[str, ...]
    keywords: frozenset[str]
    required: tuple[str, ...]
    #: The name of ``*args``, None when there is none.
    rest: str | None
    #: Whether any keyword is accepted.
    any_keyword: bool

    @classmethod
    def of(cls, function: Callable[..., Any], name: str) -> Parameters:
        """The parameters of a function; one that does not tell them accepts everything."""
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return cls(function=name, positional=(), keywords=frozenset(), required=(), rest="arg", any_keyword=True)
        return cls(
            function=name,
            positional=tuple(item.name for item in parameters if item.kind in _POSITIONAL),
            keywords=frozenset(item.name for item in parameters if item.kind in _BY_KEYWORD),
            required=tuple(
                item.name
                for item in parameters
                if item.default is Parameter.empty and item.kind in (*_POSITIONAL, Parameter.KEYWORD_ONLY)
            ),
            rest=next((item.name for item in parameters if item.kind is Parameter.VAR_POSITIONAL), None),
            any_keyword=any(item.kind is Parameter.VAR_KEYWORD for item in parameters),
        )

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any], provided: Collection[str] = ()) -> None:
        """Raise ArgumentsError unless the function can be called so; ``provided`` are keywords that hooks will add."""
        if self.rest is None and len(args) > len(self.positional):
            raise ArgumentsError(
                f"Too many positional arguments given, expected {len(self.positional)}, received {len(args)} "
                f"(calling {self.function})"
            )
        unexpected = [] if self.any_keyword else [name for name in kwargs if name not in self.keywords]
        if unexpected:
            raise ArgumentsError(f"Unexpected keyword arguments: {', '.join(unexpected)} (calling {self.function})")
        taken = self.positional[: len(args)]
        twice = [name for name in taken if name in kwargs and name in self.keywords]
        if twice:
            raise ArgumentsError(
                f"Arguments given by position and by keyword: {', '.join(twice)} (calling {self.function})"
            )
        given = {*taken, *(name for name in kwargs if name in self.keywords), *provided}
        missing = [name for name in self.required if name not in given]
        if missing:
            raise ArgumentsError(f"Missing arguments: {', '.join(missing)} (calling {self.function})")

    def names(self, count: int) -> list[str]:
        """The parameters that take the first ``count`` positional arguments."""
        rest = [f"{self.rest}[{index}]" for index in range(count - len(self.positional))]
        return [*self.positional[:count], *rest]
