"""From a built workflow to what is sent: a manifest and the assets that it names."""

from __future__ import annotations

from dataclasses import dataclass

from covalent.transportable import TransportableObject
from covalent.wire.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A workflow, ready to be sent."""

    manifest: Manifest
    #: By asset id.
    assets: dict[str, TransportableObject]
