"""What runs around a task: calls before and after its function."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from covalent.errors import WireError
from covalent.transportable import TransportableObject


class DepsCall:
    """A call that runs in the task's environment, before or after its function.

    With ``retval_keyword`` the value of a call before is handed to the function by that keyword.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        retval_keyword: str = "",
    ) -> None:
        if not callable(func):
            raise TypeError(f"DepsCall takes a function, not {func!r}")
        if getattr(func, "__self__", None) is os.environ:
            raise TypeError(
                "a method of os.environ takes a copy of all your variables along, secrets too, and sets none of the "
                "task's; write a function that sets os.environ[...] and pass that"
            )
        self._call = {"function": func, "args": tuple(args), "kwargs": dict(kwargs or {})}
        self._asset: TransportableObject | None = None
        self.name = str(getattr(func, "__name__", type(func).__name__))
        self.retval_keyword = retval_keyword

    @functools.cached_property
    def _opened(self) -> dict[str, Any]:
        opened: dict[str, Any] = self._call if self._asset is None else self._asset.get_deserialized()
        return opened

    @property
    def func(self) -> Callable[..., Any]:
        """What is called."""
        function: Callable[..., Any] = self._opened["function"]
        return function

    @property
    def args(self) -> tuple[Any, ...]:
        """With which positional arguments."""
        return tuple(self._opened["args"])

    @property
    def kwargs(self) -> dict[str, Any]:
        """With which keyword arguments."""
        return dict(self._opened["kwargs"])

    def transportable(self) -> TransportableObject:
        """The call as an asset, which opens as ``{"function", "args", "kwargs", "retval_keyword"}``."""
        return self._asset or TransportableObject({**self._call, "retval_keyword": self.retval_keyword})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data that holds all of it."""
        call = self.transportable().to_dict()
        attributes = {"name": self.name, "retval_keyword": self.retval_keyword, "call": call}
        return {"type": "DepsCall", "attributes": attributes}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """From what :meth:`to_dict` gave; opened only when it is asked what it calls."""
        self = cls.__new__(cls)
        try:
            attributes = plain["attributes"]
            self.name = str(attributes["name"])
            self.retval_keyword = str(attributes["retval_keyword"])
            self._asset = TransportableObject.from_dict(attributes["call"])
        except (KeyError, TypeError) as error:
            raise WireError(f"not the JSON form of a DepsCall: {error!r}") from None
        return self

    def __repr__(self) -> str:
        return f"<DepsCall {self.name}>"


Calls = DepsCall | Callable[..., Any] | list[Any] | tuple[Any, ...] | None


def checked(name: str, calls: Calls) -> tuple[DepsCall, ...] | None:
    """The calls that a user gave for ``call_before`` or ``call_after``: one or several, functions or DepsCalls."""
    if calls is None:
        return None
    items = calls if isinstance(calls, (list, tuple)) else [calls]
    for item in items:
        if not isinstance(item, DepsCall) and not callable(item):
            raise TypeError(f"{name} takes functions and ct.DepsCall(...)s, not {item!r}")
    return tuple(item if isinstance(item, DepsCall) else DepsCall(item) for item in items)


def to_json(calls: tuple[DepsCall, ...] | None) -> list[dict[str, Any]] | None:
    """Calls as plain JSON data; None when nothing was said about them."""
    return None if calls is None else [call.to_dict() for call in calls]


def from_json(plain: list[dict[str, Any]] | None) -> tuple[DepsCall, ...] | None:
    """From what :func:`to_json` gave."""
    return None if plain is None else tuple(DepsCall.from_dict(call) for call in plain)
