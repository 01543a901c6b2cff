"""``covalent-worker``, also ``python -m covalent.worker``: runs tasks for a server until it is told to leave."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from covalent.errors import CovalentError
from covalent.worker import options
from covalent.worker.credentials import credentials


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["env"]:
        from covalent.worker.layers import command  # noqa: PLC0415 - as below

        return command.main(given[1:])
    if "--provision" in given:
        from covalent.provisioning import command as provisioning  # noqa: PLC0415 - as below

        given.remove("--provision")  # its name is what follows, or stands alone
        return provisioning.main(given)
    parsed = options.parser().parse_args(given)
    logging.basicConfig(
        level=parsed.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    reason = unsupported(sys.platform)
    if reason is not None:
        sys.stderr.write(f"covalent-worker: {reason}\n")
        return 1
    from covalent.worker.supervisor import Supervisor  # noqa: PLC0415  it cannot be imported elsewhere than on Linux

    try:
        url = options.address(parsed)
        network = options.network(parsed, url)
        with credentials(url, parsed.pool, network, parsed.token_file, os.environ) as known:
            return Supervisor(options.settings(parsed, url, known), dict(os.environ)).run()
    except (CovalentError, OSError) as error:
        sys.stderr.write(f"covalent-worker: {error}\n")
        return 1


def unsupported(platform: str) -> str | None:
    """Why no worker can run on a platform, None where one can."""
    if platform == "linux":
        return None
    return f"workers need Linux for now, this is {platform}; start the worker on a Linux machine, in WSL or a container"


if __name__ == "__main__":
    sys.exit(main())
