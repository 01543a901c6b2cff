"""Try to open a pickle in this interpreter: ``refusal.py guarded|unguarded FILE``; exit code 0 when it was opened.

Run by the server's own interpreter. With ``guarded`` the server's guard is armed first, as it is in every process of
the server; the bytes are an asset of ours, or a bare pickle.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Open the payload, or die of what keeps it closed."""
    mode, path = sys.argv[1:]
    data = Path(path).read_bytes()
    if mode == "guarded":
        from covalent_server import guard  # before anything else, as in the server

        print(f"guard: {guard.arm()}")
    from covalent.wire import container

    if data.startswith(container.MAGIC):
        header = container.read_header(data)
        print(f"the header says: {header.codec} of {header.type_name}")
        start, end = next(container.part_spans(data, header))
        data = data[start:end]
    import pickle

    pickle.loads(data)  # noqa: S301
    print("opened")


if __name__ == "__main__":
    main()
