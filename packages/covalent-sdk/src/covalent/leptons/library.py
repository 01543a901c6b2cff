"""A C function of a shared library as a Python function: what its pointers point to afterwards is its value."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from covalent.errors import LeptonError
from covalent.secret import revealed

INPUT: Final = 0
OUTPUT: Final = 1
INPUT_OUTPUT: Final = 2


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a C function. Types go by their names: those of pointers cannot be sent."""

    #: Of :mod:`ctypes`, as in ``c_double``.
    type: str
    is_pointer: bool
    #: INPUT, OUTPUT or INPUT_OUTPUT.
    direction: int


@dataclass(frozen=True, slots=True)
class Function:
    """A C function that returns nothing; its value is what its outputs hold: None, one, or a tuple of several."""

    library: str
    symbol: str
    arguments: tuple[Argument, ...]

    def __call__(self, /, *args: Any) -> Any:
        """Call it. Outputs that are not inputs may be left out; a sequence in the place of one makes room for as many.

        Raises LeptonError when there is no such library or function, TypeError for what no such argument can be.
        """
        import ctypes  # noqa: PLC0415 - few tasks call C

        function = self._loaded()
        values = [
            self._made(argument, value, place)
            for place, (argument, value) in enumerate(zip(self.arguments, self._aligned(args), strict=True), start=1)
        ]
        function.restype = None
        function.argtypes = [
            ctypes.POINTER(getattr(ctypes, item.type)) if item.is_pointer else getattr(ctypes, item.type)
            for item in self.arguments
        ]
        function(*values)
        held = [_held(value) for value, item in zip(values, self.arguments, strict=True) if item.direction != INPUT]
        if not held:
            return None
        return held[0] if len(held) == 1 else tuple(held)

    def _loaded(self) -> Any:
        import ctypes  # noqa: PLC0415 - as above

        try:
            library = ctypes.CDLL(self.library)
        except OSError as error:
            advice = "give its whole path there, or a name that the system's loader knows"
            if Path(self.library).is_file():
                advice = "it is there: see that it was compiled for that machine, with gcc -shared -fPIC for example"
            raise LeptonError(
                f"the shared library {self.library!r} cannot be loaded on the machine of the task: {error}; {advice}"
            ) from None
        try:
            return library[self.symbol]
        except AttributeError:
            raise LeptonError(f"the shared library {self.library!r} has no function {self.symbol!r}") from None

    def _aligned(self, args: Sequence[Any]) -> list[Any]:
        """A value for each argument; None for outputs that are left out."""
        inputs = [item for item in self.arguments if item.direction != OUTPUT]
        if len(args) not in (len(inputs), len(self.arguments)):
            hint = "" if self.arguments else "; name their types in argtypes"
            raise TypeError(
                f"{self.symbol} takes {len(inputs)} arguments that are inputs, but was given {len(args)}{hint}"
            )
        left = iter(args)
        every = len(args) == len(self.arguments)
        return [next(left) if every or item.direction != OUTPUT else None for item in self.arguments]

    def _made(self, argument: Argument, value: Any, place: int) -> Any:
        """What is handed over for an argument."""
        import ctypes  # noqa: PLC0415 - as above

        kind = getattr(ctypes, argument.type)
        if argument.type == "c_char_p" and not isinstance(value, (str, bytes, os.PathLike)):
            # A number would be taken for an address.
            raise TypeError(f"argument {place} of {self.symbol} is a text, not {value!r}")
        try:
            if not argument.is_pointer:
                return kind(_text(value))
            is_sequence = hasattr(value, "__len__") and not isinstance(value, (str, bytes))
            if argument.direction == OUTPUT:
                return (kind * len(value))() if is_sequence else ctypes.pointer(kind())
            if is_sequence:
                return (kind * len(value))(*value)
            return ctypes.pointer(kind(_text(value)))
        except TypeError as error:
            what = f"a {argument.type}" if not argument.is_pointer else f"one {argument.type} or a sequence of them"
            raise TypeError(f"argument {place} of {self.symbol} is {what}, not {value!r}: {error}") from None


def _text(value: Any) -> Any:
    """C knows bytes, and nothing of secrets."""
    value = revealed(value)
    return os.fsencode(value) if isinstance(value, (str, os.PathLike)) else value


def _held(value: Any) -> Any:
    """What a pointer points to, or the list of what an array holds."""
    if hasattr(value, "contents"):
        return value.contents.value
    return list(value)
