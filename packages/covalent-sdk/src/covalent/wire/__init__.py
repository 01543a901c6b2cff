"""What crosses the network between clients, workers and the server: plain data, standard library only.

Every record here is a frozen dataclass of JSON-able fields. Both sides speak from these definitions, so a field
is described once. A new field is optional and its absence means the old behaviour; what must not be ignored by
the other side is named as a *feature* in ``requires``.
"""

from __future__ import annotations

from typing import Final

#: The version of the protocol; raised only when old and new cannot talk at all.
PROTOCOL: Final = 1

#: ``Metadata.at_most_once``: a worker begins such a task only once ``Work.begin`` names it.
AT_MOST_ONCE: Final = "at-most-once"

#: What this version understands beyond the protocol's base. A message that requires anything else is refused.
FEATURES: Final[frozenset[str]] = frozenset(
    {
        #: ``Hooks.call_before`` and ``call_after``.
        "call-hooks",
        #: ``Hooks.deps.bash``.
        "bash-hooks",
        #: ``Hooks.deps.pip``.
        "pip-layers",
        #: ``Metadata.timeout``.
        "timeouts",
        #: ``Manifest.env``.
        "variables",
        #: The names of secrets in place of variables' texts.
        "secret-variables",
        #: Nodes of the kind ``sublattice``.
        "sublattices",
        #: Nodes of the kind ``replay``.
        "replay",
        AT_MOST_ONCE,
        #: ``Manifest.triggers``, and looking at a directory for one.
        "triggers",
    }
)

#: Those that a server needs and its workers do not.
SERVER_FEATURES: Final[frozenset[str]] = frozenset({"triggers"})

#: An asset of at most this many bytes travels inside the message that names it, and lives in the database.
INLINE_ASSET_BYTES: Final = 64 * 1024

#: Small assets that one message carries, altogether, in bytes.
INLINE_MESSAGE_BYTES: Final = 1024 * 1024

#: The content type of :mod:`covalent.wire.frames`.
FRAMES_CONTENT_TYPE: Final = "application/vnd.covalent.frames"
