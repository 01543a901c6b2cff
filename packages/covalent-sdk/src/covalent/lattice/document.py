"""A lattice without its open function: as it is stored in a dispatch, and as one self-contained JSON document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from covalent.errors import WireError
from covalent.graph import TransportGraph
from covalent.options import Options
from covalent.transportable import TransportableObject
from covalent.wire.codec import from_json, loads, to_json
from covalent.wire.manifest import Graph, LatticeRecord, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What is kept of a lattice; nothing in it is opened."""

    name: str
    #: What it says besides its function.
    record: LatticeRecord
    #: With the assets that it names.
    graph: TransportGraph
    #: The function.
    workflow: TransportableObject | None
    #: ``{"args": tuple, "kwargs": dict}``.
    inputs: TransportableObject | None
    #: The user's own modules.
    project: TransportableObject | None

    @classmethod
    def of_manifest(cls, manifest: Manifest, asset: Callable[[str], TransportableObject]) -> Self:
        """That of a dispatch; ``asset`` gives what a digest names."""
        graph = TransportGraph.from_record(manifest.graph)
        graph.assets = {digest: asset(digest) for digest in graph.named_assets}

        def named(digest: str | None) -> TransportableObject | None:
            return None if digest is None else asset(digest)

        return cls(
            name=graph.name,
            record=manifest.lattice or LatticeRecord(metadata=Options().to_json()),
            graph=graph,
            workflow=named(manifest.workflow),
            inputs=named(manifest.inputs),
            project=named(manifest.project),
        )

    def text(self) -> str:
        """One JSON document with everything in it: graph, functions, constants and the user's own modules."""
        loose = {"workflow_function": self.workflow, "inputs": self.inputs, "project": self.project}
        present = [asset for asset in loose.values() if asset is not None]
        attributes = {
            "name": self.name,
            **to_json(self.record),
            "graph": to_json(self.graph.record),
            **{name: asset and asset.asset_id for name, asset in loose.items()},
            "assets": {asset.asset_id: asset.to_dict() for asset in (*self.graph.assets.values(), *present)},
        }
        return json.dumps({"type": "Lattice", "attributes": attributes}, sort_keys=True)

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """From what :meth:`text` gave; raises WireError."""
        try:
            return cls._read(loads(text)["attributes"])
        except (KeyError, TypeError, AttributeError) as error:
            raise WireError(f"not the JSON form of a lattice: {error!r}") from None

    @classmethod
    def _read(cls, plain: Mapping[str, Any]) -> Self:
        assets = {digest: TransportableObject.from_dict(item) for digest, item in plain["assets"].items()}
        for digest, asset in assets.items():
            if digest != asset.asset_id:
                raise WireError(f"the asset {digest} has the digest {asset.asset_id}", path="$.attributes.assets")
        loose = {name: plain[name] for name in ("workflow_function", "inputs", "project")}
        graph = TransportGraph.from_record(from_json(Graph, plain["graph"]))
        graph.assets = {digest: asset for digest, asset in assets.items() if digest not in loose.values()}
        return cls(
            name=str(plain["name"]),
            record=from_json(LatticeRecord, plain),
            graph=graph,
            workflow=loose["workflow_function"] and assets[loose["workflow_function"]],
            inputs=loose["inputs"] and assets[loose["inputs"]],
            project=loose["project"] and assets[loose["project"]],
        )
