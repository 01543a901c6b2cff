"""Results in files: one zip with the JSON of everything that was known, and with the bytes of assets and streams.

Nothing is opened to write one or to read one. Assets stand in it under their digest, so that each is there once however
many nodes and dispatches name it.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from covalent.errors import ArchiveError, WireError
from covalent.graph import TransportGraph
from covalent.result.extent import Extent
from covalent.result.source import Source
from covalent.transportable import TransportableObject
from covalent.wire.codec import dumps, from_json, loads
from covalent.wire.manifest import Manifest
from covalent.wire.records import DispatchRecord, NodeRecord
from covalent.wire.streams import STREAMS
from covalent.wire.waiting import Waiting

_FORMAT: Final = 1
_INDEX: Final = "result.json"
_EXTENSION: Final = ".zip"
#: From so many bytes on, files are stored as they are.
_LARGE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """All JSON of one dispatch."""

    record: DispatchRecord
    manifest: Manifest
    nodes: tuple[NodeRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """All JSON of a saved result."""

    format: int = _FORMAT
    dispatch_id: str
    extent: Extent = field(default_factory=Extent)
    #: By their ids.
    dispatches: dict[str, Saved]


def write(
    path: Path, record: DispatchRecord, source: Source, extent: Extent, known: Mapping[str, TransportableObject]
) -> Path:
    """Save a result; the file's path. ``known`` are assets that need not be asked for.

    The file appears whole or not at all. In a directory it is called by the dispatch's id.
    """
    target = path / f"{record.dispatch_id}{_EXTENSION}" if path.is_dir() else path
    saved = dict(_dispatches(record, source, extent))
    index = Index(dispatch_id=record.dispatch_id, extent=extent, dispatches=saved)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        partial = Path(file.name)
        try:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(_INDEX, dumps(index), zipfile.ZIP_DEFLATED)
                for name, data in _contents(saved.values(), source, extent, known):
                    # Numbers, which is what large assets are made of, hardly get smaller.
                    archive.writestr(name, data, zipfile.ZIP_STORED if len(data) > _LARGE else zipfile.ZIP_DEFLATED)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    return target


def _dispatches(record: DispatchRecord, source: Source, extent: Extent) -> Iterator[tuple[str, Saved]]:
    """A dispatch and those of its sublattices."""
    waiting = [record]
    while waiting:
        record = waiting.pop()
        nodes = source.nodes(record.dispatch_id)
        yield record.dispatch_id, Saved(record=record, manifest=source.manifest(record.dispatch_id), nodes=nodes)
        if extent.sublattices:
            waiting += [source.dispatch(node.child) for node in nodes if node.child is not None]


def _contents(
    saved: Iterable[Saved], source: Source, extent: Extent, known: Mapping[str, TransportableObject]
) -> Iterator[tuple[str, bytes]]:
    """The files beside the index."""
    wanted: dict[str, None] = {}
    for item in saved:
        wanted.update(dict.fromkeys(_assets(item, extent)))
        for node in item.nodes:
            for stream in STREAMS if node.attempt else ():
                text = source.printed(item.record.dispatch_id, node, stream)
                if text:
                    yield _printed(item.record.dispatch_id, node.node_id, stream), text
    for digest in wanted.keys() & known.keys():
        yield _asset(digest), known[digest].serialize()
    for digest, data in source.assets([digest for digest in wanted if digest not in known]):
        yield _asset(digest), data


def _assets(item: Saved, extent: Extent) -> Iterator[str]:
    manifest = item.manifest
    yield from sorted(TransportGraph.from_record(manifest.graph).named_assets)
    yield from (digest for digest in (manifest.inputs, manifest.workflow, manifest.project) if digest is not None)
    if extent.outputs:
        yield from (node.output.digest for node in item.nodes if node.output is not None)
    if extent.value and item.record.result is not None:
        yield item.record.result.digest


def _asset(digest: str) -> str:
    return f"assets/{digest}"


def _printed(dispatch_id: str, node: int, stream: str) -> str:
    return f"streams/{dispatch_id}/{node}/{stream}"


class Archive:
    """A saved result, as a source of results. The file has to stay where it is as long as something of it is used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
            plain = loads(self._zip.read(_INDEX))
            newer = isinstance(plain, dict) and isinstance(plain.get("format"), int) and plain["format"] > _FORMAT
            if newer:
                raise ArchiveError(f"{path} was saved by a newer covalent-sdk; upgrade the one here to load it")
            self.index = from_json(Index, plain)
        except (zipfile.BadZipFile, KeyError, WireError) as error:
            raise ArchiveError(
                f"{path} holds no saved result ({error}); Result.load takes a file that result.save(path) has written"
            ) from None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"in {self._path}"

    @property
    def live(self) -> bool:
        """That its answers never change."""
        return False

    def dispatch(self, dispatch_id: str, *, wait: float = 0) -> DispatchRecord:  # noqa: ARG002 - it never changes
        """How a dispatch stood."""
        return self._saved(dispatch_id).record

    def manifest(self, dispatch_id: str) -> Manifest:
        """What was sent of a dispatch."""
        return self._saved(dispatch_id).manifest

    def nodes(self, dispatch_id: str) -> tuple[NodeRecord, ...]:
        """The nodes of a dispatch."""
        return self._saved(dispatch_id).nodes

    def node(self, dispatch_id: str, number: int) -> NodeRecord:
        """One of them."""
        return {node.node_id: node for node in self.nodes(dispatch_id)}[number]

    def why(self, dispatch_id: str, number: int | None) -> tuple[Waiting, ...]:
        """A file does not know."""
        del number
        raise ArchiveError(
            f"a saved result does not know why a node is not running; ask: ct.get_result({dispatch_id!r}).why()"
        )

    def printed(
        self,
        dispatch_id: str,
        node: NodeRecord,
        stream: str,
        *,
        offset: int = 0,
        wait: float = 0,  # noqa: ARG002 - nothing more comes
    ) -> bytes:
        """What a node's attempt had printed."""
        with contextlib.suppress(KeyError):  # it had printed nothing
            return self._zip.read(_printed(dispatch_id, node.node_id, stream))[offset:]
        return b""

    def asset(self, digest: str) -> bytes:
        """The bytes of an asset."""
        try:
            data = self._zip.read(_asset(digest))
        except KeyError:
            raise ArchiveError(
                f"the bytes of {digest[:12]} are not in {self._path}: they were left out when the result was saved"
            ) from None
        except (zipfile.BadZipFile, OSError) as error:
            raise ArchiveError(f"{self._path} is damaged ({error}); save the result again") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise ArchiveError(f"{self._path} is damaged (asset {digest[:12]}); save the result again")
        return data

    def large_asset(self, digest: str) -> bytes:
        """The bytes of an asset; a zip's content has no place that could be mapped."""
        return self.asset(digest)

    def assets(self, digests: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The bytes of several assets."""
        for digest in digests:
            yield digest, self.asset(digest)

    def conclude(self, dispatch_id: str, value: TransportableObject) -> DispatchRecord | None:
        """Nobody can be told."""
        del dispatch_id, value
        return None

    def _saved(self, dispatch_id: str) -> Saved:
        try:
            return self.index.dispatches[dispatch_id]
        except KeyError:
            raise ArchiveError(
                f"the dispatch {dispatch_id} of a sublattice is not in {self._path}: it was left out when the result "
                "was saved"
            ) from None
