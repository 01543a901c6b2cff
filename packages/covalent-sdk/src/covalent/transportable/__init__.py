"""Objects as bytes, with what can be known of them without opening the bytes.

This package is the one place that imports cloudpickle and pickle, and only once a value has to be written or opened.
"""

from __future__ import annotations

import base64
import functools
import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from covalent.errors import WireError
from covalent.transportable.payload import Origins, decode, encode
from covalent.wire import container
from covalent.wire.codec import loads
from covalent.wire.container import Buffer, Header

__all__ = ["HeaderView", "Origins", "TransportableObject", "beside", "load"]


class HeaderView(Mapping[str, Any]):
    """A header, its fields readable as attributes and as items: ``header.codec``, ``header["codec"]``."""

    __slots__ = ("_header",)

    def __init__(self, header: Header) -> None:
        self._header = header

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self._header, name)
        except AttributeError:
            raise KeyError(name) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._header, name)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in fields(self._header))

    def __len__(self) -> int:
        return len(fields(self._header))


class TransportableObject:
    """An object as a container of bytes; only :meth:`get_deserialized` opens it.

    The object's large buffers are copied, so that changing it later changes nothing here; ``copy_buffers=False``
    saves that when the bytes are written out at once.
    """

    def __init__(self, obj: object, *, copy_buffers: bool = True) -> None:
        header, parts, origins = encode(obj, copy_buffers=copy_buffers)
        self._start(header, container.pack(header, parts), parts, origins)

    def _start(self, header: Header, chunks: list[Buffer], parts: list[Buffer] | None, origins: Origins) -> None:
        self._header = header
        self._chunks = chunks
        self._parts = parts
        #: What the payload leans on, when this process wrote it; it is not part of the bytes.
        self.origins = origins

    # -- other ways to make one

    @classmethod
    def from_buffer(cls, data: Buffer) -> TransportableObject:
        """A container as it lies in memory; nothing is copied or opened."""
        self = cls.__new__(cls)
        self._start(container.read_header(data), [data], None, Origins())
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> TransportableObject:
        """A container in a file, mapped into memory: only what is used is read."""
        with Path(path).open("rb") as file:
            try:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:
                raise WireError(f"{path} is empty") from None
        return cls.from_buffer(memoryview(mapped))

    @classmethod
    def packed(cls, header: Header, parts: Sequence[Buffer]) -> TransportableObject:
        """A container of a codec that somebody else defines."""
        header = replace(header, sizes=tuple(len(part) for part in parts))
        self = cls.__new__(cls)
        self._start(header, container.pack(header, parts), list(parts), Origins())
        return self

    @classmethod
    def make_transportable(cls, obj: object) -> TransportableObject:
        """The object itself when it is one already, else a new one of it."""
        return obj if isinstance(obj, cls) else cls(obj)

    # -- what is known without opening

    @property
    def header(self) -> HeaderView:
        """All that the container says of its object."""
        return HeaderView(self._header)

    @property
    def object_string(self) -> str:
        """A bounded ``str()`` of the object."""
        return self._header.object_string

    @property
    def json(self) -> str | None:
        """The object as JSON text, when JSON says all of it."""
        return self._header.json

    @property
    def attrs(self) -> dict[str, str]:
        """Name and documentation of a function or class."""
        return dict(self._header.attrs)

    @property
    def python_version(self) -> str:
        """The version of the Python that wrote it."""
        return self._header.py_version

    @functools.cached_property
    def asset_id(self) -> str:
        """The SHA-256 of all its bytes: what it is stored and fetched by."""
        return container.digest(self._chunks)

    @functools.cached_property
    def value_id(self) -> str:
        """The SHA-256 of codec and parts without the header: equal values of equal writers have equal ids."""
        return container.value_digest(self._header.codec, self.parts())

    @property
    def size(self) -> int:
        """All its bytes."""
        return sum(len(chunk) for chunk in self._chunks)

    def chunks(self) -> list[Buffer]:
        """All its bytes, as buffers to be written one after the other."""
        return list(self._chunks)

    def parts(self) -> list[Buffer]:
        """The payload and its buffers."""
        if self._parts is None:
            view = memoryview(self._chunks[0])
            self._parts = [view[start:end] for start, end in container.part_spans(view, self._header)]
        return self._parts

    def __eq__(self, other: object) -> bool:
        return self.asset_id == other.asset_id if isinstance(other, TransportableObject) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.asset_id)

    def __repr__(self) -> str:
        return f"<TransportableObject of {self._header.type_name}, {self.size} bytes>"

    def _repr_html_(self) -> str:
        from covalent import markup  # noqa: PLC0415 - for notebooks; a runner does without

        header = self._header
        return markup.card(
            "TransportableObject",
            {
                "type": header.type_name,
                "text": header.object_string,
                "size": f"{self.size:,} bytes",
                "written by": f"Python {header.py_version}" if header.py_version else None,
            },
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return TransportableObject.deserialize, (self.serialize(),)

    # -- opening

    def get_deserialized(self, *, zero_copy: bool = False) -> Any:
        """The object. Arrays are writable copies; with ``zero_copy`` they lie, read-only, in the container itself."""
        return decode(self._header, self.parts(), zero_copy=zero_copy)

    # -- to bytes, files and JSON

    def serialize(self) -> bytes:
        """All its bytes."""
        return b"".join(self._chunks)

    @classmethod
    def deserialize(
        cls, serialized: Buffer, *, header_only: bool = False, string_only: bool = False
    ) -> TransportableObject:
        """From the bytes; only with its header, which cannot be opened, when either flag is set."""
        if header_only or string_only:
            serialized = bytes(serialized[: container.header_length(serialized)])
        return cls.from_buffer(serialized)

    def write(self, path: str | Path) -> None:
        """Write all its bytes to a new file."""
        with Path(path).open("wb", buffering=0) as file:
            for chunk in self._chunks:
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) :]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data that holds all of it."""
        prefix = bytes(self._chunks[0][: container.header_length(self._chunks[0])])
        parts = [base64.b64encode(part).decode("ascii") for part in self.parts()]
        return {"type": "TransportableObject", "attributes": {"header": prefix[8:].decode(), "parts": parts}}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> TransportableObject:
        """From what :meth:`to_dict` gave, byte for byte."""
        try:
            text = plain["attributes"]["header"].encode()
            parts = [base64.b64decode(part, validate=True) for part in plain["attributes"]["parts"]]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise WireError(f"not the JSON form of a TransportableObject: {error!r}") from None
        return cls.from_buffer(b"".join(container.assemble(text, parts)))

    def serialize_to_json(self) -> str:
        """The JSON text of :meth:`to_dict`."""
        return json.dumps(self.to_dict())

    @classmethod
    def deserialize_from_json(cls, text: str) -> TransportableObject:
        """From what :meth:`serialize_to_json` gave."""
        return cls.from_dict(loads(text))

    @staticmethod
    def deserialize_list(items: Sequence[Any]) -> list[Any]:
        """A list with all objects in it opened, those in nested lists and dicts too."""
        return [_open_nested(item) for item in items]

    @staticmethod
    def deserialize_dict(items: Mapping[Any, Any]) -> dict[Any, Any]:
        """A dict with all objects in it opened, those in nested lists and dicts too."""
        return {key: _open_nested(item) for key, item in items.items()}


def beside(buffer: Buffer) -> Any:
    """What a ``__reduce_ex__`` gives for a large buffer: it lies beside the pickle, and is not copied into it."""
    import pickle  # noqa: PLC0415 - as cloudpickle

    return pickle.PickleBuffer(buffer)


def load(data: Buffer, *, zero_copy: bool = False) -> Any:
    """The object in a container, after checking that this Python can open it."""
    return TransportableObject.from_buffer(data).get_deserialized(zero_copy=zero_copy)


def _open_nested(item: Any) -> Any:
    if isinstance(item, TransportableObject):
        return item.get_deserialized()
    if isinstance(item, list):
        return TransportableObject.deserialize_list(item)
    return TransportableObject.deserialize_dict(item) if isinstance(item, dict) else item
