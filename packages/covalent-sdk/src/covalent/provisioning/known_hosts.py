"""Which machines are what they say: those of a file, and, on request, one that is met for the first time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_USUAL: Final = "~/.ssh/known_hosts"


class KnownHosts:
    """The machines that a connection may be made to."""

    def __init__(self, ssh: Any, path: str | None, *, trust: bool) -> None:
        """With ``trust``, a machine that nothing is known of is noted in the file, and has to stay itself."""
        self._ssh = ssh
        self._file = Path(path or _USUAL).expanduser()
        self._trust = trust

    @property
    def path(self) -> str | bytes:
        """The file; an empty list when there is none, so that nothing is known."""
        return str(self._file) if self._file.exists() else b""

    def client(self) -> Any:
        """What decides about a machine that the file does not vouch for."""
        return _deciding(self._ssh.SSHClient, self._first_use)

    def _first_use(self, host: str, addr: str, port: int, key: Any) -> bool:
        if not self._trust:
            return False
        if self._file.exists():
            found = self._ssh.match_known_hosts(self._ssh.read_known_hosts(str(self._file)), host, addr, port)
            if any(found):  # another key: it is not the machine that it was, or somebody is in between
                return False
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = host if port in (None, 22) else f"[{host}]:{port}"
        line = key.export_public_key("openssh").decode().split()
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{name} {line[0]} {line[1]}\n")
        return True


def _deciding(base: Any, decide: Callable[..., bool]) -> Any:
    """One of the package's clients, which asks about machines that are not known."""

    class Client(base):  # type: ignore[misc]  # the package may not be there where types are checked
        def validate_host_public_key(self, *machine: Any) -> bool:
            return decide(*machine)

    return Client()
