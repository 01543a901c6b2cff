"""What is in a backup, and what is not: the last file in it, one JSON object a line.

The first line tells of the whole, each other one of a file with its size and digest. A line with a fault is of an
asset that was lost before the backup was made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from covalent.errors import WireError
from covalent.wire.codec import dumps, from_json
from covalent_server.errors import DamagedDataError, NewerDataError

FORMAT: Final = 1
NAME: Final = "manifest.jsonl"
DATABASE: Final = "covalent.db"
ASSETS: Final = "assets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A backup as a whole."""

    format: int = FORMAT
    covalent_server: str
    #: The revision of its database.
    revision: str
    #: In ISO 8601, with the offset from UTC.
    created_at: str
    #: How many files it has beside this list, and bytes in them, and how many assets it has not.
    files: int
    bytes: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a backup, or, with a fault, one that is not in it."""

    path: str
    size: int
    sha256: str
    fault: str | None = None


def asset_path(digest: str) -> str:
    """Where an asset's file is, in a backup as in a data directory."""
    return f"{ASSETS}/{digest[:2]}/{digest[2:]}"


def line(record: Heading | Entry) -> bytes:
    """A line of the list."""
    return dumps(record) + b"\n"


def parse(lines: Iterable[bytes]) -> Iterator[Heading | Entry]:
    """The heading, then the entries."""
    kind: type[Heading | Entry] = Heading
    for text in lines:
        try:
            record = from_json(kind, json.loads(text))
        except (WireError, ValueError) as error:
            raise DamagedDataError(f"its list of contents cannot be read: {error}") from None
        if isinstance(record, Heading) and record.format > FORMAT:
            raise NewerDataError(
                "a newer version of Covalent wrote this backup; upgrade with: pip install -U covalent-server"
            )
        yield record
        kind = Entry
