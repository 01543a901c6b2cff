"""Look into the wheels that users will install: what must be in them is, and what must not be is not.

Usage: ``python .ci/wheels.py WHEEL …``
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path, PurePosixPath

#: For each distribution: its one package, and what else its wheel has to hold.
CONTENTS = {
    "covalent_sdk": ("covalent", ("covalent/py.typed", "covalent/__init__.pyi", "covalent/wire/manifest.py")),
    "covalent_server": (
        "covalent_server",
        (
            "covalent_server/py.typed",
            "covalent_server/db/migrations/env.py",
            "covalent_server/web/static/index.html",
            "covalent_server/web/static/favicon.svg",
        ),
    ),
}
FORBIDDEN_PARTS = {"__pycache__", "tests", "ui"}


def faults(wheel: Path) -> list[str]:
    """What is wrong with a wheel, in sentences."""
    distribution = wheel.name.partition("-")[0]
    package, needed = CONTENTS[distribution]
    names = zipfile.ZipFile(wheel).namelist()
    found = [f"{name} is missing" for name in needed if name not in names]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        found.append("the licence is missing")
    for name in names:
        parts = PurePosixPath(name).parts
        if parts[0] != package and not parts[0].endswith(".dist-info"):
            found.append(f"{name} is outside {package}")
        if FORBIDDEN_PARTS & set(parts) or PurePosixPath(name).suffix in {".pyc", ".so"}:
            found.append(f"{name} does not belong into a wheel")
    if distribution == "covalent_server" and not any("/db/migrations/versions/0" in name for name in names):
        found.append("no migration is in it")
    if distribution == "covalent_server" and not any("/web/static/assets/index-" in name for name in names):
        found.append("the web page's script is not in it")
    return found


def main(wheels: list[str]) -> int:
    """Print what is wrong; exit code 1 if anything is."""
    wrong = [f"{Path(wheel).name}: {fault}" for wheel in wheels for fault in faults(Path(wheel))]
    expected = {f"{name}-" for name in CONTENTS}
    wrong += [f"no wheel of {name[:-1]}" for name in expected if not any(Path(w).name.startswith(name) for w in wheels)]
    print("\n".join(wrong) or f"{len(wheels)} wheels hold what they should")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
