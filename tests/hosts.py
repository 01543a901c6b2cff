"""Several hosts on this machine: network namespaces, each with a cable to one switch. It takes root.

They share files and processes; what is apart is the network, so that cables can be cut and addresses can move.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final, Self

#: A network that is used nowhere else: RFC 5737 keeps it for documentation.
_NETWORK: Final = "198.51.100"
_numbers = itertools.count(1)


def ip(*arguments: str) -> None:
    """Run the command of that name; an assertion with its words when it fails."""
    _run("ip", *arguments)


def _run(name: str, *arguments: str) -> None:
    command = shutil.which(name) or f"/usr/sbin/{name}"
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{name} {' '.join(arguments)}: {done.stderr}")


class Network:
    """A switch, and the hosts that are plugged in."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = f"cov{os.getpid()}n{next(_numbers)}"
        self._hosts: list[Host] = []

    def __enter__(self) -> Self:
        ip("netns", "add", self._name)
        ip("-n", self._name, "link", "add", "switch", "type", "bridge")
        ip("-n", self._name, "link", "set", "switch", "up")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts:
            host.remove()
        ip("netns", "del", self._name)

    def host(self) -> Host:
        """One more host, with a cable to the switch."""
        host = Host(self._name, len(self._hosts) + 1, self._directory)
        self._hosts.append(host)
        return host


class Host:
    """A host with one address, which knows others by what is written into its file of names."""

    def __init__(self, switch: str, number: int, directory: Path) -> None:
        self._switch = switch
        self._port = f"port{number}"
        self._name = f"{switch}h{number}"
        self._directory = directory
        self._names = Path("/etc/netns") / self._name
        self.address = f"{_NETWORK}.{number}"
        self._names.mkdir(parents=True)
        (self._names / "hosts").write_text("127.0.0.1 localhost\n")
        ip("netns", "add", self._name)
        ip("-n", switch, "link", "add", self._port, "type", "veth", "peer", "name", "eth0", "netns", self._name)
        ip("-n", switch, "link", "set", self._port, "master", "switch", "up")
        ip("-n", self._name, "link", "set", "lo", "up")
        ip("-n", self._name, "link", "set", "eth0", "up")
        ip("-n", self._name, "address", "add", f"{self.address}/24", "dev", "eth0")

    def remove(self) -> None:
        """Take it away; its processes have ended."""
        ip("netns", "del", self._name)
        shutil.rmtree(self._names)

    def interpreter(self, python: str) -> str:
        """A command that runs an interpreter on this host."""
        command = self._directory / f"{self._name}-python-{next(_numbers)}"
        command.write_text(f'#!/bin/sh\nexec ip netns exec {self._name} {python} "$@"\n')
        command.chmod(0o755)
        return str(command)

    def knows(self, name: str, host: Host) -> None:
        """Have a name lead to another host's address."""
        # In place: it is this very file that processes here see.
        (self._names / "hosts").write_text(f"127.0.0.1 localhost\n{host.address} {name}\n")

    def cut(self) -> None:
        """Cut its cable."""
        ip("-n", self._switch, "link", "set", self._port, "down")

    def mend(self) -> None:
        """Mend its cable."""
        ip("-n", self._switch, "link", "set", self._port, "up")

    def slow(self, rate: str) -> None:
        """Let so much through its cable, in both directions: ``1mbit`` for a million bits in a second."""
        shape = ("root", "tbf", "rate", rate, "burst", "16kb", "latency", "400ms")
        for namespace, device in ((self._name, "eth0"), (self._switch, self._port)):
            _run("tc", "-n", namespace, "qdisc", "add", "dev", device, *shape)

    def move(self, number: int) -> None:
        """Give it another address."""
        ip("-n", self._name, "address", "del", f"{self.address}/24", "dev", "eth0")
        self.address = f"{_NETWORK}.{number}"
        ip("-n", self._name, "address", "add", f"{self.address}/24", "dev", "eth0")
