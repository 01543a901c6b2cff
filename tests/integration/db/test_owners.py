"""What belongs to one account does not exist for another."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from covalent.wire import places
from covalent.wire.work import Acknowledgement, Completion, LeaseKey, Outcome
from covalent_server.core.errors import UnknownDispatchError
from covalent_server.db import Session, assets, dispatches, ending, happened, listing, reads, work
from covalent_server.engine.submission import prepare
from covalent_server.executors.registry import Machine
from tests import builders
from tests.builders import manifest, node
from tests.integration.db.conftest import Do
from tests.integration.engine.conftest import OWNER, submission

STRANGER = "somebody"
_DATA = builders.asset("secret")
_ASSET = assets.NewAsset(digest=builders.digest(_DATA), size=len(_DATA), preview="{}", data=_DATA)


def submitted(session: Session, *, owner: str = OWNER) -> str:
    new = prepare(replace(submission(manifest([node(0)])), owner=owner), Machine(host=places.host_identity()))
    begun = dispatches.begin(session, new, 1.0)
    dispatches.add_nodes(session, begun, new, 0, 1)
    dispatches.release(session, begun, new, 1.0)
    return begun.id


def leased(session: Session) -> LeaseKey:
    report = work.Report(worker="w", owner=OWNER, pool=1, want=1)
    (lease,) = work.report(session, report, 2.0).leased
    return LeaseKey(node=lease.key, attempt=lease.attempt, token="")


def told(session: Session, owner: str, key: LeaseKey, *, output: str) -> list[Acknowledgement]:
    done = Completion(key=key, outcome=Outcome.COMPLETED, output=output)
    piece = work.StreamPiece(key=key, stream="stdout", offset=0, data=b"printed")
    report = work.Report(worker="w", owner=owner, pool=1, want=0, completions=[done], streams=[piece], started=[key])
    return work.report(session, report, 3.0).acknowledgements


def test_a_known_digest_gives_another_owner_nothing(do: Do) -> None:
    do(partial(assets.store, owner=OWNER, assets=[_ASSET], kept_until=1.0))
    digests = [_ASSET.digest]
    assert do(partial(assets.claim, owner=OWNER, digests=digests, kept_until=1.0)) == []
    assert [item.data for item in do(partial(assets.fetch, owner=OWNER, digests=digests))] == [_DATA]
    assert do(partial(assets.claim, owner=STRANGER, digests=digests, kept_until=1.0)) == digests
    assert do(partial(assets.fetch, owner=STRANGER, digests=digests)) == []


def test_who_brings_the_bytes_of_another_owners_asset_owns_it_too(do: Do) -> None:
    for owner in (OWNER, STRANGER):
        do(partial(assets.store, owner=owner, assets=[_ASSET], kept_until=1.0))
        assert do(partial(assets.claim, owner=owner, digests=[_ASSET.digest], kept_until=1.0)) == []


def test_a_result_may_not_name_another_owners_asset(do: Do) -> None:
    dispatch_id = do(submitted)
    do(partial(assets.store, owner=STRANGER, assets=[_ASSET], kept_until=1.0))
    key = do(leased)
    assert do(partial(told, owner=OWNER, key=key, output=_ASSET.digest)) == [Acknowledgement.OK]
    (record,) = do(partial(listing.nodes, owner=OWNER, dispatch_id=dispatch_id)).nodes
    assert (record.status, record.output) == ("FAILED", None)
    assert "never sent it" in str(record.error)


def test_a_worker_reports_of_its_own_accounts_tasks_alone(do: Do) -> None:
    dispatch_id = do(submitted)
    key = do(leased)
    do(partial(assets.store, owner=STRANGER, assets=[_ASSET], kept_until=1.0))
    before = do(partial(listing.nodes, owner=OWNER, dispatch_id=dispatch_id)).nodes
    assert do(partial(told, owner=STRANGER, key=key, output=_ASSET.digest)) == [Acknowledgement.STALE]
    assert do(partial(listing.nodes, owner=OWNER, dispatch_id=dispatch_id)).nodes == before


def test_another_owners_dispatch_does_not_exist(do: Do) -> None:
    dispatch_id = do(submitted)
    asked = {"owner": STRANGER, "dispatch_id": dispatch_id}
    for question in (reads.dispatch_record, reads.dispatch_ended, listing.nodes, reads.graph, reads.manifest):
        do(partial(question, owner=OWNER, dispatch_id=dispatch_id))
        with pytest.raises(UnknownDispatchError):
            do(partial(question, **asked))
    for request in (
        partial(ending.cancel, numbers=None, now=9.0),
        partial(ending.conclude, result=_ASSET.digest, new=[_ASSET], now=9.0),
    ):
        with pytest.raises(UnknownDispatchError):
            do(partial(request, **asked))
    assert do(partial(happened.events, owner=OWNER, after=0, limit=9)).events
    assert do(partial(happened.events, owner=STRANGER, after=0, limit=9)).events == ()
    found = partial(listing.dispatches, limit=9)
    assert [len(do(partial(found, owner=owner)).dispatches) for owner in (OWNER, STRANGER)] == [1, 0]
