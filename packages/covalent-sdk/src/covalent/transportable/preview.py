"""What is shown of a value without opening it: a bounded text, and JSON when JSON says all of it.

Both are bounded while they are made. Python's own containers are written here, piece by piece, until the room is
used up; only a foreign ``__str__`` or ``__repr__`` is called, and that on the clock: one that raises or dawdles is
noted in the text and costs nothing else.
"""

from __future__ import annotations

import contextvars
import dataclasses
import json
import math
import threading
import types
from collections.abc import Iterable, Mapping
from typing import Any, Final

#: The longest text kept of a value, in characters.
MAX_CHARACTERS: Final = 4000
#: The most scalars in a value that is shown as JSON, and the most characters of its text.
MAX_JSON_ITEMS: Final = 1000
MAX_JSON_CHARACTERS: Final = 4000
#: How long foreign ``__str__`` methods may take for one value, in seconds.
PATIENCE: Final = 0.25
_MAX_DEPTH: Final = 16
_MAX_INTEGER_BITS: Final = 4096
_INT64: Final = 2**63
_ELLIPSIS: Final = "…"
_write_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_PLAIN: Final = (float, bool, complex, range, slice, type(None), type(Ellipsis), type(NotImplemented))
_BRACKETS: Final[dict[type, tuple[str, str]]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    dict: ("{", "}"),
}


class _FullError(Exception):
    """The room is used up."""


class _ForeignError(Exception):
    """A value whose text only code of somebody else can make."""


def text(value: object) -> str:
    """A bounded ``str(value)``; never raises, and returns within about :data:`PATIENCE`."""
    if type(value) is str:
        return sanitised(value)
    try:
        return _written(value, foreign=False)
    except _ForeignError:
        return _on_the_clock(value)


def sanitised(string: str, limit: int = MAX_CHARACTERS) -> str:
    """A string cut to the limit and without what databases and JSON readers refuse: NUL and lone surrogates."""
    if len(string) > limit:
        string = str.__getitem__(string, slice(0, limit - 1)) + _ELLIPSIS
    if not string.isprintable():
        string = string.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
    return string


def type_name(value: object) -> str:
    """The name of a value's type, ``numpy.ndarray``; without the module for Python's own."""
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return sanitised(name, 200)


def _on_the_clock(value: object) -> str:
    texts: list[str] = []
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=lambda: texts.append(context.run(_written, value, foreign=True)), name="covalent-preview", daemon=True
    )
    thread.start()
    thread.join(PATIENCE)
    return texts[0] if texts else f"<{type_name(value)}: its text took more than {PATIENCE} seconds>"


def _written(value: object, *, foreign: bool) -> str:
    writer = _Writer(foreign=foreign)
    try:
        writer.write(value, 0)
    except _FullError:
        writer.pieces.append(_ELLIPSIS)
    return sanitised("".join(writer.pieces))


class _Writer:
    """Writes values into a room of limited size."""

    def __init__(self, *, foreign: bool) -> None:
        self.pieces: list[str] = []
        self.room = MAX_CHARACTERS
        self.foreign = foreign

    def put(self, piece: str) -> None:
        self.pieces.append(piece)
        self.room -= len(piece)
        if self.room <= 0:
            raise _FullError

    def write(self, value: object, depth: int) -> None:
        cls = type(value)
        if cls is str or cls is bytes or cls is bytearray:
            self.put(repr(value[: self.room]))  # type: ignore[index]
        elif cls is int:
            self.put(_integer(value))  # type: ignore[arg-type]
        elif isinstance(value, _PLAIN):
            self.put(repr(value))
        elif isinstance(value, (list, tuple, set, frozenset, dict)) and cls.__str__ is object.__str__:
            self._write_container(value, depth)
        elif _has_generated_repr(cls):
            shown = [field.name for field in dataclasses.fields(cls) if field.repr]  # type: ignore[arg-type]
            fields = {name: getattr(value, name, None) for name in shown}
            self._write_fields(cls, fields, depth)
        elif isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
            self.put(f"<function {value.__qualname__}>")
        elif cls is type or cls is types.ModuleType:
            self.put(repr(value))
        elif cls.__repr__ is object.__repr__ and cls.__str__ is object.__str__:
            self.put(f"<{type_name(value)} object>")
        else:
            self.put(self._foreign_text(value, depth))

    def _foreign_text(self, value: object, depth: int) -> str:
        if not self.foreign and not _is_plain_array(value):
            raise _ForeignError
        try:
            return str(str(value) if depth == 0 else repr(value))
        except Exception as error:  # noqa: BLE001 - the user's own method; whatever it raises is only noted
            return f"<{type_name(value)}: its text raised {type(error).__name__}>"

    def _write_container(self, value: Any, depth: int) -> None:
        cls = type(value)
        if depth >= _MAX_DEPTH:
            self.put(_ELLIPSIS)
        elif cls not in _BRACKETS and hasattr(cls, "_fields") and isinstance(value, tuple):
            self._write_fields(cls, dict(zip(cls._fields, value, strict=False)), depth)
        elif cls is set and not value:
            self.put("set()")
        else:
            base = next(base for base in _BRACKETS if isinstance(value, base))
            opening, closing = _BRACKETS[base]
            self.put(opening if cls is base else f"{cls.__qualname__}({opening}")
            if base is dict:
                self._write_items(dict.items(value), depth, pairs=True)
            else:
                self._write_items(base.__iter__(value), depth, pairs=False)  # type: ignore[attr-defined]
            if base is tuple and len(value) == 1:
                self.put(",")
            self.put(closing if cls is base else f"{closing})")

    def _write_items(self, items: Iterable[Any], depth: int, *, pairs: bool) -> None:
        for index, item in enumerate(items):
            if index:
                self.put(", ")
            if pairs:
                self.write(item[0], depth + 1)
                self.put(": ")
                self.write(item[1], depth + 1)
            else:
                self.write(item, depth + 1)

    def _write_fields(self, cls: type, fields: Mapping[str, object], depth: int) -> None:
        if depth >= _MAX_DEPTH:
            self.put(_ELLIPSIS)
            return
        self.put(f"{cls.__qualname__}(")
        for index, (name, item) in enumerate(fields.items()):
            self.put(f"{', ' if index else ''}{name}=")
            self.write(item, depth + 1)
        self.put(")")


def _integer(value: int) -> str:
    bits = value.bit_length()
    return repr(value) if bits <= _MAX_INTEGER_BITS else f"<int of {bits} bits>"


def _has_generated_repr(cls: type) -> bool:
    """Whether a dataclass writes itself as dataclasses do, so that it can be done here within bounds."""
    own = vars(cls)
    return "__dataclass_fields__" in own and "__str__" not in own and hasattr(own.get("__repr__"), "__wrapped__")


def _is_plain_array(value: object) -> bool:
    """Whether this is an array or a number of numpy, which summarises itself and calls no foreign code."""
    return type(value).__module__ == "numpy" and getattr(getattr(value, "dtype", None), "hasobject", True) is False


def exact_json(value: object) -> str | None:
    """The value as compact JSON, or None unless it is small and reading the text gives the very same value back.

    Tuples, keys that are no strings, NaN, subclasses, integers beyond 64 bits and shared containers do not qualify.
    """
    budget = _Budget()
    if not budget.admits(value, 0):
        return None
    written = _write_json(value)
    return written if len(written) <= MAX_JSON_CHARACTERS else None


class _Budget:
    """How much of a value may still be looked at, and which containers were met."""

    def __init__(self) -> None:
        self.items = MAX_JSON_ITEMS
        self.seen: set[int] = set()

    def admits(self, value: object, depth: int) -> bool:
        cls = type(value)
        if cls is str:
            return is_plain_text(value, MAX_JSON_CHARACTERS)  # type: ignore[arg-type]
        if cls is list or cls is dict:
            return self._admits_container(value, depth)
        return is_plain_number(value)

    def _admits_container(self, value: Any, depth: int) -> bool:
        self.items -= len(value) + 1
        if self.items < 0 or depth >= _MAX_DEPTH or id(value) in self.seen:
            return False
        self.seen.add(id(value))
        if type(value) is dict:
            return all(
                type(key) is str and is_plain_text(key, MAX_JSON_CHARACTERS) and self.admits(item, depth + 1)
                for key, item in value.items()
            )
        return all(self.admits(item, depth + 1) for item in value)


def is_plain_number(value: object) -> bool:
    """Whether this is None, a bool, an integer of 64 bits or a finite float, and no subclass of them."""
    cls = type(value)
    if cls is int:
        return -_INT64 <= value < _INT64  # type: ignore[operator]
    if cls is float:
        return math.isfinite(value)  # type: ignore[arg-type]
    return value is None or cls is bool


def is_plain_text(string: str, limit: int) -> bool:
    """Whether a string is short, and free of NUL and lone surrogates."""
    if len(string) > limit:
        return False
    if string.isascii():
        return "\0" not in string
    return "\0" not in string and not any("\ud800" <= character <= "\udfff" for character in string)
