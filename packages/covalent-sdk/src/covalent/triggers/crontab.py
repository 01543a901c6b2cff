"""Cron expressions: what is wrong with one, told before anything is sent. The server works out the times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One field of an expression."""

    name: str
    least: int
    most: int
    #: Words for numbers.
    words: Mapping[str, int] = field(default_factory=dict)
    #: What else may stand for a day.
    special: str = "(?!)"

    def fault(self, text: str) -> str | None:
        """What is wrong with a field, None when it is right."""
        return next((fault for term in text.split(",") if (fault := self._fault(term))), None)

    def _fault(self, term: str) -> str | None:
        base, slash, step = term.partition("/")
        if slash and not (_is_number(step) and int(step)):
            return f"{step!r} is no step"
        if base == "*" or (re.fullmatch(self.special, base) and not (slash and self.words)):
            return None
        first, dash, last = base.partition("-")
        for part in (first, last) if dash else (first,):
            if self._number(part) is None:
                return f"{part!r} is not a number from {self.least} to {self.most}{self._also}"
        if dash and (self._number(first) or 0) > (self._number(last) or 0):
            return f"{base!r} ends before it begins"
        return None

    def _number(self, text: str) -> int | None:
        number = self.words.get(text, int(text) if _is_number(text) else None)
        return number if number is not None and self.least <= number <= self.most else None

    @property
    def _also(self) -> str:
        return f" or one of {', '.join(self.words)}" if self.words else ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


_DAYS: Final = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
_DAY: Final = rf"(?:[0-7]|{'|'.join(_DAYS)})"
_FIELDS: Final = (
    _Field(name="minute", least=0, most=59),
    _Field(name="hour", least=0, most=23),
    _Field(name="day of the month", least=1, most=31, special="LW?"),
    _Field(name="month", least=1, most=12, words=_MONTHS),
    _Field(name="day of the week", least=0, most=7, words=_DAYS, special=rf"[0-7]L|{_DAY}#[1-5]"),
)


def check(expression: object) -> None:
    """Raise TypeError or ValueError, naming the field, for what is no cron expression."""
    if not isinstance(expression, str):
        raise TypeError(f"cron is an expression such as '0 9 * * 1-5', not {expression!r}")
    parts = expression.upper().split()
    if len(parts) != len(_FIELDS) or len(expression) > _LONGEST:
        names = ", ".join(item.name for item in _FIELDS)
        raise ValueError(f"cron={expression[:_LONGEST]!r} has {len(parts)} fields; an expression has five: {names}")
    for item, text in zip(_FIELDS, parts, strict=True):
        fault = item.fault(text)
        if fault:
            raise ValueError(f"cron={expression!r}: in the field for the {item.name}, {fault}")
