"""Some hundreds of pickles that act when they are opened, each leaving a trace of its own, and ways to wrap them."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covalent.wire import container
from tests.unit.server.hostile import Call

CODECS = ("pickle", "json", "reference", "project", "unheard-of")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One pickle."""

    name: str
    data: bytes
    #: The file that it leaves when opened, None when it connects to the listener instead.
    trace: Path | None
    #: Whether it acts when it is opened as it is: the damaged ones need not.
    acts: bool

    @property
    def text(self) -> str:
        """As text, for fields that hold text."""
        return self.data.decode("latin-1")

    def asset(self, codec: str, salt: str) -> bytes:
        """A well-formed asset of ours around the pickle, with the pickle in every field of its header, too."""
        text = self.text[:2000]
        header = container.Header(
            codec=codec,
            py_version="3.11.7",
            implementation=text,
            cloudpickle_version=text,
            type_name=text,
            attrs={"name": text, "doc": text, text: salt},
            object_string=text,
            json=text,
            code=True,
            sizes=(len(self.data), len(self.data)),
        )
        return b"".join(bytes(chunk) for chunk in container.pack(header, [self.data, self.data]))

    def as_header(self) -> bytes:
        """A container whose header is the pickle itself instead of JSON."""
        return b"".join(bytes(chunk) for chunk in container.assemble(self.data, [self.data]))


def corpus(traces: Path, port: int) -> Iterator[Payload]:
    """All of them: every protocol, nested, behind every first byte, cut off at every length."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for kind in ("file", "process", "socket"):
            name = f"{kind}-protocol-{protocol}"
            yield _payload(name, _call(kind, traces / name, port), traces, protocol, acts=True)
    yield from _nested(traces)
    for byte in range(256):
        name = f"first-byte-{byte:02x}"
        data = pickle.dumps(_call("file", traces / name, port))
        yield Payload(name=name, data=bytes([byte]) + data, trace=traces / name, acts=False)
    whole = pickle.dumps(_call("file", traces / "cut-off", port))
    for length in range(0, len(whole), 2):
        yield Payload(name=f"cut-off-{length}", data=whole[:length], trace=traces / "cut-off", acts=False)


def _nested(traces: Path) -> Iterator[Payload]:
    def call(name: str) -> Call:
        return _call("file", traces / name, 0)

    inner = pickle.dumps(call("in-a-pickle"))
    wraps: dict[str, Any] = {
        "in-a-tuple": ((((call("in-a-tuple"),),),),),
        "in-a-list": [[1, call("in-a-list")], 2],
        "as-a-value": {"key": {"key": call("as-a-value")}},
        "as-an-argument": Call(print, (call("as-an-argument"),)),
        "in-a-pickle": Call(pickle.loads, (inner,)),
        "twice": [call("twice"), "text"],
    }
    deep: Any = call("in-fifty-lists")
    for _ in range(50):
        deep = [deep]
    wraps["in-fifty-lists"] = deep
    for name, value in wraps.items():
        yield _payload(name, value, traces, pickle.HIGHEST_PROTOCOL, acts=True)


def _payload(name: str, value: Any, traces: Path, protocol: int, *, acts: bool) -> Payload:
    trace = None if name.startswith("socket") else traces / name
    return Payload(name=name, data=pickle.dumps(value, protocol), trace=trace, acts=acts)


def _call(kind: str, trace: Path, port: int) -> Call:
    match kind:
        case "file":
            return Call(open, (str(trace), "w"))
        case "process":
            return Call(os.system, (f"echo > '{trace}'",))
        case _:
            return Call(socket.create_connection, (("127.0.0.1", port),))
