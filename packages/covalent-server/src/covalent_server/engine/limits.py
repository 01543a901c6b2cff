"""Limits: checked, written, and told to the workers that wait for what they let through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from covalent.errors import WireError
from covalent.wire.limits import LimitList
from covalent_server.core.planning import MAX_TAG, check_text
from covalent_server.db import limits

if TYPE_CHECKING:
    from covalent.wire.limits import Limit, LimitName
    from covalent_server.engine.shared import Shared

MAX_SLOTS: Final = 1_000_000


async def put(shared: Shared, owner: str, limit: Limit) -> LimitList:
    """Set a limit; answered after the commit, with all that there are."""
    check_text(limit.name, "name", MAX_TAG)
    if not limit.name.strip():
        raise WireError("expected a tag, or an executor's short name", path="name")
    if not 0 <= limit.slots <= MAX_SLOTS:
        raise WireError(f"expected a number from 0 to {MAX_SLOTS}", path="slots")
    shared.tell(await shared.write(lambda session: limits.put(session, owner, limit)))
    return await all_of(shared, owner)


async def remove(shared: Shared, owner: str, which: LimitName) -> LimitList:
    """Take a limit away; answered after the commit, with those that are left."""
    check_text(which.name, "name", MAX_TAG)
    shared.tell(await shared.write(lambda session: limits.remove(session, owner, which)))
    return await all_of(shared, owner)


async def all_of(shared: Shared, owner: str) -> LimitList:
    """The limits of an account, as they stand."""
    return LimitList(limits=await shared.read(lambda session: limits.records(session, owner)))
