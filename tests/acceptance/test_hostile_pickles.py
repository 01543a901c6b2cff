"""Pickles that act when opened, sent and read back through every route: the server opens none of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from covalent.wire import FRAMES_CONTENT_TYPE, frames
from covalent.wire.manifest import Client, Hooks, Link, Manifest, Metadata
from covalent.wire.work import Completion, Lease, Outcome, Poll, StreamChunk
from tests import builders
from tests.acceptance.hostile_payloads import CODECS, Payload, corpus
from tests.acceptance.stand_in import StandIn
from tests.installation import Answer, Installation, wait_until
from tests.unit.server.hostile import connected, listener

T = TypeVar("T")

_JSON = "application/json"
_OCTETS = "application/octet-stream"
#: Opens every file of a directory as a pickle, as the server must not.
_UNGUARDED = """
import pathlib, pickle, sys
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    pickle.loads(path.read_bytes())
"""


class Attack:
    """Sends one payload after the other to one server, and takes note of every answer."""

    def __init__(self, installation: Installation, stand_in: StandIn) -> None:
        self._installation = installation
        self._stand_in = stand_in
        self._turn = 0
        self.statuses: set[int] = set()
        #: Dispatches that wait for the stand-in, with the asset that everything in them is.
        self.dispatches: dict[str, tuple[Payload, bytes]] = {}
        self.outputs: dict[str, str] = {}

    def ask(self, method: str, path: str, body: bytes | None = None, content_type: str = _JSON) -> Answer:
        headers = {} if body is None else {"Content-Type": content_type}
        answer = self._installation.request(method, f"/api/v1{path}", body, headers=headers)
        self.statuses.add(answer.status)
        return answer

    def dispatch(self, manifest: Manifest, blobs: Sequence[bytes]) -> Answer:
        return self.ask("POST", "/dispatches", frames.pack(builders.text(manifest), blobs), FRAMES_CONTENT_TYPE)

    def send_as_assets(self, payload: Payload, codec: str) -> None:
        """As function, inputs, hooks, workflow and project of a dispatch that only the stand-in can run."""
        asset = payload.asset(codec, "sent")
        answer = self.dispatch(_made_of(builders.digest(asset), self._stand_in.python), [asset])
        assert answer.status == 201, (payload.name, answer)
        self.dispatches[answer.plain["dispatch_id"]] = (payload, asset)

    def send_as_text(self, payload: Payload) -> None:
        """In every field of a manifest, and where JSON, frames, digests and assets are expected."""
        for manifest in self._by_turns(payload, list(_with_text(payload.text))):
            self.dispatch(manifest, [builders.FUNCTION])
        for data in (payload.data, payload.as_header()):
            for content_type in self._by_turns(payload, (_JSON, FRAMES_CONTENT_TYPE)):
                self.ask("POST", "/dispatches", data, content_type)
            refused = self.ask("PUT", f"/assets/{builders.digest(data)}", data, _OCTETS)
            assert 400 <= refused.status < 500, (payload.name, refused)
        text = json.dumps({"digests": [payload.text], "keep_workers": payload.text}).encode()
        for path in self._by_turns(payload, ("/assets/missing", "/assets/batch", "/server/stop")):
            self.ask("POST", path, payload.data)
            self.ask("POST", path, text)
        for path in self._by_turns(payload, ("/dispatches?name=", "/dispatches?status=", "/dispatches/", "/assets/")):
            self.ask("GET", f"{path}{quote(payload.data, safe='')}")
        asset = payload.asset("pickle", "put")
        assert self.ask("PUT", f"/assets/{builders.digest(asset)}", asset, _OCTETS).status == 204

    def _by_turns(self, payload: Payload, ways: Sequence[T]) -> Sequence[T]:
        """Every way for a payload that is whole; for the many damaged ones this one now, and that one then."""
        self._turn += 1
        return ways if payload.acts else [ways[self._turn % len(ways)]]

    def send_as_worker(self, payload: Payload, lease: Lease) -> None:
        """As a task's output, error and streams, and where the lease protocol expects JSON and frames."""
        output = payload.asset("pickle", "output")
        digest = builders.digest(output)
        failed = payload.name.endswith("1")
        completion = Completion(
            key=lease.key,
            outcome=Outcome.FAILED if failed else Outcome.COMPLETED,
            output=None if failed else digest,
            error=payload.text if failed else None,
        )
        streams = tuple(
            StreamChunk(key=lease.key, stream=name, offset=0, blob=index)
            for index, name in enumerate(("stdout", "stderr"), start=1)
        )
        poll = Poll(worker=self._stand_in.worker, completions=(completion,), assets=(digest,), streams=streams)
        self._stand_in.poll(poll, [output, payload.data, payload.data])
        if not failed:
            self.outputs[lease.dispatch_id] = digest
        for path, content_type in (("/worker/hello", _JSON), ("/worker/poll", FRAMES_CONTENT_TYPE)):
            self.statuses.add(self._stand_in.post(path, payload.data, content_type).status)

    def read_back(self, dispatch_id: str) -> None:
        """Through every route that describes a dispatch, its nodes and its assets."""
        payload, asset = self.dispatches[dispatch_id]
        whole = f"/dispatches/{dispatch_id}"
        for part in self._by_turns(payload, ("", "/graph", "/manifest", "/nodes", "/nodes/0")):
            assert self.ask("GET", f"{whole}{part}").status == 200, (payload.name, part)
        for stream in self._by_turns(payload, ("stdout", "stderr")):
            assert self.ask("GET", f"{whole}/nodes/0/{stream}").body == payload.data, payload.name
        assert self.ask("GET", f"/assets/{builders.digest(asset)}").body == asset
        if dispatch_id in self.outputs:
            digests = json.dumps({"digests": [self.outputs[dispatch_id]]}).encode()
            _, blobs = frames.unpack(self.ask("POST", "/assets/batch", digests).body)
            assert [bytes(blob) for blob in blobs] == [payload.asset("pickle", "output")]


def _made_of(digest: str, python: str) -> Manifest:
    """A manifest in which every asset is the same one."""
    node = builders.node(0, {"asset": digest}, {"list": [{"asset": digest}]}, function=digest)
    metadata = replace(
        node.metadata,
        executor_data=node.metadata.executor_data | {"python": python},
        hooks=Hooks(call_before=(digest,), call_after=(digest,)),
    )
    node = replace(node, kwargs={"keyword": {"asset": digest}}, metadata=metadata)
    return replace(builders.manifest([node]), inputs=digest, workflow=digest, project=digest)


def _with_text(text: str) -> Iterator[Manifest]:
    """Manifests with a text in one or several fields."""
    plain = builders.manifest([builders.node(0, {"value": 1})])
    (node,) = plain.graph.nodes
    attributes = plain.graph.graph

    def of(**changes: Any) -> Manifest:
        nodes = (replace(node, **changes),)
        return replace(plain, graph=replace(plain.graph, nodes=nodes))

    unknown = Metadata(executor=text, executor_data={text: text, "python": text, "workdir": text})
    yield replace(
        of(name=text, function_id=text, kwargs={text: {"value": text}}, args=({"value": text},), metadata=unknown),
        client=Client(host=text, python=text, sdk=text),
    )
    yield of(metadata=unknown)
    yield of(metadata=replace(node.metadata, executor_data=node.metadata.executor_data | {"python": text}))
    yield of(metadata=replace(node.metadata, executor_data=node.metadata.executor_data | {"host": text}))
    yield of(kind=text)
    yield of(function=text)
    yield of(args=({"asset": text},))
    yield of(args=({text: text},))
    yield of(args=({"node": 0, "path": [["attr", text]]},))
    yield of(metadata=replace(node.metadata, hooks=Hooks(call_before=(text,))))
    yield replace(plain, inputs=text)
    yield replace(plain, workflow=text)
    yield replace(plain, project=text)
    yield replace(plain, requires=(text,))
    yield replace(plain, graph=replace(plain.graph, graph=replace(attributes, name=text)))
    yield replace(plain, graph=replace(plain.graph, graph=replace(attributes, output={"asset": text})))
    yield replace(plain, graph=replace(plain.graph, links=(Link(source=0, target=0, edge_name=text, param_type=text),)))


@pytest.mark.timeout(240)
def test_no_pickle_is_ever_opened_by_the_server_whatever_it_comes_as(
    tmp_path: Path, installation: Installation
) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    with listener() as server, StandIn(tmp_path, installation) as stand_in:
        payloads = list(corpus(traces, server.getsockname()[1]))
        assert len(payloads) >= 300
        attack = Attack(installation, stand_in)
        for index, payload in enumerate(payloads):
            attack.send_as_assets(payload, CODECS[index % len(CODECS)])
            attack.send_as_text(payload)
        stand_in.hello()
        for lease in stand_in.leases():
            attack.send_as_worker(attack.dispatches[lease.dispatch_id][0], lease)
        for dispatch_id in attack.dispatches:
            attack.read_back(dispatch_id)
        attack.ask("GET", "/dispatches?limit=1000")
        attack.ask("GET", "/events?limit=1000")
        installation.restart()
        for dispatch_id in list(attack.dispatches)[::50]:
            attack.read_back(dispatch_id)
        for command in ("status", "doctor", "logs", "config"):
            installation.command(command, check=False)

        assert attack.statuses <= {200, 201, 204, 400, 404, 409, 415, 422}
        assert list(traces.iterdir()) == []
        assert not connected(server)
        assert "Traceback" not in installation.log()
        told = installation.request("GET", "/api/v1/server").plain
        assert (told["guard"], told["refusals"]) == ("armed", 0)

        opened_where_nothing_guards(payloads, tmp_path / "payloads")
        assert {payload.trace.name for payload in payloads if payload.acts and payload.trace} <= {
            trace.name for trace in traces.iterdir()
        }
        wait_until(lambda: connected(server), "the payload to connect")


def opened_where_nothing_guards(payloads: Sequence[Payload], directory: Path) -> None:
    """Open every payload that is whole in an ordinary process."""
    directory.mkdir()
    for payload in payloads:
        if payload.acts:
            (directory / payload.name).write_bytes(payload.data)
    subprocess.run([sys.executable, "-c", _UNGUARDED, str(directory)], check=True)
