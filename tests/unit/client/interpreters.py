"""Programs that say of themselves what a Python would say: for tests of what is done with that."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STANDARD = sorted({*sys.builtin_module_names, *sys.stdlib_module_names})
OWN = tuple(sys.version_info[:3])
#: A version that no test runs on.
OTHER = (3, 99, 1)


@dataclass(kw_only=True)
class Environment:
    """A directory that passes for a virtual environment."""

    home: Path
    version: tuple[int, ...] = OWN
    #: Installed distributions, which own the import names that they are called by.
    distributions: dict[str, str] = field(default_factory=lambda: {"covalent-sdk": "1", "cloudpickle": "99"})
    strange: bool = False
    without: frozenset[str] = frozenset()

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    @property
    def site(self) -> Path:
        """Where its packages would be."""
        return self.home / "site-packages"

    @property
    def asked(self) -> int:
        """How often it was run."""
        path = self.home / "asked"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def made(self, said: str | None = None) -> Path:
        """Write it, and give its interpreter; ``said`` stands for what an interpreter says."""
        self.python.parent.mkdir(parents=True, exist_ok=True)
        self.site.mkdir(exist_ok=True)
        (self.home / "said").write_text(json.dumps(self._facts()) if said is None else said)
        self.python.write_text(f"#!/bin/sh\necho >>{self.home}/asked\ncat {self.home}/said\n")
        self.python.chmod(0o755)
        return self.python

    def _facts(self) -> dict[str, Any]:
        names = {"covalent" if name == "covalent-sdk" else name for name in self.distributions}
        return {
            "version": self.version,
            "implementation": "CPython",
            "distributions": self.distributions,
            "owners": {name: [name] for name in names},
            "names": sorted({*STANDARD, *names} - self.without),
            "strange": self.strange,
            "stamps": {str(self.site): self.site.stat().st_mtime_ns},
        }
