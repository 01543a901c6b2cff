"""What is installed in the environment that runs this, as JSON: versions, and the bytes of each distribution's files.

Bytecode that Python writes later is not counted.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path


def size(distribution: metadata.Distribution) -> int:
    """Bytes of the files that an installer wrote for a distribution."""
    paths = (Path(str(path.locate())) for path in distribution.files or () if path.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    found = {
        distribution.metadata["Name"]: {"version": distribution.version, "bytes": size(distribution)}
        for distribution in metadata.distributions()
    }
    print(json.dumps(found, sort_keys=True))
