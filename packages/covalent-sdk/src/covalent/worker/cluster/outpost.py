"""Beside the process of a Dask worker: slots and runners, as on any machine, for the orders that Dask has sent there.

To the server it is a part of the bridge: it speaks with the bridge's name and token. Over its own line it fetches
large inputs and sends large outputs, tells what has begun and what is printed, and hears of leases that are to be
dropped. Small results go back the way that the orders came. It ends with its Dask worker.
"""

from __future__ import annotations

import logging
import os
import secrets
import selectors
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from covalent.errors import WireError
from covalent.http import Network, Server
from covalent.wire import places
from covalent.wire.work import LeaseKey, Poll, Welcome
from covalent.worker import channel, endings, spool
from covalent.worker.cluster import messages
from covalent.worker.cluster.messages import BEGUN, Setup
from covalent.worker.couriers import Courier
from covalent.worker.environment import with_server
from covalent.worker.exchange import Answer, Exchange
from covalent.worker.home import Home
from covalent.worker.ledger import Held, Ledger
from covalent.worker.local import Local
from covalent.worker.loop import Loop
from covalent.worker.outbox import Outbox
from covalent.worker.place import Printed
from covalent.worker.processes import start_janitor
from covalent.worker.settings import Patience, WorkerSettings
from covalent.worker.spool import Entry

Buffer = bytes | bytearray | memoryview

_log = logging.getLogger("covalent.worker")
_UPLOADERS: Final = 2
#: The longest sleep of the loop in seconds: with nothing to run, and with something.
_IDLE, _RUNNING = 0.5, 0.05
#: A server that cannot be reached from here for so long fails the tasks that need it, in seconds.
_UNREACHABLE: Final = 60.0


def main() -> None:
    """Run orders until the Dask worker closes the socket. The argument is its descriptor."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    logging.basicConfig(level="WARNING", stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    length = int.from_bytes(connection.recv(8, socket.MSG_WAITALL))
    frame = connection.recv(length, socket.MSG_WAITALL)
    if frame:
        setup: Setup = messages.record_of(Setup, messages.number_of(frame)[1])
        Outpost(connection, setup, os.environ).run()


class Outpost:
    """What runs the orders of one Dask worker; all of it happens in the loop's thread."""

    def __init__(self, connection: socket.socket, setup: Setup, environ: Mapping[str, str]) -> None:
        settings = _settings(setup, environ)
        self._home = Home(settings.directory, secrets.token_hex(12))
        start_janitor(self._home.registry)
        self._loop = Loop()
        self._channel = channel.Channel(connection)
        self._loop.selector.register(self._channel, selectors.EVENT_READ, self._readable)
        ca_file = _trusted(self._home, setup.post.authority)
        network = Network(ca_file=ca_file)
        server = Server(settings.server, settings.token, network=network, token_sources=settings.token_source)
        self._url = settings.server
        self._ledger = Ledger()
        #: Of each lease, by its token, which order it came with.
        self._numbers: dict[str, int] = {}
        #: Leases of which the bridge knows that their tasks have begun.
        self._told: set[str] = set()
        self._outbox = Outbox(
            server=server,
            worker=setup.post.worker,
            held=self._ledger.keys,
            spool=spool.Spool(self._home.spool),
            uploaders=[Courier(f"covalent-upload-{number}", self._loop.mailbox) for number in range(_UPLOADERS)],
            later=self._loop.later,
            patience=settings.patience,
        )
        self._place = Local(
            settings=settings,
            environ=with_server(environ, settings.server, ca_file),
            home=self._home,
            server=server,
            loop=self._loop,
            ends=self,
        )
        self._exchange = Exchange(
            server=server,
            worker=setup.post.worker,
            hello=None,
            tasks=self,
            outbox=self._outbox,
            mailbox=self._loop.mailbox,
            patience=settings.patience,
            clock=time.monotonic,
            refused=self._refused,
        )

    def run(self) -> None:
        """Work until the Dask worker has gone."""
        while not self._channel.ended:
            happened = self._loop.turn(_RUNNING if len(self._ledger) else _IDLE)
            now = time.monotonic()
            self._place.step(now)
            self._tell_begun()
            self._send_results()
            self._exchange.step(now)
            if self._exchange.contact.lost_for(now) > _UNREACHABLE:
                self._give_up()
            if not happened:
                self._place.keep_reserve(now)
        self._place.stop()
        self._home.leave()

    # -- orders in, results out

    def _readable(self) -> None:
        for data in self._channel.receive():
            number, frame = messages.number_of(data)
            try:
                order, assets = messages.order(frame)
            except WireError as error:
                _log.error("an order cannot be read: %s", error)
                self._channel.send(messages.numbered(number, b""))
                continue
            new = self._ledger.accept([order.lease])
            if not new:  # it has been here: what is sent twice is not run twice
                self._channel.send(messages.numbered(number, b""))
            for held in new:
                self._numbers[held.lease.key.token] = number
                self._place.take(held, assets)

    def _tell_begun(self) -> None:
        tokens = [held.lease.key.token for told in (False, True) for held in self._place.running(told=told)]
        news = [token for token in tokens if token not in self._told]
        if news:
            self._told.update(news)
            self._channel.send(messages.numbered(BEGUN, " ".join(news).encode("ascii")))

    def _send_results(self) -> None:
        items = self._outbox.take()
        for item in items:
            key = item.result.completion.key
            self._ledger.forget(key)
            self._reply(key, spool.packed(item))
        self._outbox.acknowledged(items)
        self._channel.flush()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._channel.waiting else 0)
        self._loop.selector.modify(self._channel, events, self._readable)

    def _reply(self, key: LeaseKey, frame: bytes) -> None:
        self._told.discard(key.token)
        number = self._numbers.pop(key.token, None)
        if number is not None:
            self._channel.send(messages.numbered(number, frame))

    def _give_up(self) -> None:
        """Fail what cannot be fetched."""
        for held in self._place.release():
            self.ended(
                held, endings.impossible(held, f"this Dask worker cannot reach the server at {self._url}: see there")
            )

    def _refused(self, reason: str) -> None:
        _log.error("the server does not take this outpost: %s", reason)

    # -- what the place tells

    def ended(self, held: Held, entry: Entry) -> None:
        """A task has come to its end, well or not."""
        if self._ledger.get(held.lease.key) is held:
            self._ledger.end(held)
            self._place.over(held)
            self._outbox.add(entry, spooled=True)

    def given_back(self, leases: Sequence[Held]) -> None:
        """Dask sends no more tasks than there are slots; what must wait all the same waits for the next look."""
        for held in leases:
            self._place.take(held, {})

    # -- what the exchange asks and tells

    def held(self) -> tuple[LeaseKey, ...]:
        """All leases that are here."""
        return self._ledger.keys()

    def newly_started(self) -> tuple[LeaseKey, ...]:
        """Leases whose task has begun a moment ago, or is to begin, and of which the server does not know that."""
        return self._place.beginning()

    def newly_preparing(self) -> tuple[LeaseKey, ...]:
        """Leases whose environment is being built, and of which the server does not know that."""
        return self._place.newly_preparing()

    def unfinished(self) -> int:
        """Leases come from the bridge alone."""
        return 0

    def capacity(self) -> int:
        """Leases come from the bridge alone."""
        return 0

    def more_soon(self) -> bool:
        """Results do not leave by the exchange."""
        return False

    def listens(self) -> bool:
        """Whether a task runs of which the server knows that it has begun."""
        return any(self._place.running(told=True))

    def printed(self) -> Printed:
        """What running tasks have printed that the server does not have."""
        return self._place.printed()

    def take_released(self) -> list[LeaseKey]:
        """Leases are given back by the bridge alone."""
        return []

    def introduced(self, welcome: Welcome) -> None:
        """The bridge introduces itself, not its outposts."""

    def told(self, poll: Poll, blobs: Sequence[Buffer]) -> None:
        """The server has answered this message."""
        self._ledger.told(poll, blobs)
        self._place.told(poll)

    def answered(self, answer: Answer) -> None:
        """There are leases to begin, or to drop."""
        ended = list(self._place.confirmed(answer.started, answer.work.begin))
        for key in answer.work.drop:
            held = self._ledger.get(key)
            if held is not None and not held.ended:
                self._place.drop(held)
                ended.append(held)
        for held in ended:
            self._ledger.forget(held.lease.key)
            self._place.over(held)
            self._reply(held.lease.key, b"")  # to the bridge it is nothing, which has been told the same


def _trusted(home: Home, authority: str) -> Path | None:
    """The file of what vouches for the server's certificate, None where the machine knows that."""
    if not authority:
        return None
    path = home.own / "authority.pem"
    path.write_text(authority, encoding="ascii")
    return path


def _settings(setup: Setup, environ: Mapping[str, str]) -> WorkerSettings:
    cache: Path = places.cache_dir(environ).expanduser().resolve()
    return WorkerSettings(
        server=setup.post.server,
        pool="",
        slots=setup.slots,
        token=setup.post.token,
        token_source="the bridge",  # noqa: S106 - it says where the token comes from
        directory=cache / "dask",
        layers=places.layers_dir(environ).expanduser().resolve(),
        gpus=places.gpus_dir(environ).expanduser().resolve(),
        patience=Patience(unreachable_busy=_UNREACHABLE),
    )
