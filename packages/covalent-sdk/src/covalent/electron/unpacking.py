"""How many names an iteration is for: ``a, b = value`` says so, and only in the code of who iterates.

Python tells an iterable nothing about its use. What it is used for stands in the bytecode at which the caller's frame
has stopped, and the instructions that unpack are the same in all versions that are supported.
"""

from __future__ import annotations

import opcode
import types
from typing import Final, NamedTuple

_UNPACK_SEQUENCE: Final = opcode.opmap["UNPACK_SEQUENCE"]
_UNPACK_EX: Final = opcode.opmap["UNPACK_EX"]
_EXTENDED_ARG: Final = opcode.opmap["EXTENDED_ARG"]
#: Instructions that give values to plain names, and to how many.
_STORES: Final = {
    opcode.opmap[name]: count
    for name, count in (
        ("STORE_FAST", 1),
        ("STORE_NAME", 1),
        ("STORE_GLOBAL", 1),
        ("STORE_DEREF", 1),
        ("STORE_FAST_STORE_FAST", 2),
    )
    if name in opcode.opmap
}


class Targets(NamedTuple):
    """The names on the left of an assignment."""

    #: How many there are; of a starred assignment those before the starred one.
    names: int
    #: Of a starred assignment how many come after the starred one, None when none is starred.
    after: int | None = None


def targets(frame: types.FrameType) -> Targets | None:
    """What the statement that a frame stands in unpacks to, None when it does something else."""
    code = frame.f_code.co_code
    position = frame.f_lasti
    if position < 0 or code[position] not in {_UNPACK_SEQUENCE, _UNPACK_EX}:
        return None
    argument, shift, before = code[position + 1], 8, position - 2
    while before >= 0 and code[before] == _EXTENDED_ARG:
        argument |= code[before + 1] << shift
        shift += 8
        before -= 2
    if code[position] == _UNPACK_SEQUENCE:
        return Targets(argument)
    starred = Targets(argument & 0xFF, argument >> 8)
    inside = _starred_names(code, position + 2, starred.names)
    return starred if inside is None else Targets(starred.names + inside + (argument >> 8))


def _starred_names(code: bytes, position: int, names: int) -> int | None:
    """How many names the starred target has, as in ``a, *(b, c) = value``; None when it takes what is left."""
    argument = 0
    while position < len(code):
        operation, argument = code[position], argument << 8 | code[position + 1]
        position += 2
        if operation == _EXTENDED_ARG:
            continue
        if not names:
            return argument if operation == _UNPACK_SEQUENCE else None
        names -= _STORES.get(operation, names + 1)
        if names < 0:  # something else than a plain name, or the starred one with it
            return None
        argument = 0
    return None


def spelled_out(name: str, starred: Targets) -> str:
    """What takes a starred assignment's values apart without a star: ``x[0], x[1:-1], x[-1]``."""
    after = starred.after or 0
    first = [f"{name}[{index}]" for index in range(starred.names)]
    last = [f"{name}[{index}]" for index in range(-after, 0)]
    rest = f"{name}[{starred.names or ''}:{-after or ''}]"
    return ", ".join([*first, rest, *last])
