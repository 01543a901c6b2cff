"""What a starting server finds and puts in order, before it answers anyone."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from covalent_server.db import dispatches, identity, waking
from covalent_server.db.engines import open_engine
from covalent_server.db.reader import Reader
from covalent_server.db.writer import Writer
from covalent_server.engine.fencing import Fencing
from covalent_server.engine.ledger import Ledger
from covalent_server.engine.shared import Shared, monotonic, now
from covalent_server.storage.files import FileStore

if TYPE_CHECKING:
    from covalent_server.db import Session
    from covalent_server.settings import Settings


def open_shared(settings: Settings, host: str) -> Shared:
    """Open the database and the store, and take stock: what was half written goes, leases get a full time to live."""
    store = FileStore(settings.data_dir / "assets", compress=settings.compress_assets)
    store.prepare()
    writer = Writer(open_engine(settings.database_url, writes=True))
    writer.start()
    instance, key, leases = writer.submit(_take_stock).result()
    ledger = Ledger(settings.lease_ttl)
    for lease in leases:
        ledger.grant(lease.worker, [(lease.node, lease.attempt)], monotonic())
    return Shared(
        settings=settings,
        instance=instance,
        host=host,
        writer=writer,
        reader=Reader(open_engine(settings.database_url, writes=False)),
        store=store,
        fencing=Fencing(bytes.fromhex(key)),
        ledger=ledger,
    )


def _take_stock(session: Session) -> tuple[str, str, list[identity.HeldLease]]:
    dispatches.discard_incomplete(session)
    # The clock may have been set back while nobody looked: nothing can have happened later than now.
    if (ahead := waking.latest(session) - now()) > 0:
        waking.set_back(session, ahead)
    instance = identity.fact(session, identity.INSTANCE, secrets.token_hex(8))
    key = identity.fact(session, identity.FENCING_KEY, secrets.token_hex(32))
    return instance, key, identity.held_leases(session)


async def workers_of_before(shared: Shared) -> list[tuple[identity.WorkerRow, identity.PoolRow]]:
    """The workers that had introduced themselves to an earlier server and not said goodbye."""
    pools = {pool.id: pool for pool in await shared.read(identity.pools)}
    return [(worker, pools[worker.pool]) for worker in await shared.read(identity.workers)]
