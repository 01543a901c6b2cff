"""What belongs to one owner does not exist for another, whatever the other knows of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from covalent.wire import FRAMES_CONTENT_TYPE, codec, frames
from covalent.wire.work import Completion, Hello, LeaseKey, Outcome, Poll
from tests import builders
from tests.acceptance.programs import Project
from tests.installation import Answer, Installation

_OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """A server with two owners: the first has run a workflow."""

    installation: Installation
    dispatch_id: str
    #: Every asset of the first owner's.
    assets: dict[str, bytes]
    #: The second owner's tokens.
    user: str
    worker: str

    def ask(self, method: str, path: str, *, worker: bool = False, **more: object) -> Answer:
        """A request of the second owner's."""
        token = self.worker if worker else self.user
        return self.installation.request(method, f"/api/v1{path}", token=token, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    root = tmp_path_factory.mktemp("neighbours")
    with Installation(root / "installation") as installation:
        project = Project(root / "project", installation)
        project.workflow(
            """
            @ct.electron
            def large(size):
                return b"secret" * size


            @ct.electron
            def small(data):
                return {"secret": len(data)}


            @ct.lattice
            def workflow(size):
                return small(large(size))
            """
        )
        dispatch_id = project.run(100_000).dispatch_id
        installation.command("stop")
        tokens = {scope: secrets.token_urlsafe(32) for scope in ("user", "worker")}
        with contextlib.closing(sqlite3.connect(installation.data / "covalent.db")) as database, database:
            database.executemany(
                "insert into token (digest, owner, scope, created_at) values (?, 'other', ?, 0)",
                [(hashlib.sha256(token.encode()).hexdigest(), scope) for scope, token in tokens.items()],
            )
            digests = [row[0] for row in database.execute("select digest from asset")]
        installation.start()
        assets = {digest: installation.request("GET", f"/api/v1/assets/{digest}").body for digest in digests}
        assert all(builders.digest(data) == digest for digest, data in assets.items())
        assert max(map(len, assets.values())) > 600_000
        yield Neighbours(installation=installation, dispatch_id=dispatch_id, assets=assets, **tokens)


@pytest.mark.parametrize("worker", [False, True], ids=["user", "worker"])
def test_a_known_digest_gives_another_owner_nothing(neighbours: Neighbours, *, worker: bool) -> None:
    digests = {"digests": sorted(neighbours.assets)}
    assert neighbours.ask("POST", "/assets/missing", plain=digests, worker=worker).plain == digests
    batch = neighbours.ask("POST", "/assets/batch", plain=digests, worker=worker)
    text, blobs = frames.unpack(batch.body)
    assert (json.loads(bytes(text)), blobs) == ({"digests": []}, [])
    fetched = {neighbours.ask("GET", f"/assets/{digest}", worker=worker).status for digest in neighbours.assets}
    assert fetched == {404}


@pytest.mark.parametrize("place", ["function", "argument", "hook", "inputs", "workflow", "project", "output"])
def test_a_manifest_may_not_name_another_owners_asset(neighbours: Neighbours, place: str) -> None:
    digest = min(neighbours.assets)
    plain = json.loads(builders.text(builders.manifest([builders.node(0, {"value": 1})])))
    (node,) = plain["graph"]["nodes"]
    own = builders.asset("my own")
    node["function"] = builders.digest(own)
    match place:
        case "function":
            node["function"] = digest
        case "argument":
            node["args"] = [{"list": [{"asset": digest}]}]
        case "hook":
            node["metadata"]["hooks"] = {"call_before": [digest]}
        case "output":
            plain["graph"]["graph"]["output"] = {"asset": digest}
        case _:
            plain[place] = digest
    body = frames.pack(json.dumps(plain).encode(), [own])
    answer = neighbours.ask("POST", "/dispatches", body=body, headers={"Content-Type": FRAMES_CONTENT_TYPE})
    assert (answer.status, answer.plain["code"]) == (422, "missing-assets")
    assert neighbours.ask("GET", "/dispatches").plain["dispatches"] == []


@pytest.mark.parametrize(
    "path", ["", "/graph", "/manifest", "/nodes", "/nodes/0", "/nodes/0/stdout", "/nodes/0/stderr"]
)
def test_another_owners_dispatch_does_not_exist(neighbours: Neighbours, path: str) -> None:
    whole = f"/dispatches/{neighbours.dispatch_id}{path}"
    assert neighbours.installation.request("GET", f"/api/v1{whole}").status == 200
    there, nowhere = neighbours.ask("GET", whole), neighbours.ask("GET", f"/dispatches/{'0' * 36}{path}")
    assert (there.status, there.plain["code"]) == (nowhere.status, nowhere.plain["code"]) == (404, "unknown-dispatch")


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/cancel", {}), ("/cancel", {"nodes": [0]}), ("/result", {"result": "0" * 64})],
    ids=["cancel", "cancel a node", "result"],
)
def test_another_owners_dispatch_cannot_be_ended(neighbours: Neighbours, path: str, asked: object) -> None:
    there = neighbours.ask("POST", f"/dispatches/{neighbours.dispatch_id}{path}", plain=asked)
    nowhere = neighbours.ask("POST", f"/dispatches/{'0' * 36}{path}", plain=asked)
    assert (there.status, there.plain["code"]) == (nowhere.status, nowhere.plain["code"]) == (404, "unknown-dispatch")


@pytest.mark.parametrize("whose", ["another's", "nobody's"])
def test_another_owners_dispatch_cannot_be_taken_over(neighbours: Neighbours, whose: str) -> None:
    plain = json.loads(builders.text(builders.manifest([builders.node(0, {"value": 1})])))
    plain["reuse"] = neighbours.dispatch_id if whose == "another's" else "0" * 36
    body = frames.pack(json.dumps(plain).encode(), [builders.FUNCTION])
    answer = neighbours.ask("POST", "/dispatches", body=body, headers={"Content-Type": FRAMES_CONTENT_TYPE})
    assert (answer.status, answer.plain["code"]) == (404, "unknown-dispatch")
    assert neighbours.ask("GET", "/dispatches").plain["dispatches"] == []


@pytest.mark.parametrize("query", ["?name=workflow", "?tag=secret", "?status=COMPLETED", ""])
def test_another_owners_dispatches_are_not_found(neighbours: Neighbours, query: str) -> None:
    assert neighbours.ask("GET", f"/dispatches{query}").plain["dispatches"] == []


def test_another_owners_dispatches_and_events_are_not_listed(neighbours: Neighbours) -> None:
    assert neighbours.ask("GET", "/dispatches").plain["dispatches"] == []
    assert neighbours.ask("GET", "/events").plain["events"] == []


def test_a_worker_of_another_owner_gets_into_no_pool_and_speaks_for_no_worker(neighbours: Neighbours) -> None:
    installation = neighbours.installation
    with contextlib.closing(sqlite3.connect(f"file:{installation.data / 'covalent.db'}?mode=ro", uri=True)) as database:
        ((pool,),) = database.execute("select id from pool").fetchall()
        ((worker,),) = database.execute("select id from worker").fetchall()
    hello = neighbours.ask(
        "POST",
        "/worker/hello",
        worker=True,
        body=codec.dumps(Hello(worker="stranger", pool=str(pool), slots=1)),
    )
    assert (hello.status, hello.plain["code"]) == (404, "unknown-worker")
    key = LeaseKey(node=1, attempt=1, token="0" * 32)
    forged = Completion(key=key, outcome=Outcome.FAILED, error="forged")
    for name in ("stranger", worker):
        poll = frames.pack(codec.dumps(Poll(worker=name, want=10, completions=(forged,))), [])
        answer = neighbours.ask(
            "POST", "/worker/poll", worker=True, body=poll, headers={"Content-Type": FRAMES_CONTENT_TYPE}
        )
        assert (answer.status, answer.plain["code"]) == (404, "unknown-worker")
        bye = neighbours.ask("POST", "/worker/bye", worker=True, plain={"worker": name})
        assert (bye.status, bye.plain["code"]) == (404, "unknown-worker")


def test_who_brings_the_bytes_of_another_owners_asset_owns_it_too(neighbours: Neighbours) -> None:
    data = builders.asset("what two owners have")
    path = f"/assets/{builders.digest(data)}"
    first = neighbours.installation.request("PUT", f"/api/v1{path}", data, headers=_OCTETS)
    assert first.status == 204
    assert neighbours.ask("GET", path).status == 404
    assert neighbours.ask("PUT", path, body=data[:-1] + b"!", headers=_OCTETS).status == 422
    assert neighbours.ask("GET", path).status == 404
    assert neighbours.ask("PUT", path, body=data, headers=_OCTETS).status == 204
    assert neighbours.ask("GET", path).body == data
