"""The engine: takes dispatches in, hands work out, answers questions, and keeps pools staffed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

from covalent.wire.pool_tokens import WORKER_POOL
from covalent_server.core.errors import RequestError
from covalent_server.core.events import LeaseEnd
from covalent_server.db import dispatches, ending, identity, limits, printing, reads, reusing, triggers
from covalent_server.db import work as rows
from covalent_server.db.moves import PIECE, Effects
from covalent_server.engine import recovery, webhooks
from covalent_server.engine.assets import Assets
from covalent_server.engine.bell import heard
from covalent_server.engine.callers import Caller
from covalent_server.engine.overview import Overview
from covalent_server.engine.plugins import Plugins
from covalent_server.engine.provisioners import Provisioners
from covalent_server.engine.provisioning import Provisioning
from covalent_server.engine.purging import Purging
from covalent_server.engine.sessions import Sessions
from covalent_server.engine.shared import SWEEP_SECONDS, Shared, monotonic, now, surviving
from covalent_server.engine.spawning import spawn
from covalent_server.engine.submission import Submission, prepare
from covalent_server.engine.tokens import PoolTokens
from covalent_server.engine.triggering import watch
from covalent_server.engine.triggers import check_id, declared
from covalent_server.engine.waking import wake
from covalent_server.engine.workplace import Workplace
from covalent_server.executors import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from covalent.wire.records import DispatchRecord
    from covalent.wire.triggers import Registration, TriggerRecord
    from covalent.wire.work import Hello, Welcome
    from covalent_server.db import Session
    from covalent_server.db.assets import NewAsset
    from covalent_server.db.identity import PoolRow
    from covalent_server.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that the answer to a waiting client is held back at most.
MAX_WAIT: Final = 60.0
#: Nodes from which on laying a dispatch's rows out takes longer than going to a thread and back.
_LARGE: Final = 32
#: From so many seconds on, a look at the clock that comes late means that the whole process was stopped meanwhile.
LATE_SECONDS: Final = 1.0
#: The account of a server that has one user.
OWNER: Final = "local"


class Engine:
    """One server's engine; opened by :func:`running`."""

    def __init__(self, shared: Shared, url: str, public_url: str) -> None:
        self.shared = shared
        self.workplace = Workplace(shared)
        self.assets = Assets(shared)
        self.purging = Purging(shared)
        self._provisioning = Provisioning(
            shared.settings,
            machine=shared.machine,
            url=url,
            mint=self._mint,
            fail=self._fail_pool,
            lost=self._worker_lost,
            silent=self.workplace.silent,
            interpreter=self._interpreter,
        )
        self.provisioners = Provisioners(
            shared, workers=self.workplace.workers, mint=self._mint, dismiss=self._dismiss, fail=self._fail_pool
        )
        self.overview = Overview(shared, self.workplace.workers, self.provisioners.staffing, public_url)
        self._webhooks = webhooks.configured(shared)
        admit = partial(self.settle_account, caller=Caller(owner=OWNER, scope="provisioner"))
        self._plugins = Plugins(shared.settings, url=url, admit=admit, down=self.provisioners.down)
        self._callers: dict[str, Caller] = {}
        self.tokens = PoolTokens(shared, self._callers, self.workplace)
        self.sessions = Sessions(shared, self.in_force)
        self._submitting: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    # Who may call.

    async def admit(self, token: str, caller: Caller) -> str:
        """Put a token in force; only its digest is kept."""
        digest = identity.token_digest(token)
        row = identity.TokenRow(digest=digest, owner=caller.owner, scope=caller.scope)
        await self.shared.write(lambda session: identity.add_token(session, row, now()))
        self._callers[digest] = caller
        return digest

    async def settle_account(self, token: str, caller: Caller) -> None:
        """Make a token the only one of the caller's account: earlier ones are revoked."""
        row = identity.TokenRow(digest=identity.token_digest(token), owner=caller.owner, scope=caller.scope)
        await self.shared.write(lambda session: identity.settle_account(session, row, now()))
        for digest in [digest for digest, known in self._callers.items() if known == caller]:
            del self._callers[digest]
        self._callers[row.digest] = caller

    def in_force(self, digest: str) -> Caller | None:
        """Whose token this is, by its digest; None once it is revoked."""
        return self._callers.get(digest)

    async def _mint(self, owner: str) -> tuple[str, str]:
        token = secrets.token_urlsafe(32)
        return token, await self.admit(token, Caller(owner=owner, scope="worker"))

    async def _worker_lost(self, worker: str | None, token_digest: str, how: LeaseEnd) -> None:
        if self._callers.pop(token_digest, None) is not None:
            await self.shared.write(lambda session: identity.revoke_token(session, token_digest, now()))
        if worker is not None:
            await self.workplace.lost(worker, how)
        self.shared.understaffed.set()

    async def _dismiss(self, owner: str, token_digest: str, worker: str | None) -> None:
        """A worker that a provisioner has started is gone."""
        known = self._callers.get(token_digest)
        if known == Caller(owner=owner, scope="worker"):  # and not just any token whose digest somebody knows
            await self._worker_lost(worker, token_digest, LeaseEnd.DIED)

    # Dispatches.

    async def submit(self, submission: Submission) -> str:
        """Take in a dispatch; returns its id after everything of it is committed."""
        # What is large is laid out where it does not hold up everybody else.
        lay_out = partial(prepare, submission, self.shared.machine)
        large = len(submission.manifest.graph.nodes) > _LARGE
        new = await asyncio.to_thread(lay_out) if large else lay_out()
        if submission.manifest.reuse is not None and not new.hold:
            take_over = partial(reusing.taken_over, new=new, manifest=submission.manifest)
            new = await self.shared.reader.run_apart(take_over)
        # A request that is repeated while the first is still being written waits for it.
        turn = self._submitting.setdefault((new.owner, new.idempotency_key or new.id), asyncio.Lock())
        async with turn:
            return await self._write_dispatch(new)

    async def _write_dispatch(self, new: dispatches.NewDispatch) -> str:
        pieces = range(0, max(len(new.nodes), len(new.links)), PIECE)
        if len(pieces) <= 1:
            writing = self.shared.queue(lambda session: _write_whole(session, new))
            if not new.hold:
                self.workplace.expect(new.owner, {item.place for item in new.nodes if not item.remaining})
            begun, effects = await self.shared.written(writing)
        else:
            begun = await self.shared.write(lambda session: dispatches.begin(session, new, now()))
            effects = await self._write_pieces(begun, new, pieces)
        if not begun.repeated:
            self.shared.tally.accepted += 1
            log.info("accepted a dispatch", extra={"dispatch": begun.id, "workflow": new.name, "nodes": len(new.nodes)})
        self.shared.tell(effects)
        return begun.id

    async def _write_pieces(self, begun: dispatches.Begun, new: dispatches.NewDispatch, pieces: range) -> Effects:
        if begun.repeated:
            return Effects()
        try:
            for write in (dispatches.add_nodes, dispatches.add_links):
                for start in pieces:
                    await self.shared.write(partial(write, begun=begun, new=new, start=start, stop=start + PIECE))
            return await self.shared.write(lambda session: dispatches.release(session, begun, new, now()))
        except RequestError:
            await self.shared.write(lambda session: dispatches.discard(session, begun))
            raise

    async def dispatch(self, caller: Caller, dispatch_id: str, wait: float) -> DispatchRecord:
        """A dispatch as it stands, or, when ``wait`` seconds are given, once it has ended if it does so in time."""
        return (await self.outcome(caller, dispatch_id, wait))[0]

    async def outcome(self, caller: Caller, dispatch_id: str, wait: float) -> tuple[DispatchRecord, bytes | None]:
        """As :meth:`dispatch`, with the bytes of its value when they are few."""
        deadline = monotonic() + min(wait, MAX_WAIT)
        with self.shared.bell.listen(("dispatch", dispatch_id)) as event:
            if wait and not await self.read(reads.dispatch_ended, caller.owner, dispatch_id):
                await heard(event, deadline - monotonic())
            return await self.read(reads.with_value, caller.owner, dispatch_id)

    async def cancel(self, caller: Caller, dispatch_id: str, nodes: Sequence[int] | None) -> DispatchRecord:
        """End a dispatch or some of its nodes; answered after the commit, with how it stands then."""
        effects = await self.shared.write(
            lambda session: ending.cancel(session, caller.owner, dispatch_id, nodes, now())
        )
        self.shared.tell(effects)
        return await self.read(reads.dispatch_record, caller.owner, dispatch_id)

    async def conclude(self, caller: Caller, dispatch_id: str, result: str, new: Sequence[NewAsset]) -> DispatchRecord:
        """Take the return value that the client put together."""
        effects = await self.shared.write(
            lambda session: ending.conclude(session, caller.owner, dispatch_id, result, new, now())
        )
        self.shared.tell(effects)
        return await self.read(reads.dispatch_record, caller.owner, dispatch_id)

    async def printed(
        self, caller: Caller, dispatch_id: str, number: int, wanted: printing.Wanted, *, wait: float
    ) -> printing.Printed:
        """What a task printed; with ``wait`` seconds, once there is some or the task has ended.

        With an ``attempt`` it is what that one printed, which is over as soon as there is another.
        """
        read = partial(self.read, printing.printed, caller.owner, dispatch_id, number, wanted)
        found = await read()
        if found.data or found.settled or not wait:
            return found
        deadline = monotonic() + min(wait, MAX_WAIT)
        with self.shared.bell.listen(("node", found.node)) as event:
            found = await read()
            while not (found.data or found.settled) and await heard(event, deadline - monotonic()):
                event.clear()
                found = await read()
        return found

    async def read(self, function: Callable[..., T], *arguments: object, **named: object) -> T:
        """Run one of the functions of ``db.reads``."""
        return await self.shared.read(lambda session: function(session, *arguments, **named))

    # Triggers.

    async def register(self, caller: Caller, registration: Registration) -> TriggerRecord:
        """Attach a trigger to a dispatch that is there; answered after the commit, the same for a repetition."""
        check_id(registration.trigger_id)
        new = await asyncio.to_thread(
            declared,
            registration.trigger,
            "trigger",
            here=self.shared.machine,
            at=now(),
            trigger_id=registration.trigger_id,
        )
        await self.shared.write(
            lambda session: triggers.register(session, caller.owner, registration.dispatch_id, new, now())
        )
        self.shared.triggers.set()
        (record,) = await self.read(triggers.records, caller.owner, ids=[registration.trigger_id])
        return record

    async def stop_triggers(self, caller: Caller, ids: Sequence[str]) -> tuple[TriggerRecord, ...]:
        """Let triggers fire no more; which these were."""
        stopped, effects = await self.shared.write(lambda session: triggers.stop(session, caller.owner, ids, now()))
        self.shared.tell(effects)
        return await self.read(triggers.records, caller.owner, ids=stopped)

    # Workers.

    async def hello(self, caller: Caller, hello: Hello, token: str | None = None) -> Welcome:
        """A worker introduces itself; ``token`` is the digest of the one that it reports with."""
        welcome, worker, pool = await self.workplace.hello(caller, hello, token)
        if token is not None and token not in self._callers:  # revoked meanwhile
            await self.workplace.dismiss([worker.id])
        if hello.host == self.shared.host and pool.executor != WORKER_POOL:
            await self._provisioning.introduced(worker, pool)
        return welcome

    async def _fail_pool(self, pool: PoolRow, reason: str) -> None:
        log.warning("no worker for executor=%s place=%s: %s", pool.executor, pool.place, reason)
        while True:
            effects = await self.shared.write(lambda session: rows.fail_pool(session, pool.id, reason, now()))
            self.shared.tell(effects)
            if not effects.settled:
                return

    # Life.

    async def _sweep(self) -> None:
        """Take back expired leases; wake the staffing now and then, whatever was missed."""
        while True:
            slept = monotonic()
            await asyncio.sleep(SWEEP_SECONDS)
            if (late := monotonic() - slept - SWEEP_SECONDS) > LATE_SECONDS:
                log.warning("this process was stopped for %.1f seconds; leases live on as long", late)
                self.workplace.was_stopped(late)
            await surviving(self._take_back_expired)
            await surviving(self.workplace.dismiss_silent)
            self.shared.understaffed.set()
            self.shared.unborn.set()

    async def _take_back_expired(self) -> None:
        leases = self.shared.ledger.expired(monotonic())
        if leases:
            log.warning("leases expired: %s", len(leases))
            self.shared.tally.expired += len(leases)
            await self.workplace.take_back(leases, LeaseEnd.EXPIRED)

    async def _staff(self) -> None:
        """Start workers where tasks wait."""
        while True:
            await self.shared.understaffed.wait()
            self.shared.understaffed.clear()
            await surviving(self._staff_pools)

    async def _staff_pools(self) -> None:
        pools, shut = await self.shared.read(limits.ready_pools)
        own = [pool for pool in pools if registry.startable(pool.executor, pool.place)]
        await self._provisioning.ensure(own, shut)
        await self.provisioners.ensure(
            (pool for pool in pools if pool not in own and pool.executor != WORKER_POOL), shut
        )

    async def _interpreter(self, pool: PoolRow) -> str | None:
        """What a pool's worker is started with; of a bridge to a cluster, what a task that waits there names."""
        if pool.executor != registry.DASK:
            return pool.place
        data = await self.read(identity.example, pool.id)
        return None if data is None else registry.bridge_python(data, self.shared.machine)

    async def recover(self) -> None:
        """Know again who may call and which workers are there."""
        for token in await self.shared.read(identity.tokens):
            self._callers[token.digest] = Caller(owner=token.owner, scope=token.scope, pool=token.pool)
        await self.sessions.recover()
        # Also those whose end was recorded, when the server died before it took back what they held.
        gone = set(self.shared.ledger.workers())
        for worker, pool in await recovery.workers_of_before(self.shared):
            self.workplace.seat(worker.id, pool, worker.features, worker.token)
            self.provisioners.introduced(worker.token or "", worker.id)
            by_itself = worker.host != self.shared.host or pool.executor == WORKER_POOL
            if by_itself or await self._provisioning.adopt(worker, pool):
                gone.discard(worker.id)
            else:
                gone.add(worker.id)
        for lost in gone:
            await self.workplace.lost(lost, LeaseEnd.DIED)
        await self.purging.recover()
        await self.provisioners.recover()
        await self._provisioning.adopt_unintroduced(await self.shared.read(identity.pools))
        self.shared.understaffed.set()
        self.shared.unborn.set()

    def watches(self) -> tuple[Coroutine[None, None, None], ...]:
        """What goes on by itself for as long as the engine runs."""
        return (
            self._sweep(),
            self._staff(),
            wake(self.shared),
            spawn(self.shared, self.submit),
            watch(self.shared, self.submit),
            self.purging.watch(),
            *(webhook.watch() for webhook in self._webhooks),
            self._plugins.watch(),
        )

    async def close(self, *, keep_workers: bool) -> None:
        """Give out no more work, and let local workers finish."""
        self.workplace.closed = True
        self.shared.bell.ring_all()
        async with asyncio.TaskGroup() as group:
            for part in (self._provisioning, self._plugins):
                group.create_task(part.close(keep_workers=keep_workers))


@asynccontextmanager
async def running(settings: Settings, *, host: str, url: str, public_url: str = "") -> AsyncIterator[Engine]:
    """An engine with everything recovered and its watches going.

    Workers of this machine reach it at ``url``, those of others at ``public_url`` where that is another address.
    """
    shared = await asyncio.to_thread(recovery.open_shared, settings, host)
    engine = Engine(shared, url, public_url or url)
    await engine.recover()
    async with asyncio.TaskGroup() as group:
        watches = [group.create_task(watch) for watch in engine.watches()]
        try:
            yield engine
        finally:
            for watch in watches:
                watch.cancel()
    await asyncio.to_thread(shared.writer.close)
    await asyncio.to_thread(shared.reader.close)


def _write_whole(session: Session, new: dispatches.NewDispatch) -> tuple[dispatches.Begun, Effects]:
    at = now()
    begun = dispatches.begin(session, new, at)
    if not begun.repeated:
        dispatches.add_nodes(session, begun, new, 0, len(new.nodes))
        dispatches.add_links(session, begun, new, 0, len(new.links))
    return begun, dispatches.release(session, begun, new, at)
