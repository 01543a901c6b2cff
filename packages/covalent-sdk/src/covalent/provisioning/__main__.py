"""``python -m covalent.provisioning``."""

import sys

from covalent.provisioning.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
