"""Which dispatches may be purged: whole families, a dispatch with all its sublattices, that nothing needs any more.

They are looked for slice by slice, so that no read lasts long. What is found is looked at once more when it is marked;
a family that has ended gets no further members.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, case, func, null, select

from covalent.status import Status
from covalent.wire.purging import Kept
from covalent_server.core.errors import UnknownDispatchError
from covalent_server.db import AnyRow
from covalent_server.db.dialect import Within, many
from covalent_server.db.tables import dispatch, node, trigger

#: Dispatches that one read looks at.
SLICE: Final = 2000
#: What an unfinished dispatch names in its manifest and is not to lose.
_NAMES: Final = ("reuse", "redispatch_of")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be purged: dispatches by their ids, or all of which everything holds that is said."""

    #: None for everybody's.
    owner: str | None
    ids: frozenset[str] = frozenset()
    ended_before: float | None = None
    status: Status | None = None
    tag: str | None = None

    def fits(self, root: AnyRow) -> bool:
        """Whether a dispatch that is no sublattice is wanted."""
        if self.ids:
            return root.id in self.ids
        return (
            (self.ended_before is None or (root.ended_at is not None and root.ended_at < self.ended_before))
            and (self.status is None or root.status == self.status)
            and (self.tag is None or self.tag in json.loads(root.tags))
        )


@dataclass(slots=True, kw_only=True)
class Family:
    """A dispatch with its sublattices."""

    id: str
    owner: str
    #: The ids of its members by their keys.
    members: dict[int, str] = field(default_factory=dict)
    wanted: bool = False
    ended: bool = True
    nodes: int = 0


def named(manifest: str) -> list[str]:
    """The ids of dispatches that one with this manifest repeats."""
    told = json.loads(manifest)
    return [told[name] for name in _NAMES if told.get(name)]


class Survey:
    """A look at all dispatches, slice by slice."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        #: Of each slice the last dispatch that was looked at: its id by its key.
        self.ends: dict[int, str] = {}
        self._families: dict[str, Family] = {}
        #: Which unfinished dispatch names which.
        self._named: dict[str, str] = {}
        #: Sublattices that were asked for by their ids, with their roots.
        self._inside: dict[str, str] = {}

    def look(self, connection: Connection, after: int) -> int | None:
        """Look at the dispatches that come after a key; the key of the last of them, None at the end."""
        statement = (
            select(
                *(dispatch.c[name] for name in ("key", "id", "root_id", "owner", "tags")),
                *(dispatch.c[name] for name in ("status", "ended_at", "complete")),
                case((dispatch.c.ended_at.is_(None), dispatch.c.manifest), else_=null()).label("manifest"),
            )
            .where(dispatch.c.key > after, dispatch.c.observes.is_(None))
            .order_by(dispatch.c.key)
            .limit(SLICE)
        )
        if self._wanted.owner is not None:
            statement = statement.where(dispatch.c.owner == self._wanted.owner)
        rows = connection.execute(statement).all()
        for row in rows:
            self._note(row)
        if rows:
            self.ends[rows[-1].key] = rows[-1].id
        return rows[-1].key if len(rows) == SLICE else None

    def _note(self, row: AnyRow) -> None:
        family = self._families.setdefault(row.root_id, Family(id=row.root_id, owner=row.owner))
        family.members[row.key] = row.id
        # Half written, or purged already: then ``complete`` is 0 as well.
        family.ended &= row.ended_at is not None and bool(row.complete)
        if row.id == row.root_id:
            family.wanted = self._wanted.fits(row) and (bool(row.complete) or row.ended_at is None)
        elif row.id in self._wanted.ids:
            self._inside[row.id] = row.root_id
        if row.manifest is not None:
            self._named.update(dict.fromkeys(named(row.manifest), row.id))

    def found(self, connection: Connection) -> tuple[list[Family], list[Kept]]:
        """The families that may be purged, and why others may not that are wanted."""
        triggers = select(trigger.c.dispatch).where(trigger.c.stopped_at.is_(None))
        active = frozenset(connection.execute(triggers).scalars())
        families, kept = [], list(self._refused())
        for family in self._families.values():
            if family.wanted:
                reason = self._reason(family, active)
                if reason is None:
                    families.append(family)
                else:
                    kept.append(Kept(dispatch_id=family.id, reason=reason))
        return families, kept

    def _refused(self) -> Iterable[Kept]:
        """What was asked for by ids that are no root's."""
        for dispatch_id in sorted(self._wanted.ids):
            family = self._families.get(dispatch_id)
            if family is not None and family.wanted:
                continue
            root = self._inside.get(dispatch_id)
            reason = (
                str(UnknownDispatchError(dispatch_id))
                if root is None
                else f"dispatch {dispatch_id!r} is a sublattice of {root!r}: it goes with that one, and not by itself"
            )
            yield Kept(dispatch_id=dispatch_id, reason=reason)

    def _reason(self, family: Family, active: frozenset[int]) -> str | None:
        told = f"dispatch {family.id!r}"
        if not family.ended:
            return f"{told} has not ended; wait for its end, or cancel it: python -m covalent cancel {family.id}"
        if active & family.members.keys():
            return f"{told} is started again by a trigger; stop that first: covalent trigger stop {family.id}"
        names = next((self._named[name] for name in family.members.values() if name in self._named), None)
        if names is not None:
            return f"{told} is repeated by {names!r}, which has not ended; wait for the end of that one, or cancel it"
        return None


def count_nodes(connection: Connection, families: Sequence[Family]) -> None:
    """Note how many nodes some families have."""
    of = {key: family for family in families for key in family.members}
    counted = select(node.c.dispatch, func.count()).where(Within(node.c.dispatch, "keys")).group_by(node.c.dispatch)
    for key, number in connection.execute(counted, {"keys": many(connection, of)}):
        of[key].nodes += number
