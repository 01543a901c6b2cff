"""What a task gave, as assets: those that are small travel in the reply as long as it has room, the others in files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from covalent.errors import FileTransferError, SecretError
from covalent.secret import check_absent
from covalent.transportable import TransportableObject
from covalent.wire import INLINE_ASSET_BYTES, INLINE_MESSAGE_BYTES, container
from covalent.wire.codec import dumps
from covalent.wire.manifest import MANIFEST_CODEC, Manifest
from covalent.worker.runner.failures import TaskFailedError

Buffer = bytes | bytearray | memoryview


class Package(Protocol):
    """A workflow, ready to be sent."""

    @property
    def manifest(self) -> Manifest:
        """All of it but its assets' bytes."""

    @property
    def assets(self) -> Mapping[str, TransportableObject]:
        """What the manifest names, by digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """An output and all that it names, by digest; none of a task that failed."""

    output: str | None = None
    inline: Mapping[str, bytes] = field(default_factory=dict)
    #: Where the others lie.
    files: dict[str, str] = field(default_factory=dict)


def value(given: Any, directory: Path) -> Written:
    """A value; raises TaskFailedError, naming the reason, when it cannot be written."""
    try:
        output = TransportableObject(given, copy_buffers=False)
    except (FileTransferError, SecretError):
        raise  # they say themselves what is to be done
    except Exception as error:
        kind = f"{type(given).__module__}.{type(given).__qualname__}"
        cause = error.__cause__ or error
        message = (
            f"the value that the task returned, of type {kind}, cannot be pickled: {type(cause).__name__}: {cause}; "
            "return plain data, or write it to a file and return its path"
        )
        raise TaskFailedError(message) from error
    if output.size > INLINE_ASSET_BYTES:
        digest, path = _stored(output.chunks(), directory)
        return Written(output=digest, files={digest: str(path)})
    blob = b"".join(output.chunks())
    digest = container.digest([blob])
    return Written(output=digest, inline={digest: blob})


def sublattice(package: Package, directory: Path) -> Written:
    """The manifest of a workflow, with all assets that it names."""
    graph = package.manifest.graph
    header = container.Header(
        codec=MANIFEST_CODEC, type_name="manifest", object_string=f"{len(graph.nodes)} tasks of {graph.graph.name}"
    )
    manifest = dumps(package.manifest)
    check_absent([manifest])
    output = TransportableObject.packed(header, [manifest])
    inline: dict[str, bytes] = {}
    files: dict[str, str] = {}
    room = INLINE_MESSAGE_BYTES
    for digest, asset in {output.asset_id: output, **package.assets}.items():
        if asset.size <= min(INLINE_ASSET_BYTES, room):
            inline[digest] = b"".join(asset.chunks())
            room -= asset.size
        else:
            files[digest] = str(_stored(asset.chunks(), directory)[1])
    return Written(output=output.asset_id, inline=inline, files=files)


def _stored(chunks: Sequence[Buffer], directory: Path) -> tuple[str, Path]:
    """Write a large asset, hashing it on the way; it appears whole under its digest."""
    partial = directory / f".{os.getpid()}-{secrets.token_hex(4)}"
    sha = sha256()
    try:
        with partial.open("wb", buffering=0) as file:
            for chunk in chunks:
                view = memoryview(chunk).cast("B")
                sha.update(view)
                while view:
                    view = view[file.write(view) :]
        path = directory / sha.hexdigest()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path.name, path
