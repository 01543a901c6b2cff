"""``python -m covalent``: says where the commands are, for this package has none of its own."""

from __future__ import annotations

import sys

_POINTER = """\
Covalent's SDK is a library:  import covalent as ct
The server's command:         covalent start   (installed with: {python} -m pip install covalent-server)
A worker, which the server starts by itself:  {python} -m covalent.worker --help
"""


def main(arguments: list[str]) -> int:
    """Point to the commands; the exit status is 2 when one was asked for here."""
    (sys.stderr if arguments else sys.stdout).write(_POINTER.format(python=sys.executable))
    return 2 if arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
