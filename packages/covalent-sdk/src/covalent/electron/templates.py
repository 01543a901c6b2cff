"""Arguments as templates: scalars in place, other tasks' outputs by number and path, containers with their types kept.

Everything else is an asset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from covalent.electron.assets import Assets, check_text
from covalent.electron.bound import BoundElectron, Step
from covalent.errors import GraphError
from covalent.transportable.preview import is_plain_number, is_plain_text
from covalent.wire.template import MAX_DEPTH

#: Longer strings than this are assets, so that a graph stays readable.
_MAX_STRING: Final = 256
_SEQUENCES: Final[Mapping[type, str]] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_CONTAINERS: Final = frozenset({*_SEQUENCES, dict})


class Templates:
    """Makes the templates of one graph. ``node`` gives the number of a bound electron's task."""

    def __init__(self, assets: Assets, node: Callable[[BoundElectron], int]) -> None:
        self._assets = assets
        self._node = node

    def item_step(self, key: Any) -> Step:
        """The step of a path that takes an item."""
        made = self.argument(key, "key", "item access")
        return ["item", made["value"] if made.keys() == {"value"} else made]

    def argument(self, value: Any, name: str, function: str) -> Any:
        """The template of an argument; the most frequent kinds first, because a loop may record thousands."""
        if is_plain_number(value):
            return {"value": value}
        return self._template(value, 0, f"the argument {name!r} of {function}")

    def _template(self, value: Any, depth: int, what: str) -> Any:
        cls = type(value)
        if cls is BoundElectron:
            path = value._covalent_path  # noqa: SLF001 - one of ours
            return {"node": self._node(value), "path": list(path)} if path else {"node": self._node(value)}
        if is_plain_number(value):
            return {"value": value}
        if cls is str and is_plain_text(value, _MAX_STRING):
            check_text(value, what)
            return {"value": value}
        if cls not in _CONTAINERS or not holds_electrons(value, set()):
            return {"asset": self._assets.constant(value, what)}
        if depth >= MAX_DEPTH:
            raise GraphError(f"{what} holds electrons nested deeper than {MAX_DEPTH}")
        if cls is dict:
            return {
                "dict": [
                    [self._template(key, depth + 1, what), self._template(item, depth + 1, what)]
                    for key, item in value.items()
                ]
            }
        items = [self._template(item, depth + 1, what) for item in value]
        return {_SEQUENCES[cls]: sorted(items, key=repr) if cls in (set, frozenset) else items}


def electrons_in(value: Any) -> Iterator[BoundElectron]:
    """The bound electrons in a value and in the lists, tuples, sets and dicts that it is made of."""
    cls = type(value)
    if cls is BoundElectron:
        yield value
    elif cls in _CONTAINERS:
        for item in value:
            yield from electrons_in(item)
        if cls is dict:
            yield from electrons_in(list(value.values()))


def holds_electrons(value: Any, seen: set[int]) -> bool:
    """Whether there are bound electrons in a value or in the containers that it is made of."""
    cls = type(value)
    if cls is BoundElectron:
        return True
    if cls not in _CONTAINERS or id(value) in seen:
        return False
    seen.add(id(value))
    items = [*value, *value.values()] if cls is dict else value
    types_inside = set(map(type, items))  # one fast pass, because most containers hold plain data only
    if BoundElectron in types_inside:
        return True
    if types_inside.isdisjoint(_CONTAINERS):
        return False
    return any(holds_electrons(item, seen) for item in items)
