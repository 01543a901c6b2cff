"""Workers on machines that are reached by ssh, for :class:`covalent.executors.SSHExecutor`.

A worker is a process at the end of an ssh connection. It reaches the server through that connection, by a port of its
machine's loopback that leads back here, and it goes when the connection does: a shell beside it waits for the end of
its input, tells it to finish, and is gone with it. What stays is a cache, and results that could not be sent, which the
next worker of that account sends.
"""

from __future__ import annotations

import asyncio
import shlex
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar
from urllib.parse import urlsplit

from covalent.errors import ProvisioningError
from covalent.provisioning import interpreters
from covalent.provisioning.interface import TOKEN_VARIABLE, Order, Provisioner
from covalent.provisioning.known_hosts import KnownHosts

if TYPE_CHECKING:
    import asyncssh

T = TypeVar("T")

#: Seconds for a connection to be made, and between two signs of life on it.
_CONNECT_SECONDS: Final = 30.0
_ALIVE_SECONDS: Final = 15.0
#: Kept of what a worker says, in characters.
_TAIL: Final = 4000
#: Runs on the machine. Its first line of input is the token; the end of its input is the end of the connection.
_SCRIPT: Final = """\
IFS= read -r {variable} || exit 70
export {variable}
{python}
exec 3<&0
"$python" "$@" </dev/null &
worker=$!
{{ cat <&3; kill -TERM "$worker"; }} >/dev/null 2>&1 &
watcher=$!
wait "$worker"
code=$?
kill "$watcher" 2>/dev/null
exit $code
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An account on a machine; what it leaves open is what the ssh configuration says."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        return f"{f'{self.user}@' if self.user else ''}{self.host}{f':{self.port}' if self.port else ''}"

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Address:
        """Where an executor's tasks are to run; raises ProvisioningError when it names no machine."""
        host, user, port = (attributes.get(name) for name in ("hostname", "username", "port"))
        if not isinstance(host, str) or not host:
            raise ProvisioningError("SSHExecutor(hostname=...) does not say on which machine tasks are to run")
        return cls(host=host, user=None if user is None else str(user), port=None if port is None else int(port))

    @classmethod
    def parsed(cls, text: str) -> Address:
        """From ``user@host:port``, of which the host alone has to be there."""
        user, _, place = text.rpartition("@")
        host, colon, port = place.rpartition(":")
        if not colon:
            host, port = place, ""
        if not host or not (port.isdecimal() or not port):
            raise ProvisioningError(f"{text!r} names no machine to go through; write user@host:port")
        return cls(host=host, user=user or None, port=int(port) if port else None)


@dataclass(slots=True, kw_only=True, eq=False)
class _Worker:
    """A worker at the other end of a connection."""

    where: str
    #: To its machine, and to one that this goes through.
    connections: list[asyncssh.SSHClientConnection]
    process: asyncssh.SSHClientProcess[str]
    tail: str = ""
    reading: asyncio.Task[None] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to come of it."""
        return self.reading is not None and self.reading.done()

    def close(self) -> None:
        """Close its connections."""
        for connection in self.connections:
            connection.close()

    async def read(self) -> None:
        """Keep the end of what it says."""
        async for line in self.process.stdout:
            self.tail = (self.tail + line)[-_TAIL:]


class SSHProvisioner(Provisioner):
    """Starts a worker at the end of an ssh connection."""

    executor: ClassVar[str] = "ssh"
    patience_seconds: ClassVar[float] = 120.0

    def __init__(self) -> None:
        try:
            import asyncssh  # noqa: PLC0415 - an extra, and slow to load
        except ImportError:
            raise ProvisioningError(
                "workers on machines that are reached by ssh need a package: pip install 'covalent-sdk[ssh]'"
            ) from None
        self._ssh = asyncssh
        self._workers: dict[str, _Worker] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True).start()

    def start(self, order: Order) -> str:
        """Connect, lead a port back to the server, and start the worker there."""
        return self._run(self._start(order))

    def ended(self, handle: str) -> str | None:
        """What the worker said at last, once its process has ended or its connection is lost."""
        worker = self._workers.get(handle)
        if worker is None:
            return "its connection went with the provisioner that had made it"
        return self._run(self._ended(handle, worker))

    def end(self, handle: str) -> None:
        """End the worker's input, at which it finishes what it runs, and goes."""
        worker = self._workers.get(handle)
        if worker is not None:
            self._loop.call_soon_threadsafe(worker.process.stdin.write_eof)

    def close(self) -> None:
        """Close what is left of the connections."""
        self._run(self._close())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self, order: Order) -> str:
        attributes = order.attributes
        where = str(Address.of(attributes))
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                connections = await self._connected(attributes)
        except TimeoutError:
            raise ProvisioningError(f"{where} did not answer within {_CONNECT_SECONDS:g} seconds") from None
        except (OSError, self._ssh.Error) as error:
            raise ProvisioningError(f"no connection to {where} by ssh: {_words(error)}") from None
        try:
            command = await self._command(connections[0], order)
            process = await connections[0].create_process(command, stderr=self._ssh.STDOUT, errors="replace")
        except (OSError, self._ssh.Error) as error:
            for connection in connections:
                connection.close()
            raise ProvisioningError(f"{where} starts no process: {_words(error)}") from None
        process.stdin.write(f"{order.token}\n")
        worker = _Worker(where=where, connections=connections, process=process)
        worker.reading = asyncio.get_running_loop().create_task(worker.read())
        handle = f"{where} {order.name}"
        self._workers[handle] = worker
        return handle

    async def _connected(self, attributes: Mapping[str, Any]) -> list[asyncssh.SSHClientConnection]:
        """The connection to the machine, and after it the one to a machine that it goes through."""
        jump = attributes.get("proxy_jump")
        if not jump:
            return [await self._connect(attributes, Address.of(attributes))]
        through = await self._connect(attributes, Address.parsed(str(jump)))
        try:
            return [await self._connect(attributes, Address.of(attributes), tunnel=through), through]
        except BaseException:
            through.close()
            raise

    async def _connect(
        self, attributes: Mapping[str, Any], address: Address, **more: Any
    ) -> asyncssh.SSHClientConnection:
        known = KnownHosts(self._ssh, attributes.get("known_hosts"), trust=bool(attributes.get("trust_on_first_use")))
        if attributes.get("ssh_key_file"):
            more["client_keys"] = [_here(attributes["ssh_key_file"])]
        if address.user:
            more["username"] = address.user
        if address.port:
            more["port"] = address.port
        return await self._ssh.connect(
            address.host,
            known_hosts=known.path,
            client_factory=known.client,
            keepalive_interval=_ALIVE_SECONDS,
            **more,
        )

    async def _command(self, connection: asyncssh.SSHClientConnection, order: Order) -> str:
        """What to have the account's shell run, with the server within the worker's reach."""
        url, parts = order.url, urlsplit(order.url)
        if parts.scheme == "http":  # it is encrypted by the connection alone
            port = parts.port or 80
            listener = await connection.forward_remote_port("127.0.0.1", 0, parts.hostname or "", port)
            url = f"http://127.0.0.1:{listener.get_port()}{parts.path}"
        script = _SCRIPT.format(variable=TOKEN_VARIABLE, python=interpreters.lines(order.attributes))
        return shlex.join(["sh", "-c", script, "covalent-worker", *order.arguments(url=url)])

    async def _ended(self, handle: str, worker: _Worker) -> str | None:
        if not worker.has_ended:
            return None
        status = worker.process.exit_status
        worker.close()
        del self._workers[handle]
        if status == 0:
            return ""
        how = "its connection was lost" if status is None else f"it ended with exit code {status}"
        words = worker.tail.strip()
        if "No module named covalent" in words:
            how += "; the interpreter there lacks the SDK: pip install covalent-sdk"
        return f"the worker on {worker.where}: {how}\n{words}"

    async def _close(self) -> None:
        for worker in self._workers.values():
            worker.close()
        for worker in self._workers.values():
            await worker.connections[0].wait_closed()


def _here(path: str) -> str:
    """A path on this machine."""
    return str(Path(path).expanduser())


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
