"""How much of a dispatch belongs to a result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What belongs to a result, when it is saved and when it is fetched ahead."""

    #: The bytes of its value.
    value: bool = True
    #: The bytes of its nodes' outputs.
    outputs: bool = True
    #: The dispatches of its sublattices.
    sublattices: bool = True
