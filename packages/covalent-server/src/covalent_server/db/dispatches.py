"""Taking in a dispatch: a small graph in one transaction, a large one in pieces that stay invisible until the last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, Connection, String, bindparam, cast, insert, literal, select, update

from covalent.status import Status
from covalent_server.core.errors import (
    ForeignAssetError,
    IdempotencyConflictError,
    ObsoleteFiringError,
    ObsoleteSublatticeError,
    UnknownDispatchError,
)
from covalent_server.core.states import NodeState
from covalent_server.db import AnyRow, assets, gates, triggers
from covalent_server.db.consequences import finish
from covalent_server.db.dialect import insert_ignore
from covalent_server.db.identity import fact
from covalent_server.db.moves import PIECE, Effects, note, postprocess
from covalent_server.db.prepared import Prepared
from covalent_server.db.removing import remove
from covalent_server.db.tables import dispatch, event, link, node, pool, setting
from covalent_server.db.triggers import NewTrigger, Turn

#: For how long the rows of a large dispatch may be written.
_WRITING_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a node runs: an executor and what tells its pools apart."""

    executor: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """A node to be written."""

    number: int
    record: str
    place: Place
    remaining: int
    #: How it is tried where that differs from the usual, as JSON.
    policy: str | None = None
    #: What limits may go by.
    tags: tuple[str, ...] = ()
    left_to_client: bool = False
    #: The output of a task that is the same, which stands in for its own: it is completed from the start.
    output: str | None = None

    @property
    def state(self) -> NodeState:
        """Where it stands when it is written."""
        if self.output is not None:
            return NodeState.COMPLETED
        return NodeState.LEFT_TO_CLIENT if self.left_to_client else NodeState.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """A pair of parent and child, by their places in the list of nodes, with the uses between them as JSON."""

    parent: int
    child: int
    uses: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDispatch:
    """A dispatch to be written; everything in it has been checked but the ownership of assets."""

    id: str
    owner: str
    name: str
    manifest: str
    requires: Sequence[str]
    project: str | None
    output_node: int | None
    result: str | None
    nodes: Sequence[NewNode]
    links: Sequence[NewLink]
    #: Every digest it names, with the path of its first mention.
    mentions: dict[str, str]
    #: Small assets that came along.
    assets: Sequence[assets.NewAsset]
    idempotency_key: str | None
    body_digest: str
    postprocesses: bool = False
    #: True registers it without starting it.
    hold: bool = False
    tags: Sequence[str] = ()
    #: As a JSON object; None for none.
    env: str | None = None
    #: Of a pool's ready nodes those of the lowest rank go first.
    rank: int = 0
    #: The key and the attempt of the node that it is the sublattice of.
    parent: tuple[int, int] | None = None
    #: What starts it, and repeats it later.
    triggers: Sequence[NewTrigger] = ()
    #: The firing that it comes of.
    turn: Turn | None = None
    #: The key of the trigger for which it looks at a directory.
    observes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A dispatch whose row is written."""

    id: str
    key: int
    #: The key of the dispatch that it is a sublattice of, at whatever depth, or its own.
    root: int
    #: The first of the nodes' keys; node i of the list has ``first + i``.
    first: int
    #: When it was written, in seconds since the epoch.
    at: float
    #: True when an earlier request with the same idempotency key wrote it.
    repeated: bool = False


_ADD_NODE = Prepared(
    insert_ignore(
        node,
        *("key", "dispatch", "number", "position", "record", "pool"),
        *("state", "remaining", "policy", "rank", "root", "gate", "output", "started_at", "ended_at"),
    )
)
_ADD_LINK = Prepared(insert_ignore(link, "parent", "child", "uses"))
_EARLIER = Prepared(
    select(dispatch.c.key, dispatch.c.id, dispatch.c.body_digest, dispatch.c.complete).where(
        dispatch.c.owner == bindparam("owner"), dispatch.c.idempotency_key == bindparam("idempotency_key")
    )
)
_ADD = Prepared(
    insert(dispatch)
    .values(
        {
            name: bindparam(name)
            for name in (
                *("id", "root_id", "owner", "name", "status", "complete", "manifest", "requires", "project"),
                *("output_node", "result", "unfinished", "postprocesses", "parent", "observes", "tags", "env"),
                *("created_at", "idempotency_key", "body_digest"),
            )
        }
    )
    .returning(dispatch.c.key)
)
_NEXT_NODE_KEY = "next_node_key"
_RESERVE = Prepared(
    update(setting)
    .where(setting.c.name == _NEXT_NODE_KEY)
    .values(value=cast(cast(setting.c.value, BigInteger) + bindparam("count"), String))
    .returning(setting.c.value)
)
_POOL = Prepared(
    select(pool.c.id).where(
        pool.c.owner == bindparam("owner"),
        pool.c.executor == bindparam("executor"),
        pool.c.place == bindparam("place"),
    )
)
_START = Prepared(
    update(dispatch)
    .where(dispatch.c.key == bindparam("b_key"), dispatch.c.status == Status.NEW_OBJECT)
    .values(status=Status.RUNNING, complete=1, started_at=bindparam("b_now"))
    .returning(dispatch.c.unfinished, dispatch.c.postprocesses)
)
_LEASABLE = Prepared(
    update(node)
    .where(node.c.dispatch == bindparam("b_key"), node.c.state == NodeState.WAITING, node.c.remaining == 0)
    .values(state=NodeState.READY)
    .returning(node.c.pool)
)


def begin(connection: Connection, new: NewDispatch, now: float) -> Begun:
    """Write the dispatch's row and reserve its nodes' keys; the same request again finds the same dispatch."""
    earlier = _earlier(connection, new)
    if earlier is not None and not earlier.complete:
        # Its writing failed half way: nobody was told of it, and nobody writes it any more.
        remove(connection, [earlier.key])
    elif earlier is not None:
        return Begun(id=earlier.id, key=earlier.key, root=0, first=0, at=now, repeated=True)
    assets.store(connection, new.owner, new.assets, _kept_until(new, now))
    absent = assets.claim(connection, new.owner, new.mentions, _kept_until(new, now))
    if absent:
        raise ForeignAssetError(absent, new.mentions[absent[0]])
    root = None if new.parent is None else _root(connection, new.parent)
    if new.turn is not None and not triggers.stands(connection, new.turn):
        raise ObsoleteFiringError
    first = _reserve(connection, len(new.nodes))
    values = {
        "id": new.id,
        "root_id": new.id if root is None else root.root_id,
        "owner": new.owner,
        "name": new.name,
        "status": Status.NEW_OBJECT,
        "complete": 0,
        "manifest": new.manifest,
        "requires": json.dumps(list(new.requires)),
        "project": new.project,
        "output_node": new.output_node,
        "result": new.result,
        "unfinished": sum(item.state is NodeState.WAITING for item in new.nodes),
        "postprocesses": int(new.postprocesses),
        "parent": new.parent and new.parent[0],
        "observes": new.observes,
        "tags": json.dumps(list(new.tags), ensure_ascii=False),
        "env": new.env,
        "created_at": now,
        "idempotency_key": new.idempotency_key,
        "body_digest": new.body_digest,
    }
    key = int(_ADD.one(connection, values).scalar_one())
    return Begun(id=new.id, key=key, root=key if root is None else root.root, first=first, at=now)


def _kept_until(new: NewDispatch, now: float) -> float:
    """Until when its assets are kept in any case: the rows that name them may be written in pieces, one by one."""
    return now + _WRITING_SECONDS if max(len(new.nodes), len(new.links)) > PIECE else now


def _root(connection: Connection, parent: tuple[int, int]) -> AnyRow:
    """The root of a sublattice, by id and key; raises ObsoleteSublatticeError when its node waits for it no more."""
    key, attempt = parent
    row = connection.execute(
        select(dispatch.c.root_id, node.c.root)
        .join(node, node.c.dispatch == dispatch.c.key)
        .where(node.c.key == key, node.c.state == NodeState.DISPATCHING, node.c.fenced == attempt)
    ).one_or_none()
    if row is None:
        raise ObsoleteSublatticeError
    return row


def _earlier(connection: Connection, new: NewDispatch) -> AnyRow | None:
    if new.idempotency_key is None:
        return None
    row = _EARLIER.one(connection, {"owner": new.owner, "idempotency_key": new.idempotency_key}).one_or_none()
    if row is not None and row.body_digest != new.body_digest:
        raise IdempotencyConflictError
    return row


def _reserve(connection: Connection, count: int) -> int:
    """A range of node keys of its own."""
    following = _RESERVE.one(connection, {"count": count}).scalar()
    if following is None:
        fact(connection, _NEXT_NODE_KEY, "1")
        following = _RESERVE.one(connection, {"count": count}).scalar_one()
    return int(following) - count


def add_nodes(connection: Connection, begun: Begun, new: NewDispatch, start: int, stop: int) -> None:
    """Write a piece of the nodes; a task that is not to run begins and ends with its dispatch."""
    piece = new.nodes[start:stop]
    if not piece:
        return
    taken_over = {item.output for item in piece if item.output is not None}
    if assets.claim(connection, new.owner, taken_over, _kept_until(new, begun.at)):
        # What it repeats was purged since its outputs were looked at.
        raise UnknownDispatchError(str(json.loads(new.manifest).get("reuse")))
    pools = {place: pool_id(connection, new.owner, place) for place in dict.fromkeys(item.place for item in piece)}
    # A look at a directory lasts until something happens there: it takes no slot from tasks.
    told = {(item.place.executor, item.tags) for item in piece} if new.observes is None else set()
    under = gates.of_nodes(connection, new.owner, told)
    _ADD_NODE.many(
        connection,
        [
            {
                "key": begun.first + start + index,
                "dispatch": begun.key,
                "number": item.number,
                "position": start + index,
                "record": item.record,
                "pool": pools[item.place],
                "state": item.state,
                "remaining": item.remaining,
                "policy": item.policy,
                "rank": new.rank,
                "root": begun.root,
                "gate": under.get((item.place.executor, item.tags), 0),
                "output": item.output,
                "started_at": None if item.output is None else begun.at,
                "ended_at": None if item.output is None else begun.at,
            }
            for index, item in enumerate(piece)
        ],
    )


def add_links(connection: Connection, begun: Begun, new: NewDispatch, start: int, stop: int) -> None:
    """Write a piece of the links."""
    piece = new.links[start:stop]
    if not piece:
        return
    _ADD_LINK.many(
        connection,
        [{"parent": begun.first + item.parent, "child": begun.first + item.child, "uses": item.uses} for item in piece],
    )


def pool_id(connection: Connection, owner: str, place: Place) -> int:
    """The number of an owner's pool, made when it is new."""
    found = _POOL.one(connection, {"owner": owner, "executor": place.executor, "place": place.place}).scalar()
    if found is not None:
        return int(found)
    statement = insert(pool).values(owner=owner, executor=place.executor, place=place.place).returning(pool.c.id)
    return int(connection.execute(statement).scalar_one())


def release(connection: Connection, begun: Begun, new: NewDispatch, now: float) -> Effects:
    """The last flip: the dispatch becomes visible and, unless it is only to be registered, is started."""
    if begun.repeated:
        return Effects()
    if new.parent is not None:
        _root(connection, new.parent)  # its node may have ended while this was written
    triggers.add(connection, new.owner, begun.key, new.triggers, now)
    if new.turn is not None and not triggers.take(connection, new.turn, now, fired=begun.key):
        raise ObsoleteFiringError
    if new.hold:
        connection.execute(update(dispatch).where(dispatch.c.key == begun.key).values(complete=1))
        note(connection, "dispatch.registered", begun.key, now)
        return Effects(triggers=bool(new.triggers))
    if any(item.output is not None for item in new.nodes):
        _note_taken_over(connection, begun.key, now)
    return start(connection, begun.key, now)


def _note_taken_over(connection: Connection, key: int, now: float) -> None:
    done = select(literal(now), literal("node.completed"), node.c.dispatch, node.c.key, node.c.attempt)
    done = done.where(node.c.dispatch == key, node.c.state == NodeState.COMPLETED).order_by(node.c.key)
    connection.execute(insert(event).from_select(["at", "kind", "dispatch", "node", "attempt"], done))


def start(connection: Connection, key: int, now: float) -> Effects:
    """Let the nodes of a registered dispatch that wait for no other be leased."""
    row = _START.one(connection, {"b_key": key, "b_now": now}).one_or_none()
    if row is None:
        raise ObsoleteFiringError
    note(connection, "dispatch.running", key, now)
    effects = Effects(pools=set(_LEASABLE.one(connection, {"b_key": key}).scalars()))
    if not row.unfinished:
        effects.include(finish(connection, key, now))
    elif row.unfinished == 1 and row.postprocesses:
        postprocess(connection, key)
    return effects


def discard(connection: Connection, begun: Begun) -> None:
    """Remove a dispatch that was refused in the end, after much of it was written."""
    remove(connection, [begun.key])


def discard_incomplete(connection: Connection) -> int:
    """Remove dispatches whose writing was cut off; nobody was told of them. Those that were purged have ended."""
    cut_off = select(dispatch.c.key).where(dispatch.c.complete == 0, dispatch.c.ended_at.is_(None))
    keys = connection.execute(cut_off).scalars().all()
    remove(connection, keys)
    return len(keys)
