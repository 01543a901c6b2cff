"""Arguments from their templates: constants, other tasks' outputs, what lies at a path inside one, containers."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from covalent.errors import CovalentError

_CONTAINERS: Final[Mapping[str, Callable[[Iterable[Any]], Any]]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


class InputPathError(CovalentError):
    """What lies at a path inside another task's output could not be taken."""


class Inputs:
    """The inputs of one task. An output that is used twice is opened once; no other task shares it.

    ``open_output`` gives the output of a node by its number, ``open_asset`` what an asset holds by its digest.
    """

    def __init__(self, open_output: Callable[[int], Any], open_asset: Callable[[str], Any]) -> None:
        self._open_output = open_output
        self._open_asset = open_asset
        self._opened: dict[int, Any] = {}

    def value(self, template: Mapping[str, Any]) -> Any:
        """The value that a template stands for."""
        if "value" in template:
            return template["value"]
        if "node" in template:
            return self._taken(template["node"], template.get("path", ()))
        if "asset" in template:
            return self._open_asset(template["asset"])
        ((kind, content),) = template.items()
        if kind == "dict":
            return {self.value(key): self.value(item) for key, item in content}
        return _CONTAINERS[kind](self.value(item) for item in content)

    def _taken(self, node: int, path: Iterable[list[Any]]) -> Any:
        if node not in self._opened:
            self._opened[node] = self._open_output(node)
        value = self._opened[node]
        passed = ""
        for step in path:
            try:
                value, passed = self._step(value, step, passed)
            except Exception as error:
                taken = f"{passed}{self._shown(step)}"
                text = f"node {node} gave no {taken}, but {_kind(value)}: {type(error).__name__}: {error}"
                raise InputPathError(text) from error
        return value

    def _shown(self, step: list[Any]) -> str:
        """The step as the workflow function says it: its key, and not the digest under which that is stored."""
        match step:
            case ["attr", name]:
                return f".{name}"
            case ["item", dict(key)]:
                with contextlib.suppress(Exception):  # the error that is told is the step's
                    return f"[{self.value(key)!r:.100}]"
                return "[...]"
            case ["item", key]:
                return f"[{key!r}]"
            case _:
                return "<unpacked value>"

    def _step(self, value: Any, step: list[Any], passed: str) -> tuple[Any, str]:
        match step:
            case ["attr", name]:
                return getattr(value, name), f"{passed}.{name}"
            case ["item", key]:
                actual = self.value(key) if isinstance(key, dict) else key
                return value[actual], f"{passed}[{actual!r:.100}]"
            case ["unpack", index, count]:
                # One more than expected is enough to know that there are too many.
                values = tuple(itertools.islice(iter(value), count + 1))
                if len(values) != count:
                    found = "more" if len(values) > count else str(len(values))
                    message = f"expected {count} values to unpack, got {found}"
                    raise ValueError(message)
                return values[index], f"{passed}<{index} of {count}>"
            case _:
                message = f"unknown step {step!r}; a newer covalent-sdk is needed in this environment"
                raise ValueError(message)


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__qualname__}"
