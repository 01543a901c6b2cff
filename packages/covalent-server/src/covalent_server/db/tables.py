"""The tables, as they stand at the latest migration.

Times are seconds since the epoch. A node-link graph is kept by its parts: a row per node with its JSON, a row per
linked pair with the uses between them, so that scheduling reads only what it needs; reads put the same document
together again.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite's row ids are 64 bits wide only when the column is called INTEGER.
_Key = BigInteger().with_variant(Integer(), "sqlite")

#: Facts about the installation: its instance id, the key of its fencing tokens.
setting: Final = Table(
    "setting",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

#: Who may call: only the SHA-256 of a token is kept.
token: Final = Table(
    "token",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("owner", String, nullable=False),
    #: ``user`` or ``worker``.
    Column("scope", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
    #: The pool, by its name, whose workers report with it; None for one that is not for a pool.
    Column("pool", String),
    #: What people know it by.
    Column("name", String, nullable=False, server_default=""),
)

#: Browsers that have signed in with a token: only the SHA-256 of a cookie is kept.
session: Final = Table(
    "session",
    metadata,
    Column("digest", String(64), primary_key=True),
    #: The token that it is worth nothing without.
    Column("token", String(64), ForeignKey("token.digest"), nullable=False),
    #: ``user``, or ``read`` for one that changes nothing.
    Column("scope", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)

#: Where a set of tasks can run: workers ask for the tasks of one pool.
pool: Final = Table(
    "pool",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("owner", String, nullable=False),
    Column("executor", String, nullable=False),
    #: What tells pools of one executor apart: an interpreter's path.
    Column("place", String, nullable=False),
    UniqueConstraint("owner", "executor", "place"),
)

worker: Final = Table(
    "worker",
    metadata,
    #: Random for every start of a worker's process.
    Column("id", String, primary_key=True),
    Column("pool", _Key, ForeignKey("pool.id"), nullable=False),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("features", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    #: The digest of the token that it reports with; None when nobody knows.
    Column("token", String(64)),
)

dispatch: Final = Table(
    "dispatch",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("root_id", String(36), nullable=False),
    Column("owner", String, nullable=False),
    Column("name", String, nullable=False),
    Column("status", String, nullable=False),
    #: 0 while a large graph is still being written, and again once it has ended and is purged: invisible, and removed.
    Column("complete", Integer, nullable=False),
    #: The manifest but for the graph's nodes and links, as JSON.
    Column("manifest", Text, nullable=False),
    #: The features that a worker must have, as a JSON list.
    Column("requires", Text, nullable=False),
    #: The digest of the user's own modules.
    Column("project", String(64)),
    #: The node whose output is the workflow's value, None when ``result`` is known from the start.
    Column("output_node", Integer),
    Column("result", String(64)),
    Column("error", Text),
    #: Nodes that have not ended and still can.
    Column("unfinished", Integer, nullable=False),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("cancelled", Integer, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("idempotency_key", String),
    Column("body_digest", String(64)),
    #: The node, of another dispatch, that this dispatch is the sublattice of.
    Column("parent", _Key),
    #: 1 when the output node puts the workflow's value together.
    Column("postprocesses", Integer, nullable=False, server_default="0"),
    #: Words to find it by, as a JSON list.
    Column("tags", Text, nullable=False, server_default="[]"),
    #: Environment variables of its tasks, as a JSON object; None for none.
    Column("env", Text),
    #: The trigger for which its one task looks at a directory; None for the dispatches that users see.
    Column("observes", _Key),
    UniqueConstraint("owner", "idempotency_key"),
    Index("ix_dispatch_parent", "parent"),
)

node: Final = Table(
    "node",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("dispatch", _Key, ForeignKey("dispatch.key"), nullable=False),
    #: The node's id in its graph.
    Column("number", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    #: The node as it stands in the node-link graph, as JSON.
    Column("record", Text, nullable=False),
    Column("pool", _Key, ForeignKey("pool.id"), nullable=False),
    Column("state", String, nullable=False),
    #: Distinct parents that have not completed.
    Column("remaining", Integer, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("fenced", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("losses", Integer, nullable=False, server_default="0"),
    Column("worker", String),
    Column("output", String(64)),
    Column("error", Text),
    Column("started_at", Float),
    Column("ended_at", Float),
    #: How it is tried where that differs from the usual, as JSON; None for the usual.
    Column("policy", Text),
    #: Of a dispatch's ready nodes those of the lowest rank go first: the dispatch's priority, negated.
    Column("rank", Integer, nullable=False, server_default="0"),
    #: The dispatch that its own one is a sublattice of, at whatever depth, by its key: these share their turns.
    Column("root", _Key, nullable=False, server_default="0"),
    #: The limits that it falls under, as the key of a gate; 0 for none.
    Column("gate", _Key, nullable=False, server_default="0"),
    #: When a delayed node is due.
    Column("due_at", Float),
    #: What an equal task would be found by, where outputs may stand in for each other.
    Column("cache_key", String(64)),
    #: When its environment began to be built for the latest attempt that needed that.
    Column("preparing_at", Float),
    #: The layer that its task ran in, as the JSON of a ``covalent.wire.work.Environment``.
    Column("environment", Text),
    #: The directory that its task, which failed, left behind.
    Column("workdir", Text),
    UniqueConstraint("dispatch", "number"),
)

#: SQLite uses a partial index only where its condition stands in the statement to the letter.
IS_READY: Final = text("node.state = 'READY'")
#: Of a list of three it makes a table, anew for every node that moves: that is a tenth of what a task costs.
IS_LEASED: Final = text("(node.state in ('LEASED', 'RUNNING') or node.state = 'PREPARING')")
#: Waits for something else than a worker. One index for both: every move of a node looks at each of them.
IS_SUSPENDED: Final = text("node.state in ('DELAYED', 'DISPATCHING')")
#: In this order a pool's dispatches are found, one look into the index for each, however many nodes they have.
Index(
    "ix_node_ready",
    node.c.pool,
    node.c.gate,
    node.c.rank,
    node.c.root,
    node.c.key,
    sqlite_where=text("state = 'READY'"),
    postgresql_where=text("state = 'READY'"),
)
Index(
    "ix_node_leased",
    node.c.gate,
    sqlite_where=text("state in ('LEASED', 'RUNNING') or state = 'PREPARING'"),
    postgresql_where=text("state in ('LEASED', 'RUNNING') or state = 'PREPARING'"),
)

Index(
    "ix_node_suspended",
    node.c.state,
    node.c.due_at,
    sqlite_where=text("state in ('DELAYED', 'DISPATCHING')"),
    postgresql_where=text("state in ('DELAYED', 'DISPATCHING')"),
)

#: How many nodes of an owner may be out at a time, of those with a tag or of those of an executor.
concurrency_limit: Final = Table(
    "concurrency_limit",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("owner", String, nullable=False),
    #: ``tag`` or ``executor``.
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("slots", Integer, nullable=False),
    UniqueConstraint("owner", "kind", "name"),
)

#: Each distinct set of limits that nodes fall under. It names them, so that it stays when one of them goes.
gate: Final = Table(
    "gate",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("owner", String, nullable=False),
    #: ``[[kind, name], …]``, sorted, as JSON.
    Column("members", Text, nullable=False),
    UniqueConstraint("owner", "members"),
)

#: One row for each distinct pair of parent and child.
link: Final = Table(
    "link",
    metadata,
    Column("parent", _Key, ForeignKey("node.key"), primary_key=True),
    Column("child", _Key, ForeignKey("node.key"), primary_key=True),
    #: ``[[edge_name, param_type, arg_index], …]`` as JSON.
    Column("uses", Text, nullable=False),
    Index("ix_link_child", "child"),
    sqlite_with_rowid=False,
)

asset: Final = Table(
    "asset",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    #: What the header claims, as JSON: type, string, JSON form.
    Column("preview", Text, nullable=False),
    #: The bytes when they are few, None when they are in the asset store.
    Column("data", LargeBinary),
)

#: Knowing a digest gives nothing: who may read an asset stands here.
asset_owner: Final = Table(
    "asset_owner",
    metadata,
    Column("digest", String(64), ForeignKey("asset.digest"), primary_key=True),
    Column("owner", String, primary_key=True),
    #: When it was last named, or until when it was promised to be kept unnamed: a purge deletes nothing younger.
    Column("kept_until", Float, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)

#: Outputs that may stand in for those of equal tasks.
cached: Final = Table(
    "cached",
    metadata,
    Column("owner", String, primary_key=True),
    Column("cache_key", String(64), primary_key=True),
    Column("output", String(64), ForeignKey("asset.digest"), nullable=False),
    Index("ix_cached_output", "output"),
    sqlite_with_rowid=False,
)

#: What starts a dispatch by itself, again and again.
trigger: Final = Table(
    "trigger",
    metadata,
    Column("key", _Key, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("owner", String, nullable=False),
    #: The dispatch that the first firing starts, unless it has run before, and that the others repeat.
    Column("dispatch", _Key, ForeignKey("dispatch.key"), nullable=False),
    #: When it fires, as the JSON of a ``covalent.wire.triggers.Trigger``.
    Column("terms", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("stopped_at", Float),
    #: When it is to be looked at, and the time that this was reckoned from; None while its directory is looked at.
    Column("since", Float, nullable=False),
    Column("due_at", Float),
    #: What its directory looked like at last, as a digest, and the dispatch that looks at it now.
    Column("seen", String(64)),
    Column("observer", _Key),
    #: How often it has fired, when last, and which dispatch that gave.
    Column("firings", Integer, nullable=False, server_default="0"),
    Column("fired_at", Float),
    Column("last", _Key),
    #: What went wrong since.
    Column("error", Text),
    Index("ix_trigger_dispatch", "dispatch"),
)

#: What tasks printed, in pieces; writing a piece again changes nothing.
stream: Final = Table(
    "stream",
    metadata,
    Column("node", _Key, ForeignKey("node.key"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("stream", String, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

event: Final = Table(
    "event",
    metadata,
    Column("sequence", _Key, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String, nullable=False),
    Column("dispatch", _Key),
    Column("node", _Key),
    Column("attempt", Integer),
    Column("detail", Text),
    Index("ix_event_dispatch", "dispatch"),
)
