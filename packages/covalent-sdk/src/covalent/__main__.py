"""``python -m covalent``: commands for where only the SDK is installed."""

from __future__ import annotations

import sys

from covalent.commands.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
