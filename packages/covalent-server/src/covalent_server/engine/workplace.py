"""The server's side of the lease protocol: workers introduce themselves, bring results, take leases, beat."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from covalent.wire import FEATURES
from covalent.wire.pool_tokens import WORKER_POOL
from covalent.wire.work import Acknowledgement, Hello, LeaseKey, Poll, Welcome, Work
from covalent_server.core.errors import AssetMismatchError, ForeignPoolError, UnknownWorkerError
from covalent_server.core.events import LeaseEnd
from covalent_server.core.turns import Turn
from covalent_server.core.waiting import WorkerFacts
from covalent_server.db import dispatches, identity
from covalent_server.db import work as rows
from covalent_server.db.dispatches import Place
from covalent_server.engine import intake, messages
from covalent_server.engine.bell import heard
from covalent_server.engine.callers import Caller
from covalent_server.engine.parcels import Parcels
from covalent_server.engine.shared import Shared, monotonic, now
from covalent_server.engine.submission import check_protocol

#: Leases that one answer carries at most, whatever a worker asks for.
MAX_LEASES: Final = 256
#: Seconds that an answer is held back at most.
MAX_WAIT: Final = 30.0
#: Seconds of silence after which a worker that its user has started counts as gone.
FORGOTTEN_SECONDS: Final = 60.0


@dataclass(slots=True, kw_only=True)
class Seat:
    """A worker that introduced itself."""

    worker: str
    owner: str
    pool: int
    #: What its pool is to those who have tasks for it.
    place: Place
    #: The digest of the token that it reports with; None when nobody knows.
    token: str | None = None
    #: Features of this server that the worker does not have.
    lacks: frozenset[str]
    #: When it was last heard of, by the monotonic clock, and how many of its polls wait here.
    heard: float
    waiting: int = 0
    #: Whether it was refused a task for holding another: it is to ask again once it holds nothing.
    withheld: bool = False
    #: What was sent to it already and need not be sent again.
    sent: OrderedDict[str, None] = field(default_factory=OrderedDict)


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """A poll whose answer is held back until there is a lease."""

    seat: Seat
    report: rows.Report
    woken: asyncio.Event
    #: Its next look for leases, when somebody else has begun that.
    look: asyncio.Future[rows.ReportOutcome] | None = None


class Workplace:
    """Where workers report."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._seats: dict[str, Seat] = {}
        self._parcels = Parcels(shared)
        #: Whose turn was last in each pool. It says only where the next look begins: a new server begins anywhere.
        self._turns: dict[int, Turn] = {}
        #: The polls that are held back, by owner and place, in the order in which they came.
        self._held: dict[tuple[str, Place], dict[Held, None]] = {}
        #: True once no more leases are given out: the server is about to stop.
        self.closed = False

    def seat(self, worker: str, pool: identity.PoolRow, features: Collection[str], token: str | None = None) -> None:
        """Let a worker report that introduced itself, now or to an earlier server."""
        if worker not in self._seats:
            self._shared.staff[pool.id] += 1
        self._seats[worker] = Seat(
            worker=worker,
            owner=pool.owner,
            pool=pool.id,
            place=Place(executor=pool.executor, place=pool.place),
            token=token,
            lacks=FEATURES.difference(features),
            heard=monotonic(),
        )

    def expect(self, owner: str, places: Iterable[Place]) -> None:
        """Let workers that wait look for leases in the commit that is about to make some, one for each of the places.

        Without it they would look in a commit of their own, as soon as they are told that there are leases.
        """
        for place in places:
            held = next(iter(self._held.get((owner, place), ())), None)
            if held is not None and held.look is None and self._is_seated(held.seat) and not self.closed:
                held.look = self._look(held.seat, held.report)
                held.woken.set()

    @property
    def held(self) -> int:
        """How many polls are held back until there are leases."""
        return sum(map(len, self._held.values()))

    def silent(self, worker: str) -> bool:
        """Whether a worker has not been heard of for longer than its leases live."""
        seat = self._seats.get(worker)
        if seat is None:
            return True
        return not seat.waiting and seat.heard + self._shared.settings.lease_ttl < monotonic()

    def was_stopped(self, seconds: float) -> None:
        """This process was stopped for so long: nobody could be heard, and no lease has expired by that."""
        self._shared.ledger.postpone(seconds)
        for seat in self._seats.values():
            seat.heard += seconds

    def workers(self) -> dict[int, list[WorkerFacts]]:
        """The workers that report here, by their pools; who has missed a heartbeat counts as silent."""
        late = monotonic() - self._shared.settings.lease_ttl / 2
        found: dict[int, list[WorkerFacts]] = {}
        for seat in self._seats.values():
            silent = not seat.waiting and seat.heard < late
            since = now() - (monotonic() - seat.heard) if silent else None
            found.setdefault(seat.pool, []).append(
                WorkerFacts(worker=seat.worker, lacks=seat.lacks, silent_since=since)
            )
        return found

    async def hello(
        self, caller: Caller, hello: Hello, token: str | None = None
    ) -> tuple[Welcome, identity.WorkerRow, identity.PoolRow]:
        """A worker introduces itself; what it is told, and what is known of it and its pool."""
        check_protocol(hello.protocol, ())
        messages.check_hello(hello)
        pool = await self._pool(caller, hello)
        known = self._seats.get(hello.worker)
        if pool is None or (known is not None and (known.owner, known.pool) != (caller.owner, pool.id)):
            raise UnknownWorkerError(hello.worker)
        row = identity.WorkerRow(
            id=hello.worker, pool=pool.id, host=hello.host, pid=hello.pid, features=hello.features, token=token
        )
        await self._shared.write(lambda session: identity.add_worker(session, row, now()))
        self.seat(hello.worker, pool, hello.features, token)
        return Welcome(instance=self._shared.instance, ttl=self._shared.settings.lease_ttl), row, pool

    async def _pool(self, caller: Caller, hello: Hello) -> identity.PoolRow | None:
        """The pool whose tasks a worker asks for: by its number, or by the name that its token is for."""
        if caller.pool is None:
            pools = await self._shared.read(identity.pools)
            return next((item for item in pools if str(item.id) == hello.pool and item.owner == caller.owner), None)
        if hello.pool != caller.pool:
            raise ForeignPoolError(caller.pool, hello.pool)
        place = Place(executor=WORKER_POOL, place=caller.pool)
        number = await self._shared.write(lambda session: dispatches.pool_id(session, caller.owner, place))
        return identity.PoolRow(id=number, owner=caller.owner, executor=place.executor, place=place.place)

    def reporting_with(self, token: str) -> list[str]:
        """The workers that report with the token of this digest."""
        return [seat.worker for seat in self._seats.values() if seat.token == token]

    async def dismiss(self, workers: Iterable[str]) -> None:
        """Give workers nothing more, and what they hold to others; polls of theirs that wait here are answered."""
        for worker in workers:
            seat = self._seats.get(worker)
            await self.lost(worker, LeaseEnd.DIED)
            self._shared.bell.ring([("worker", worker), *([("pool", seat.pool)] if seat else [])])

    async def dismiss_silent(self) -> None:
        """Forget workers that nobody watches and that have not been heard of for long: their machines may be gone."""
        late = monotonic() - max(FORGOTTEN_SECONDS, 4 * self._shared.settings.lease_ttl)
        own = [seat for seat in self._seats.values() if seat.place.executor == WORKER_POOL]
        await self.dismiss([seat.worker for seat in own if not seat.waiting and seat.heard < late])

    async def bye(self, owner: str, worker: str, *, pool: str | None = None) -> None:
        """A worker goes; what it held goes back."""
        self._seated(worker, owner, pool)
        await self.lost(worker, LeaseEnd.TAKEN)

    async def lost(self, worker: str, how: LeaseEnd) -> None:
        """A worker is gone: take back its leases at once."""
        seat = self._seats.pop(worker, None)
        if seat is not None:
            self._shared.staff[seat.pool] -= 1
        await self._shared.write(lambda session: identity.end_worker(session, worker, now()))
        await self._take_back(worker, how)
        self._shared.understaffed.set()

    async def _take_back(self, worker: str, how: LeaseEnd) -> None:
        await self.take_back(self._shared.ledger.of_worker(worker), how)

    async def take_back(self, leases: Sequence[tuple[int, int]], how: LeaseEnd) -> None:
        """End leases, given as (node, attempt); they are known until that is committed, so that none is lost."""
        if leases:
            effects = await self._shared.write(lambda session: rows.end_leases(session, leases, how, now()))
            self._shared.ledger.forget(leases)
            self._shared.tell(effects)

    def _is_seated(self, seat: Seat) -> bool:
        return self._seats.get(seat.worker) is seat

    def _seated(self, worker: str, owner: str, pool: str | None) -> Seat:
        seat = self._seats.get(worker)
        named = seat.place.place if seat is not None and seat.place.executor == WORKER_POOL else None
        if seat is None or seat.owner != owner or named != pool:
            raise UnknownWorkerError(worker)
        return seat

    async def poll(
        self, owner: str, poll: Poll, blobs: Sequence[memoryview], *, pool: str | None = None
    ) -> tuple[Work, list[bytes]]:
        """Results in, leases out: in one commit, or, for an idle worker, as soon as there is a lease.

        ``pool`` is the one that the worker's token is for, by its name.
        """
        seat = self._seated(poll.worker, owner, pool)
        check_protocol(poll.protocol, ())
        seat.heard = monotonic()
        if messages.only_listens(poll):
            return await self._listen(seat, poll), []
        report, forged = self._report(seat, poll, blobs)
        drop = await self._renew(seat, poll)
        # Judged by what the worker held when it asked, not when it is answered.
        leased = await self._again(seat, poll)
        acknowledgements: list[Acknowledgement] = []
        begin: list[LeaseKey] = []
        # Whoever waits for leases is not to wait longer than until lost ones are sent once more.
        redelivery = self._shared.ledger.redelivery(seat.worker, messages.named(poll))
        deadline = min(monotonic() + min(poll.wait, MAX_WAIT), redelivery)
        idle = not (messages.tells(report) or leased)
        with self._present(seat), self._shared.bell.listen(("pool", seat.pool)) as event:
            look = None
            # A worker that died may have left a poll that waits here: it must not take what others could run.
            while look or not idle or (report.want and self._is_seated(seat)):
                event.clear()
                outcome = await self._shared.written(look or self._look(seat, report))
                leased += outcome.leased
                acknowledgements += outcome.acknowledgements
                begin += outcome.begin
                drop += self._settle(seat, report, outcome)
                if not self._is_seated(seat):  # it was lost while this was written
                    await self._take_back(seat.worker, LeaseEnd.TAKEN)
                if not idle or leased or self.closed:
                    break
                woken, look = await self._hold(seat, report, event, deadline)
                if not (woken or look):
                    break
        leases, blobs_out = await self._parcels.pack(leased, seat.owner, seat.sent)
        work = Work(
            instance=self._shared.instance,
            acknowledgements=messages.merge(acknowledgements, forged, len(poll.completions)),
            leases=leases,
            assets=tuple(blobs_out),
            drop=drop,
            begin=tuple(begin),
        )
        return work, list(blobs_out.values())

    async def _listen(self, seat: Seat, poll: Poll) -> Work:
        """Hold the answer back until one of the worker's leases is to be dropped, or the time is over."""
        deadline = monotonic() + min(poll.wait, MAX_WAIT)
        with self._present(seat), self._shared.bell.listen(("worker", seat.worker)) as event:
            drop = await self._renew(seat, poll)
            if not drop and not self.closed and await heard(event, deadline - monotonic()):
                # Perhaps it was a lease that came after this was asked: then the worker asks again, and names it.
                drop = await self._renew(seat, poll)
        return Work(instance=self._shared.instance, drop=drop)

    @contextmanager
    def _present(self, seat: Seat) -> Iterator[None]:
        """Count a poll of a worker that waits here."""
        seat.waiting += 1
        try:
            yield
        finally:
            seat.waiting -= 1
            seat.heard = monotonic()

    async def _hold(
        self, seat: Seat, report: rows.Report, event: asyncio.Event, deadline: float
    ) -> tuple[bool, asyncio.Future[rows.ReportOutcome] | None]:
        """Wait until there may be leases; False when the time is over. Also the next look, when it has begun."""
        held = Held(seat=seat, report=report, woken=event)
        others = self._held.setdefault((seat.owner, seat.place), {})
        others[held] = None
        try:
            woken = await heard(event, deadline - monotonic())
        finally:
            del others[held]
        return woken, held.look

    def _look(self, seat: Seat, report: rows.Report) -> asyncio.Future[rows.ReportOutcome]:
        """Queue a report, and with it a look for leases."""
        at, ledger = now(), self._shared.ledger
        if report.want and ledger.holds_alone(report.worker):
            seat.withheld = True
            report = replace(report, want=0)
        elif report.want:
            report = replace(report, idle=not ledger.holds_any(report.worker), after=self._turns.get(seat.pool))
        return self._shared.queue(lambda session: rows.report(session, report, at))

    def _report(self, seat: Seat, poll: Poll, blobs: Sequence[memoryview]) -> tuple[rows.Report, set[int]]:
        """The poll as one transaction's work, and the positions of completions whose lease key is forged."""
        if len(blobs) < len(poll.assets):
            raise AssetMismatchError(f"{len(poll.assets)} assets are named, but {len(blobs)} blobs came along")
        incoming = [intake.from_bytes(blob, digest) for digest, blob in zip(poll.assets, blobs, strict=False)]
        for item in incoming:
            self._parcels.keep(seat.owner, item.digest, item.data or b"")
        genuine = self._shared.fencing.genuine
        forged = {index for index, item in enumerate(poll.completions) if not genuine(item.key)}
        report = rows.Report(
            worker=seat.worker,
            owner=seat.owner,
            pool=seat.pool,
            lacks=seat.lacks,
            want=0 if self.closed else min(max(poll.want, 0), MAX_LEASES),
            assets=incoming,
            kept_until=self._shared.grace(),
            streams=messages.pieces(poll, blobs, genuine),
            completions=[item for index, item in enumerate(poll.completions) if index not in forged],
            started=[key for key in poll.started if genuine(key)],
            preparing=[key for key in poll.preparing if genuine(key)],
            released=[key for key in poll.released if genuine(key)],
        )
        return report, forged

    async def _renew(self, seat: Seat, poll: Poll) -> tuple[LeaseKey, ...]:
        """Extend what the worker holds; the answer is what it is to drop."""
        ending = {item.key for item in poll.completions}
        held = [key for key in poll.held if self._shared.fencing.genuine(key)]
        strangers = [key for key in self._shared.ledger.renew(seat.worker, held, monotonic()) if key not in ending]
        if not strangers:
            return ()
        # A lease that was lost may still bring the first result: it goes on until its node has ended.
        open_nodes = await self._shared.read(
            lambda session: identity.may_finish(session, [key.node for key in strangers])
        )
        return tuple(key for key in strangers if key.attempt <= open_nodes.get(key.node, key.attempt))

    def _settle(self, seat: Seat, report: rows.Report, outcome: rows.ReportOutcome) -> tuple[LeaseKey, ...]:
        """Bring the ledger to what was committed, and tell those who wait; what the worker is to drop by that."""
        ledger = self._shared.ledger
        replacements = self._conclude(seat, report, outcome)
        for key in report.released:
            if ledger.holds(seat.worker, key):
                ledger.release(key.node)
        if outcome.turn is not None:
            self._turns[seat.pool] = outcome.turn
        for given in outcome.leased:
            ledger.grant(seat.worker, [(given.key, given.attempt)], monotonic(), alone=given.alone)
        seat.withheld |= outcome.withheld
        given_all = not (seat.lacks or seat.withheld or outcome.reused or outcome.yielded)
        if given_all and len(outcome.leased) < report.want:
            # It was given all there was: nobody else need look into this pool for what has just become ready.
            outcome.effects.pools.discard(seat.pool)
        if seat.withheld and not ledger.holds_any(seat.worker):
            seat.withheld = False
            outcome.effects.pools.add(seat.pool)
        self._shared.tell(outcome.effects)
        self._shared.bell.ring(("node", piece.key.node) for piece in report.streams)
        return replacements

    def _conclude(self, seat: Seat, report: rows.Report, outcome: rows.ReportOutcome) -> tuple[LeaseKey, ...]:
        """End the leases of what has completed, whoever holds them; those that are this worker's own replacements."""
        ledger = self._shared.ledger
        replacements = []
        for item, answer in zip(report.completions, outcome.acknowledgements, strict=True):
            # A late result that was taken ends the lease of its replacement, too.
            if answer is Acknowledgement.OK or ledger.holds(seat.worker, item.key):
                held = ledger.held(item.key.node)
                ledger.release(item.key.node)
                if held is not None and held.worker != seat.worker:
                    self._shared.bell.ring([("worker", held.worker)])
                elif held is not None and held.attempt != item.key.attempt:
                    # It has sent what a dead worker had left, and holds the replacement.
                    replacements.append(self._shared.fencing.key(item.key.node, held.attempt))
        return tuple(replacements)

    async def _again(self, seat: Seat, poll: Poll) -> list[rows.LeasedNode]:
        """Leases whose delivery must have been lost."""
        if not poll.want:
            return []
        nodes = self._shared.ledger.undelivered(seat.worker, messages.named(poll), monotonic())
        if not nodes:
            return []
        self._shared.ledger.delivered(nodes, monotonic())
        return await self._shared.read(lambda session: rows.again(session, nodes))
