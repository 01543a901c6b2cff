"""Input templates: how a task's arguments are put together from constants and other tasks' outputs.

A template is plain JSON, one of::

    {"value": 3}                              a JSON scalar, as it stands
    {"asset": "<sha256>"}                     a constant, by digest
    {"node": 3, "path": [["item", 0]]}        another task's output, or what lies at a path inside it
    {"list": [t, …]}  {"tuple": [t, …]}  {"set": [t, …]}  {"frozenset": [t, …]}
    {"dict": [[t, t], …]}                     keys are templates too

Steps of a path are ``["attr", name]``, ``["item", key]`` where a key that is no JSON scalar is a template itself,
and ``["unpack", index, count]`` for ``a, b = electron``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from covalent.errors import WireError

#: Deeper nesting than this is refused, long before anything recurses too far.
MAX_DEPTH: Final = 64
SEQUENCES: Final = ("list", "tuple", "set", "frozenset")
SCALARS: Final = (str, int, float, bool, type(None))
_INT64: Final = 2**63
_DIGEST_LENGTH: Final = 64
_HEX: Final = frozenset("0123456789abcdef")


def is_digest(value: object) -> bool:
    """Whether a value has the form of an asset id."""
    return isinstance(value, str) and len(value) == _DIGEST_LENGTH and _HEX.issuperset(value)


def check(template: Any, path: str) -> None:
    """Raise WireError, naming the path of the fault, unless this is a well-formed template."""
    stack: list[tuple[Any, str, int]] = [(template, path, 0)]
    while stack:
        item, where, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise WireError(f"nested deeper than {MAX_DEPTH}", path=path)
        stack.extend((child, place, depth + 1) for child, place in _children(item, where))


def walk(template: Any) -> Iterator[dict[str, Any]]:
    """Every ``node``, ``asset`` and ``value`` of a well-formed template, those inside paths included."""
    stack = [template]
    while stack:
        item = stack.pop()
        children = [child for child, _ in _children(item, "")]
        if "node" in item or not children:
            yield item
        stack.extend(reversed(children))


def nodes(template: Any) -> Iterator[int]:
    """The node numbers that a template takes values from, in order of appearance, repeated ones too."""
    return (item["node"] for item in walk(template) if "node" in item)


def assets(template: Any) -> Iterator[str]:
    """The digests that a template names."""
    return (item["asset"] for item in walk(template) if "asset" in item)


def _children(item: Any, where: str) -> list[tuple[Any, str]]:
    if not isinstance(item, dict):
        raise WireError(f"expected a template, got {type(item).__name__}", path=where)
    keys = item.keys()
    if "node" in keys and keys <= {"node", "path"}:
        _check_integer(item["node"], where)
        return _path_children(item.get("path", []), where)
    if len(keys) != 1:
        raise WireError(
            "a template has one of the keys node, asset, value, list, tuple, set, frozenset, dict", path=where
        )
    (kind,) = keys
    content = item[kind]
    if kind == "asset":
        if not is_digest(content):
            raise WireError("expected 64 lowercase hexadecimal digits", path=f"{where}.asset")
        return []
    if kind == "value":
        _check_scalar(content, f"{where}.value")
        return []
    if kind not in (*SEQUENCES, "dict") or not isinstance(content, list):
        raise WireError(f"not a template: {kind!r}", path=where)
    if kind == "dict":
        return _pair_children(content, where)
    return [(child, f"{where}.{kind}[{index}]") for index, child in enumerate(content)]


def _pair_children(content: list[Any], where: str) -> list[tuple[Any, str]]:
    children = []
    for index, pair in enumerate(content):
        if not isinstance(pair, list) or len(pair) != 2:
            raise WireError("expected a [key, value] pair", path=f"{where}.dict[{index}]")
        children.append((pair[0], f"{where}.dict[{index}][0]"))
        children.append((pair[1], f"{where}.dict[{index}][1]"))
    return children


def _path_children(steps: Any, where: str) -> list[tuple[Any, str]]:
    if not isinstance(steps, list) or len(steps) > MAX_DEPTH:
        raise WireError(f"expected a list of at most {MAX_DEPTH} steps", path=f"{where}.path")
    children = []
    for index, step in enumerate(steps):
        place = f"{where}.path[{index}]"
        match step:
            case ["attr", str()]:
                pass
            case ["item", dict() as key]:
                children.append((key, f"{place}[1]"))
            case ["item", key]:
                _check_scalar(key, f"{place}[1]")
            case ["unpack", int() as position, int() as count] if 0 <= position < count:
                _check_integer(count, place)
            case _:
                raise WireError("expected [attr, name], [item, key] or [unpack, index, count]", path=place)
    return children


def _check_integer(value: Any, where: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _INT64:
        raise WireError("expected a non-negative integer below 2**63", path=where)


def _check_scalar(value: Any, where: str) -> None:
    if not isinstance(value, SCALARS):
        raise WireError(f"expected a JSON scalar, got {type(value).__name__}", path=where)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise WireError("an integer beyond 64 bits", path=where)
