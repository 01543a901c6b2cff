"""A layer as it is kept, and why there is none."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from covalent.errors import WorkerError


class LayerError(WorkerError):
    """A layer cannot be built; says so in the installer's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer that is ready."""

    key: str
    #: Its interpreter.
    python: str
    #: What it adds to its parent, sorted, each as in ``pandas==2.2.3``.
    resolved: tuple[str, ...]
    #: Which of the parent's packages it shadows though nobody has named them; empty when none.
    warning: str = ""
    #: How long it took to build, in seconds.
    seconds: float = 0.0
    #: What it was built for.
    requirements: tuple[str, ...] = ()
    #: The interpreter that it lies over.
    parent: str = ""
    #: Seconds since the epoch.
    built_at: float = 0.0

    def write(self, path: Path) -> None:
        """Write it to a file, which appears whole or not at all, and only when the layer itself is on the disk."""
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.sync()  # an installer has written thousands of files
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What :meth:`write` wrote, None when there is nothing (or nothing that this version can read)."""
        try:
            plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**plain, "resolved": tuple(plain["resolved"]), "requirements": tuple(plain["requirements"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
