"""Which sites are killed at, what it takes for a process to come there, and which are left out, and why."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

from tests.architecture.tree import ROOT, modules
from tests.chaos import sites

#: The kinds of database that a campaign's servers work on.
SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"
DATABASES: Final = (SQLITE, POSTGRESQL)

#: Reached only while a server starts: it is killed, and comes there when it is started again.
START: Final = "start"
#: Reached only by the very first start in a directory.
FIRST: Final = "first"
#: Reached when a worker has died: one is killed.
LOSS: Final = "loss"
#: Reached when server and workers are stopped as a user stops them.
STOP: Final = "stop"
#: Reached when the clock was set back.
CLOCK: Final = "clock"
#: Reached when a commit was not answered: PostgreSQL is ended in the midst of a transaction.
OUTAGE: Final = "outage"
#: Reached again and again whatever is done; the other words are kinds of workflow, see ``crowd.py``.
USUAL: Final = "usual"

#: What has to happen for a process to come to a site; a site that is new needs its line here.
WAYS: Final = {
    "covalent.http.server:Server.download_asset.rename": USUAL,
    "covalent.http.server:Server._request.send": USUAL,
    "covalent.project.archive:extract.rename": "module",
    "covalent.worker.building:Builders._built.start": "packages",
    "covalent.worker.channel:Channel.flush.send": USUAL,
    "covalent.worker.couriers:Mailbox.post.system": USUAL,
    "covalent.worker.disclosures:disclose.system": "secret",
    "covalent.worker.layers.parent:Parent.write.rename": "packages",
    "covalent.worker.layers.record:Layer.write.flush": "packages",
    "covalent.worker.layers.record:Layer.write.system": "packages",
    "covalent.worker.layers.record:Layer.write.rename": "packages",
    "covalent.worker.process:Runner.__init__.start": LOSS,
    "covalent.worker.runner.loop:main.send": LOSS,
    "covalent.worker.runner.loop:main.send.2": USUAL,
    "covalent.worker.runner.outputs:Outputs.tell.system": USUAL,
    "covalent.worker.runner.writing:_stored.rename": USUAL,
    "covalent.worker.spool:Spool.write.flush": USUAL,
    "covalent.worker.spool:Spool.done.truncate": USUAL,
    "covalent_server.cli.foreground:_migrate.start": FIRST,
    "covalent_server.cli.launch:_spawn.start": START,
    "covalent_server.cli.readiness:Reporter._say.system": START,
    "covalent_server.cli.record:write.rename": START,
    "covalent_server.cli.tokens:_made.rename": FIRST,
    "covalent_server.db.engines:_postgresql.prepare.commit": START,
    "covalent_server.db.migrations.env:commit": FIRST,
    "covalent_server.db.reader:Reader._call.commit": USUAL,
    "covalent_server.db.transactions:take_place.commit": START,
    "covalent_server.db.transactions:_OnSqlite.run.commit": USUAL,
    "covalent_server.db.transactions:_OnPostgres.run.commit": USUAL,
    "covalent_server.db.transactions:_OnPostgres._came_about.commit": OUTAGE,
    "covalent_server.engine.engine:Engine.admit.write": LOSS,
    "covalent_server.engine.engine:Engine.settle_account.write": START,
    "covalent_server.engine.waking:set_back.write": CLOCK,
    "covalent_server.engine.engine:Engine._worker_lost.write": LOSS,
    "covalent_server.engine.engine:Engine._write_dispatch.write": USUAL,
    "covalent_server.engine.engine:Engine._write_dispatch.write.2": "many",
    "covalent_server.engine.engine:Engine._write_pieces.write": "many",
    "covalent_server.engine.engine:Engine._write_pieces.write.2": "many",
    "covalent_server.engine.engine:Engine.cancel.write": "cancelled",
    "covalent_server.engine.engine:Engine.conclude.write": "left_to_client",
    "covalent_server.engine.engine:Engine.register.write": "triggered",
    "covalent_server.engine.engine:Engine.stop_triggers.write": "triggered",
    "covalent_server.engine.engine:Engine._fail_pool.write": "broken",
    "covalent_server.engine.waking:_wake_due.write": USUAL,
    "covalent_server.engine.assets:Assets.missing.write": USUAL,
    "covalent_server.engine.assets:Assets.received.write": USUAL,
    "covalent_server.engine.limits:put.write": "limited",
    "covalent_server.engine.limits:remove.write": "limited",
    "covalent_server.engine.shared:gently.write": "purged",
    "covalent_server.engine.sweeping:Sweeping.sweep.write": "purged",
    "covalent_server.engine.recovery:open_shared.write": START,
    "covalent_server.engine.triggering:Triggering._observe.write": "watching",
    "covalent_server.engine.triggering:Triggering._fire.write": "triggered",
    "covalent_server.engine.triggering:Triggering._move_on.write": "vanished",
    "covalent_server.engine.workplace:Workplace.hello.write": LOSS,
    "covalent_server.engine.workplace:Workplace.lost.write": LOSS,
    "covalent_server.engine.workplace:Workplace.take_back.write": LOSS,
    "covalent_server.engine.workplace:Workplace.poll.write": USUAL,
    "covalent_server.executors.local:start.start": LOSS,
    "covalent_server.storage.files:Upload.finish.rename": USUAL,
    "covalent_server.storage.files:sync.system": USUAL,
    "covalent_server.web.assets:missing.answer": USUAL,
    "covalent_server.web.assets:batch.answer": USUAL,
    "covalent_server.web.assets:put.answer": USUAL,
    "covalent_server.web.dispatches:submit.answer": USUAL,
    "covalent_server.web.dispatches:cancel.answer": "cancelled",
    "covalent_server.web.dispatches:conclude.answer": "left_to_client",
    "covalent_server.web.limits:put.answer": "limited",
    "covalent_server.web.limits:remove.answer": "limited",
    "covalent_server.web.purging:purge.answer": "purged",
    "covalent_server.web.server:stop.answer": STOP,
    "covalent_server.web.triggers:register.answer": "triggered",
    "covalent_server.web.triggers:stop.answer": "triggered",
    "covalent_server.web.workers:hello.answer": LOSS,
    "covalent_server.web.workers:poll.answer": USUAL,
    "covalent_server.web.workers:bye.answer": STOP,
}

#: Right before the end of a transaction on PostgreSQL.
MIDST: Final = "covalent_server.db.transactions:_OnPostgres.run.commit:before"
#: Sites that the servers of one kind of database come to alone.
ONLY_ON: Final = {
    "covalent_server.db.engines:_postgresql.prepare.commit": POSTGRESQL,
    "covalent_server.db.transactions:take_place.commit": POSTGRESQL,
    "covalent_server.db.transactions:_OnSqlite.run.commit": SQLITE,
    "covalent_server.db.transactions:_OnPostgres.run.commit": POSTGRESQL,
    "covalent_server.db.transactions:_OnPostgres._came_about.commit": POSTGRESQL,
}

_SCRIPT: Final = "in a user's script, which promises nothing: what the server has not acknowledged is sent again"
_BACKUP: Final = "a command that makes a file or a directory which is not there; killed, it is run again"
_DAMAGED: Final = "the file of an asset was altered by somebody else; who reads it next finds that out again"
_BY_HAND: Final = "a token or a pool that a user makes for workers of his own: cut off, the command is run again"
_BROWSER: Final = "a browser that was cut off signs in again, or out; nothing of a dispatch hangs on it"
_PROVISIONER: Final = "where provisioners are; tests/acceptance/test_provisioners.py kills them, and their servers"
_LABELS: Final = "one row, for people to read; a page that was cut off shows what it has become"
#: Sites, or modules, at which nothing is killed, and why.
LEFT_OUT: Final = {
    "covalent.config": _SCRIPT,
    "covalent.readiness.interpreters": _SCRIPT,
    "covalent.result.archive": _SCRIPT,
    "covalent.server_command": _SCRIPT,
    "covalent.testing.running": "runs workflows without a server",
    "covalent.provisioning.jobs": _PROVISIONER,
    "covalent.worker.cluster.station": "tests/acceptance/test_dask.py kills what is on both of its sides",
    "covalent_server.engine.provisioners": _PROVISIONER,
    "covalent_server.executors.provisioner": _PROVISIONER,
    "covalent_server.web.provisioning": _PROVISIONER,
    "covalent.fs.contents": "inside a task, which is killed at any moment",
    "covalent.fs.files": "inside a task, which is killed at any moment",
    "covalent.fs.performing": "inside a task, which is killed at any moment",
    "covalent.worker.assets": "removes the oldest of a hundred unpacked projects after an hour; they are a cache",
    "covalent_server.backup.archive": _BACKUP,
    "covalent_server.backup.restoring": _BACKUP,
    "covalent_server.backup.writing": _BACKUP,
    "covalent_server.db.checking": "reads, on behalf of a command",
    "covalent_server.db.copying": _BACKUP,
    "covalent_server.db.transactions:take_place.commit.2": "reads, for the words of a server that is refused",
    "covalent_server.cli.launch:_fresh_log.rename": "sets a log of 16 MB aside",
    "covalent_server.engine.assets:lost.write": _DAMAGED,
    "covalent_server.engine.tokens": _BY_HAND,
    "covalent_server.engine.workplace:Workplace._pool.write": _BY_HAND,
    "covalent_server.web.tokens": _BY_HAND,
    "covalent_server.cli.token": _BY_HAND,
    "covalent_server.storage.files:FileStore.set_aside.rename": _DAMAGED,
    "covalent_server.engine.engine:Engine._write_pieces.write.3": (
        "discards what was refused before it became visible; a server that is killed before discards it at its start"
    ),
    "covalent_server.engine.sessions": _BROWSER,
    "covalent_server.web.session": _BROWSER,
    "covalent_server.engine.overview:Overview.label.write": _LABELS,
    "covalent_server.engine.webhooks": "one row that says what was told; tests/integration/web/test_webhooks.py kills",
    "covalent_server.web.overview:tags.answer": _LABELS,
    "covalent_server.web.overview:redispatch.answer": "sends a dispatch, which is killed at by itself",
    "covalent_server.engine.spawning:Spawning._give_up.write": (
        "fails the node of a sublattice that was made to be refused, which the SDK does not make"
    ),
}


@functools.cache
def every_site() -> tuple[str, ...]:
    """All that the sources have."""
    found = []
    for path in modules():
        module = _module(path)
        source = path.read_text(encoding="utf-8")
        found += sites.found(source, module)
        if module.startswith("covalent_server.web"):
            found += sites.answered(source, module)
    return tuple(dict.fromkeys(found))


def way(site: str) -> str:
    """What it takes to get there."""
    return WAYS[site]


def left_out(site: str) -> bool:
    """Whether nothing is killed there."""
    return site in LEFT_OUT or site.partition(":")[0] in LEFT_OUT


def every_point(database: str) -> list[str]:
    """Before and after each site at which processes are killed whose server works on a kind of database."""
    there = [site for site in every_site() if not left_out(site) and ONLY_ON.get(site, database) == database]
    return [f"{site}:{side}" for site in there for side in ("before", "after")]


def is_of_postgresql(point: str) -> bool:
    """Whether servers on PostgreSQL come there, and no others."""
    return ONLY_ON.get(point.rpartition(":")[0]) == POSTGRESQL


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT / "packages").parts[2:]
    return ".".join(parts).removesuffix(".py").removesuffix(".__init__")
