"""Where every command of the server enters: ``covalent``, and ``python -m covalent_server``.

The guard is armed before anything else is imported, so that nothing below can have loaded an unpickler.
"""

from covalent_server import guard


def main() -> None:
    """Arm the guard, then run the command line."""
    guard.arm()
    from covalent_server.cli.command import main as run  # noqa: PLC0415  (everything else comes after the guard)

    run()


if __name__ == "__main__":
    main()
