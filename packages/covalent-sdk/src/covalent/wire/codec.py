"""Between the wire's dataclasses and JSON.

``from_json`` is what clients and workers use, with the standard library alone; the server decodes the same
classes with msgspec. Unknown fields are ignored, so that a newer peer can be understood; a wrong type is a
:class:`~covalent.errors.WireError` that names the path of the fault.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, TypeVar

from covalent.errors import WireError

T = TypeVar("T")
Decoder = Callable[[Any], Any]
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def to_json(value: Any) -> Any:
    """A record as plain JSON data; fields that are None are left out."""
    cls: type = type(value)
    if cls in _SCALARS:  # most values are
        return value
    if _getters(cls) is not None:
        return {name: to_json(item) for name, item in _fields(value).items()}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def dumps(value: Any) -> bytes:
    """A record or plain data as canonical JSON: sorted, compact, UTF-8; equal values give equal text."""
    return _ENCODER.encode(value).encode("utf-8", "surrogatepass")


def loads(text: bytes | bytearray | memoryview | str) -> Any:
    """Plain data from JSON text."""
    try:
        return json.loads(text if isinstance(text, str) else bytes(text))
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from None


def from_json(cls: type[T], plain: Any, *, path: str = "$") -> T:
    """A record of class ``cls`` from plain JSON data."""
    decode: Decoder = _record_decoder(cls)  # type: ignore[arg-type]  # a class is hashable, whatever mypy holds of type[T]
    try:
        return typing.cast("T", decode(plain))
    except WireError as error:
        raise _within(path, error) from None


def _fields(record: Any) -> dict[str, Any]:
    """The fields of a record that are not None, as they are; whoever encodes them comes back for what lies inside."""
    cls: type = type(record)
    getters = _getters(cls)
    if getters is None:
        raise TypeError(f"{cls.__name__} has no form in JSON")
    return {name: item for name, get in getters if (item := get(record)) is not None}


_ENCODER: Final = json.JSONEncoder(
    default=_fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


@functools.cache
def _getters(cls: type) -> tuple[tuple[str, Callable[[Any], Any]], ...] | None:
    """How the fields of a record are got at, worked out once for each class; None for what is no record."""
    if not dataclasses.is_dataclass(cls):
        return None
    return tuple((field.name, operator.attrgetter(field.name)) for field in dataclasses.fields(cls))


# Decoders know nothing of where they are: what goes wrong is rare, and its path is put together on its way out.


def _fault(message: str) -> WireError:
    """What is wrong with the very value that is looked at."""
    return WireError(message, path="")


def _within(place: str, error: WireError) -> WireError:
    """The same error, as seen by whoever holds the value at that place."""
    return WireError(error.message, path=f"{place}{error.path}")


@functools.cache
def _record_decoder(cls: type) -> Decoder:
    hints = typing.get_type_hints(cls)
    decoders: dict[str, Decoder] = {}
    required = []
    for field in dataclasses.fields(cls):
        decoders[field.name] = _decoder(hints[field.name])
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            required.append(field.name)

    def decode(plain: Any) -> Any:
        if not isinstance(plain, dict):
            raise _fault(f"expected an object, got {type(plain).__name__}")
        for name in required:
            if name not in plain:
                raise _fault(f"the field {name!r} is missing")
        known: dict[str, Any] = {}
        for name, value in plain.items():
            if name in decoders:
                try:
                    known[name] = decoders[name](value)
                except WireError as error:
                    raise _within(f".{name}", error) from None
        return cls(**known)

    return decode


@functools.cache
def _decoder(hint: Any) -> Decoder:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if hint is Any:
        return _as_it_is
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(arguments)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is dict:
        return _dict_decoder(arguments[1])
    if dataclasses.is_dataclass(hint):
        return _record_decoder(typing.cast("type", hint))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum_decoder(hint)
    return _scalar_decoder(hint)


def _as_it_is(plain: Any) -> Any:
    return plain


def _union_decoder(arguments: tuple[Any, ...]) -> Decoder:
    """One of several: None, an object, and what is no object."""
    optional = types.NoneType in arguments
    kinds = {typing.get_origin(item) is dict: _decoder(item) for item in arguments if item is not types.NoneType}

    def decode(plain: Any) -> Any:
        if plain is None and optional:
            return None
        return kinds.get(isinstance(plain, dict), next(iter(kinds.values())))(plain)

    return decode


def _tuple_decoder(arguments: tuple[Any, ...]) -> Decoder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        item = _decoder(arguments[0])

        def decode(plain: Any) -> Any:
            if not isinstance(plain, (list, tuple)):
                raise _fault(f"expected an array, got {type(plain).__name__}")
            return tuple(_items((item, value) for value in plain))

        return decode
    items = [_decoder(argument) for argument in arguments]

    def decode_fixed(plain: Any) -> Any:
        if not isinstance(plain, (list, tuple)) or len(plain) != len(items):
            raise _fault(f"expected an array of {len(items)}")
        return tuple(_items(zip(items, plain, strict=True)))

    return decode_fixed


def _items(pairs: Iterable[tuple[Decoder, Any]]) -> Iterator[Any]:
    for index, (decoder, value) in enumerate(pairs):
        try:
            yield decoder(value)
        except WireError as error:
            raise _within(f"[{index}]", error) from None


def _dict_decoder(value_hint: Any) -> Decoder:
    item = _decoder(value_hint)

    def decode(plain: Any) -> Any:
        if not isinstance(plain, dict):
            raise _fault(f"expected an object, got {type(plain).__name__}")
        known: dict[str, Any] = {}
        for key, value in plain.items():
            try:
                known[key] = item(value)
            except WireError as error:
                raise _within(f".{key}", error) from None
        return known

    return decode


def _enum_decoder(cls: type[StrEnum]) -> Decoder:
    members = dict(zip(cls, cls, strict=True))

    def decode(plain: Any) -> Any:
        try:
            return members[plain]
        except (KeyError, TypeError):
            raise _fault(f"{plain!r} is not one of {', '.join(cls)}") from None

    return decode


def _scalar_decoder(cls: type) -> Decoder:
    accepted: tuple[type, ...] = (int, float) if cls is float else (cls,)

    def decode(plain: Any) -> Any:
        if not isinstance(plain, accepted) or (isinstance(plain, bool) and cls is not bool):
            raise _fault(f"expected {cls.__name__}, got {type(plain).__name__}")
        return plain

    return decode
