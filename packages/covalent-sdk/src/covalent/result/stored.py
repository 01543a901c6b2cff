"""Objects whose bytes are elsewhere and come when something needs them."""

from __future__ import annotations

import functools
import sys
from typing import Any, Final

from covalent import markup
from covalent.distributions import installed_by
from covalent.result.source import Source
from covalent.transportable import TransportableObject
from covalent.wire.container import Buffer
from covalent.wire.records import AssetDescription

#: Larger objects are not in memory before they are opened.
_LARGE_BYTES: Final = 16 << 20


class StoredObject(TransportableObject):
    """An object whose bytes are on a server or in a saved result; they are fetched once, when something needs them.

    What was described is answered from the description; one without a type's name describes nothing.
    """

    def __init__(self, source: Source, described: AssetDescription) -> None:
        self._source = source
        self._described = described

    @classmethod
    def named(cls, source: Source, digest: str) -> StoredObject:
        """One of which nothing is known but its name."""
        return cls(source, AssetDescription(digest=digest, size=0))

    def __getattr__(self, name: str) -> Any:
        # Called for what is not there yet: all that the base class reads off the bytes.
        if name not in _read_off_the_bytes():
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        large = self._described.size > _LARGE_BYTES
        self.take((self._source.large_asset if large else self._source.asset)(self._described.digest))
        return getattr(self, name)

    def take(self, data: Buffer) -> None:
        """Have the bytes from now on."""
        vars(self).update(vars(TransportableObject.from_buffer(data)))

    @property
    def asset_id(self) -> str:
        """The SHA-256 of all its bytes."""
        return self._described.digest

    @property
    def size(self) -> int:
        """All its bytes."""
        return self._described.size if self._described.type_name else super().size

    @property
    def object_string(self) -> str:
        """A bounded ``str()`` of the object."""
        return self._described.object_string if self._described.type_name else super().object_string

    @property
    def json(self) -> str | None:
        """The object as JSON text, when JSON says all of it."""
        return self._described.json if self._described.type_name else super().json

    def get_deserialized(self, *, zero_copy: bool = False) -> Any:
        """The object; what kind of packages it is made of must be installed here."""
        try:
            return super().get_deserialized(zero_copy=zero_copy)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            raise ModuleNotFoundError(
                f"{error} in {sys.executable}, which opens a value of type {self.header['type_name']} here; install "
                f"it there: {sys.executable} -m pip install {installed_by(package)}, or if it is a module of "
                "your own, run where it can be imported. Its text can be had without: object_string",
                name=error.name,
            ) from None

    def __repr__(self) -> str:
        return f"<TransportableObject {self._described.type_name} {self.asset_id[:12]} {self._source.place}>"

    def _repr_html_(self) -> str:
        described = self._described  # nothing is fetched to be shown
        size = f"{described.size:,} bytes {self._source.place}" if described.type_name else self._source.place
        return markup.card(
            "TransportableObject",
            {"type": described.type_name, "text": described.object_string, "size": size, "id": described.digest},
        )


@functools.cache
def _read_off_the_bytes() -> frozenset[str]:
    return frozenset(vars(TransportableObject(None)))
