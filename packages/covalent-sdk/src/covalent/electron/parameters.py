"""Arguments against a function's parameters, checked when a call is recorded and not when it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, Final

from covalent.deps import FILES
from covalent.errors import ArgumentsError
from covalent.references import function_of

_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_KEYWORD: Final = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
#: Defaults that are shown in messages.
_SHORT: Final = (bool, int, float)


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
    #: The parameters as they are written, their defaults left out.
    signature: str = "(...)"
    #: What the function that a ``*args`` wrapper stands for calls its first parameters.
    spelled: tuple[str, ...] = ()

    @classmethod
    def of(cls, function: Callable[..., Any], name: str) -> Parameters:
        """The parameters of a function; one that does not tell them accepts everything.

        Of a wrapper it is what the wrapper itself accepts, whatever it wraps: it may add arguments or take some away.
        """
        raw = function_of(function)
        try:
            parameters = inspect.signature(raw, follow_wrapped=False).parameters.values()
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
            signature=_written(parameters),
            spelled=_spelled(raw),
        )

    def takes(self, keyword: str) -> bool:
        """Whether the function can be given a keyword."""
        return self.any_keyword or keyword in self.keywords

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any], provided: Collection[str] = ()) -> None:
        """Raise ArgumentsError unless the function can be called so; ``provided`` are keywords that hooks will add."""
        calling = f"(calling {self.function}{self.signature})"
        if self.rest is None and len(args) > len(self.positional):
            raise ArgumentsError(
                f"Too many positional arguments given, expected {len(self.positional)}, received {len(args)} {calling}"
            )
        unexpected = self._unexpected(kwargs)
        if unexpected:
            meant = self._meant(unexpected)
            raise ArgumentsError(f"Unexpected keyword arguments: {', '.join(unexpected)}{meant} {calling}")
        if FILES in provided and FILES in kwargs:
            raise ArgumentsError(
                f"files=[...] of the electron hands over {FILES!r}: leave it out of the call {calling}"
            )
        if FILES in provided and FILES in self.positional[: len(args)]:
            raise ArgumentsError(
                f"files=[...] of the electron hands over {FILES!r}, which an argument by position has taken; give the "
                f"others by keyword, or make {FILES!r} the last parameter {calling}"
            )
        self._check_provided(provided, self.positional[: len(args)])
        taken = self.positional[: len(args)]
        twice = [name for name in taken if name in kwargs and name in self.keywords]
        if twice:
            raise ArgumentsError(f"Arguments given by position and by keyword: {', '.join(twice)} {calling}")
        given = {*taken, *(name for name in kwargs if name in self.keywords), *provided}
        missing = [name for name in self.required if name not in given]
        if missing:
            raise ArgumentsError(f"Missing arguments: {', '.join(missing)} {calling}")

    def _check_provided(self, provided: Collection[str], taken: Sequence[str]) -> None:
        wrong = self._unexpected(provided)
        twice = [name for name in provided if name in taken and name in self.keywords]
        if wrong:
            trouble = f"which {self.function}{self.signature} does not take{self._meant(wrong)}"
        elif twice:
            trouble = f"which this call of {self.function}{self.signature} has already given by position"
        else:
            return
        raise ArgumentsError(
            f"A call_before hands its value over as retval_keyword={(wrong or twice)[0]!r}, {trouble}; "
            "name a parameter that is free, or leave retval_keyword out"
        )

    def _unexpected(self, keywords: Iterable[str]) -> list[str]:
        return [] if self.any_keyword else [name for name in keywords if name not in self.keywords]

    def _meant(self, unexpected: Sequence[str]) -> str:
        import difflib  # noqa: PLC0415 - slow to load, and only an error needs it

        near = [match for name in unexpected for match in difflib.get_close_matches(name, sorted(self.keywords), 1)]
        return f" (did you mean {', '.join(near)}?)" if near else ""

    def names(self, count: int) -> list[str]:
        """The parameters that take the first ``count`` positional arguments."""
        known = self.positional or self.spelled
        rest = [f"{self.rest}[{index}]" for index in range(count - len(known))]
        return [*known[:count], *rest]

    def told(self, keywords: Iterable[str]) -> list[str]:
        """Keywords in the order of a call when the function is told it, by ``**kwargs``, and would not guess it."""
        given = list(keywords) if self.any_keyword else []
        return given if given != sorted(given) else []


def _written(parameters: Iterable[Parameter]) -> str:
    # Not the defaults: their text is anybody's, and may be long.
    plain = [item.replace(annotation=Parameter.empty, default=_shown(item.default)) for item in parameters]
    return str(inspect.Signature(plain))


def _spelled(function: Callable[..., Any]) -> tuple[str, ...]:
    if not hasattr(function, "__wrapped__"):
        return ()
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(item.name for item in parameters if item.kind in _POSITIONAL)


class _Left:
    def __repr__(self) -> str:
        return "..."


def _shown(default: Any) -> Any:
    return default if default is Parameter.empty or default is None or type(default) in _SHORT else _Left()
