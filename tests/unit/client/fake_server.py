"""A server in a thread that keeps what it is sent and answers as it is told; the HTTP is real, the engine is not."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from covalent.status import Status
from covalent.transportable import TransportableObject
from covalent.wire import FRAMES_CONTENT_TYPE, INLINE_ASSET_BYTES, frames
from covalent.wire.codec import dumps, from_json, loads
from covalent.wire.manifest import Accepted, Cancellation, Conclusion, Digests, Manifest
from covalent.wire.records import AssetDescription, DispatchList, DispatchRecord, NodeList, NodeRecord, Problem
from covalent.wire.triggers import Registration, TriggerList, TriggerRecord, TriggerStop
from covalent.wire.waiting import Waiting, WaitingList

TOKEN = "the-fake-servers-token"  # noqa: S105  made up


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    key: str | None


@dataclass
class FakeServer:
    """All state of the fake; it survives ``stop`` and ``start``, as a database does."""

    port: int = 0
    assets: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    records: dict[str, DispatchRecord] = field(default_factory=dict)
    nodes: dict[str, list[NodeRecord]] = field(default_factory=dict)
    streams: dict[tuple[str, int, str], bytes] = field(default_factory=dict)
    triggers: dict[str, Registration] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    #: Answers to throw away: the request is carried out and the connection closed.
    losses: int = 0
    #: What it says of its executors.
    executors: tuple[str, ...] = ("local",)
    #: A value with which every new dispatch is over before anybody asks.
    ends_at_once: bytes | None = None
    #: What it sends along with how a dispatch stands, to who takes that.
    along: bytes | None = None
    _keys: dict[str, str] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _waiting: int = 0
    _http: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> list[str]:
        """The requests so far, as ``METHOD path``."""
        return [f"{request.method} {request.path}" for request in self.requests]

    def start(self) -> None:
        fake = self

        class Handler(_Handler):
            server_state = fake

        self._http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Gone, with the requests that were being held back."""
        http, self._http = self._http, None
        if http is not None:
            http.shutdown()
            http.server_close()
            with self._changed:
                self._changed.notify_all()

    def finish(self, dispatch_id: str, output: bytes | None = None, *, error: str | None = None) -> None:
        """End a dispatch, with a value or with an error."""
        described = None
        if output is not None:
            digest = hashlib.sha256(output).hexdigest()
            self.assets[digest] = output
            described = AssetDescription(digest=digest, size=len(output), object_string="claimed", json="1")
        with self._changed:
            self.records[dispatch_id] = replace(
                self.records[dispatch_id],
                status=Status.FAILED if error else Status.COMPLETED,
                started_at=1.0,
                ended_at=2.5,
                result=described,
                error=error,
            )
            self._changed.notify_all()

    def wait_until_somebody_waits(self, count: int = 1) -> None:
        """Until so many requests are being held back."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._waiting >= count, timeout=30)

    def accept(self, manifest: Manifest, blobs: list[bytes], key: str | None) -> Accepted:
        for blob in blobs:
            self.assets[hashlib.sha256(blob).hexdigest()] = blob
        dispatch_id = self._keys.get(key or "") or f"dispatch-{len(self.records)}"
        if key:
            self._keys[key] = dispatch_id
        self.manifests[dispatch_id] = manifest
        status = Status.NEW_OBJECT if manifest.hold else Status.RUNNING
        self.records.setdefault(dispatch_id, a_record(dispatch_id, status))
        if self.ends_at_once is not None:
            self.finish(dispatch_id, self.ends_at_once)
        return Accepted(dispatch_id=dispatch_id, instance="fake")

    def listed(self, asked: Mapping[str, str]) -> DispatchList:
        """The newest dispatches, as they were made."""
        kept = [
            record
            for record in reversed(self.records.values())
            if record.name == asked.get("name", record.name)
            and record.status == asked.get("status", record.status)
            and ("tag" not in asked or asked["tag"] in record.tags)
        ]
        return DispatchList(dispatches=tuple(kept[: int(asked["limit"])]))

    def registered(self, registration: Registration) -> TriggerRecord:
        """One more trigger, unless it was sent before."""
        name = self.records[registration.dispatch_id].name
        self.triggers.setdefault(registration.trigger_id, registration)
        return TriggerRecord(
            trigger_id=registration.trigger_id,
            dispatch_id=registration.dispatch_id,
            name=name,
            trigger=registration.trigger,
            created_at=0.5,
        )

    def stopped_triggers(self, ids: Sequence[str]) -> TriggerList:
        """The triggers that are meant; KeyError for an id that means none."""
        found: dict[str, Registration] = {}
        for name in ids:
            meant = {key: item for key, item in self.triggers.items() if name in (key, item.dispatch_id)}
            found |= meant or {name: self.triggers[name]}
        return TriggerList(triggers=tuple(self.registered(item) for item in found.values()))

    def cancelled(self, dispatch_id: str, what: Cancellation) -> DispatchRecord:
        """The dispatch after it, or some of its nodes, were cancelled; what has ended stays as it is."""
        if what.nodes is not None:
            nodes = {node.node_id: node for node in self.nodes[dispatch_id]}
            nodes |= {number: replace(nodes[number], status=Status.CANCELLED) for number in what.nodes}
            self.nodes[dispatch_id] = list(nodes.values())
        elif not self.records[dispatch_id].status.terminal:
            with self._changed:
                self.records[dispatch_id] = replace(self.records[dispatch_id], status=Status.CANCELLED, ended_at=2.5)
                self._changed.notify_all()
        return self.records[dispatch_id]

    def store(self, value: object) -> AssetDescription:
        """An asset of a value, described."""
        asset = TransportableObject(value)
        self.assets[asset.asset_id] = asset.serialize()
        return AssetDescription(
            digest=asset.asset_id,
            size=asset.size,
            type_name=str(asset.header["type_name"]),
            object_string=asset.object_string,
            json=asset.json,
        )

    def run(self, dispatch_id: str, status: Status, outputs: Mapping[int, object], **changes: Any) -> None:
        """Give nodes of a dispatch their outputs, leave the others as they are, and the dispatch with a status."""
        waiting = [
            NodeRecord(node_id=node.id, node_name=node.name, kind=node.kind, status=Status.NEW_OBJECT)
            for node in self.manifests[dispatch_id].graph.nodes
        ]
        self.nodes[dispatch_id] = [
            replace(node, status=Status.COMPLETED, attempt=1, output=self.store(outputs[node.node_id]))
            if node.node_id in outputs
            else node
            for node in waiting
        ]
        with self._changed:
            self.records[dispatch_id] = replace(self.records[dispatch_id], status=status, **changes)
            self._changed.notify_all()

    def concluded(self, dispatch_id: str, conclusion: Conclusion) -> DispatchRecord | None:
        """The dispatch with the value that a client put together; None when it waits for none."""
        if self.records[dispatch_id].status is not Status.PENDING_POSTPROCESSING:
            return None
        self.finish(dispatch_id, self.assets[conclusion.result])
        return self.records[dispatch_id]

    def prints(self, dispatch_id: str, number: int, data: bytes, stream: str = "stdout") -> None:
        """More of what a task prints."""
        with self._changed:
            key = dispatch_id, number, stream
            self.streams[key] = self.streams.get(key, b"") + data
            self._changed.notify_all()

    def becomes(self, dispatch_id: str, number: int, status: Status) -> None:
        """Another status of a node."""
        with self._changed:
            nodes = self.nodes[dispatch_id]
            self.nodes[dispatch_id] = [
                replace(node, status=status) if node.node_id == number else node for node in nodes
            ]
            self._changed.notify_all()

    def printed(self, dispatch_id: str, number: int, stream: str, offset: int, seconds: float) -> bytes:
        """What a task printed, once there is more or it has ended."""
        key = dispatch_id, number, stream

        def told() -> bool:
            (node,) = [node for node in self.nodes[dispatch_id] if node.node_id == number]
            return bool(self.streams.get(key, b"")[offset:]) or node.status.terminal or self.stopped

        with self._changed:
            if seconds and not told():
                self._waiting += 1
                self._changed.notify_all()
                self._changed.wait_for(told, seconds)
                self._waiting -= 1
            return self.streams.get(key, b"")[offset:]

    def held_back(self, dispatch_id: str, seconds: float) -> DispatchRecord:
        with self._changed:
            if self.records[dispatch_id].status.at_rest or not seconds:
                return self.records[dispatch_id]
            self._waiting += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.records[dispatch_id].status.at_rest or self.stopped, seconds)
            self._waiting -= 1
            return self.records[dispatch_id]

    @property
    def stopped(self) -> bool:
        return self._http is None


def a_record(dispatch_id: str, status: Status = Status.RUNNING) -> DispatchRecord:
    return DispatchRecord(
        dispatch_id=dispatch_id, root_dispatch_id=dispatch_id, name="workflow", status=status, created_at=0.5
    )


def waiting(node: NodeRecord) -> Waiting:
    return Waiting(node_id=node.node_id, node_name=node.node_name, code="busy", message="all are busy; wait")


class _Frames(bytes):
    """An answer in frames."""


class _Handler(BaseHTTPRequestHandler):
    server_state: FakeServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle(b"")

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers["Content-Length"])))

    def do_PUT(self) -> None:
        self._handle(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Nothing: a test's output is its own."""

    def _handle(self, body: bytes) -> None:
        state = self.server_state
        path = self.path.removeprefix("/api/v1")
        state.requests.append(Request(method=self.command, path=path, key=self.headers["Idempotency-Key"]))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(Problem(code="unauthorized", title="a token is needed", status=401), 401)
            return
        try:
            found = self._found(urlsplit(path).path.strip("/").split("/"), body)
        except KeyError:
            code = "unknown-node" if set(urlsplit(path).path.split("/")) & set(state.nodes) else "unknown-dispatch"
            self._answer(Problem(code=code, title="there is no such thing", status=404), 404)
            return
        if state.losses or state.stopped:
            state.losses = max(0, state.losses - 1)
            self.close_connection = True
            return
        if found is None:
            self._answer(Problem(code="dispatch-ended", title="it does not wait for that", status=409), 409)
            return
        self._answer(found, 200)

    def _found(self, parts: list[str], body: bytes) -> Any:
        state = self.server_state
        match self.command, parts:
            case "POST", ["dispatches"]:
                text, blobs = frames.unpack(body)
                manifest = from_json(Manifest, loads(text))
                return state.accept(manifest, [bytes(blob) for blob in blobs], self.headers["Idempotency-Key"])
            case "GET", ["dispatches"]:
                return state.listed({name: value for name, (value,) in self._query.items()})
            case "POST", ["dispatches", dispatch_id, "cancel"]:
                return state.cancelled(dispatch_id, from_json(Cancellation, loads(body)))
            case "POST", ["triggers"]:
                return state.registered(from_json(Registration, loads(body)))
            case "POST", ["triggers", "stop"]:
                return state.stopped_triggers(from_json(TriggerStop, loads(body)).ids)
            case "POST", ["dispatches", dispatch_id, "result"]:
                return state.concluded(dispatch_id, from_json(Conclusion, loads(body)))
            case "GET", ["dispatches", dispatch_id, *rest]:
                return self._of_a_dispatch(dispatch_id, rest)
            case "GET", ["server"]:
                facts = {"url": state.url, "pid": 1, "guard": "armed", "started_at": 0.0}
                return {"version": "1.0", "protocol": 1, "instance": "fake", "executors": state.executors, **facts}
            case _, ["assets", digest]:
                return self._asset(digest, body)
            case _:
                raise KeyError(self.path)

    def _of_a_dispatch(self, dispatch_id: str, parts: list[str]) -> Any:
        state = self.server_state
        match parts:
            case []:
                record = state.held_back(dispatch_id, float(self._query.get("wait", ["0"])[0]))
                if state.along is None or self.headers["Accept"] != FRAMES_CONTENT_TYPE:
                    return record
                return _Frames(frames.pack(dumps(record), [state.along]))
            case ["nodes"]:
                return NodeList(nodes=tuple(state.nodes[dispatch_id]))
            case ["nodes", number]:
                return {node.node_id: node for node in state.nodes[dispatch_id]}[int(number)]
            case ["why"]:
                return WaitingList(nodes=tuple(map(waiting, state.nodes[dispatch_id])))
            case ["nodes", number, "why"]:
                return waiting({node.node_id: node for node in state.nodes[dispatch_id]}[int(number)])
            case ["nodes", number, stream]:
                asked = {name: value for name, (value,) in self._query.items()}
                offset, wait = int(asked.get("offset", 0)), float(asked.get("wait", 0))
                return state.printed(dispatch_id, int(number), stream, offset, wait)
            case ["manifest"]:
                return state.manifests[dispatch_id]
            case _:
                raise KeyError(self.path)

    def _asset(self, digest: str, body: bytes) -> Any:
        state = self.server_state
        match self.command, digest:
            case "POST", "missing":
                asked = from_json(Digests, loads(body)).digests
                return Digests(digests=tuple(digest for digest in asked if digest not in state.assets))
            case "POST", "batch":
                held = [digest for digest in from_json(Digests, loads(body)).digests if digest in state.assets]
                small = tuple(digest for digest in held if len(state.assets[digest]) <= INLINE_ASSET_BYTES)
                return _Frames(frames.pack(dumps(Digests(digests=small)), [state.assets[digest] for digest in small]))
            case "PUT", _:
                state.assets[digest] = body
                return {}
            case _:
                return state.assets[digest]

    @property
    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    def _answer(self, found: Any, status: int) -> None:
        data = found if isinstance(found, bytes) else dumps(found)
        content_type = "application/octet-stream" if data is found else "application/json"
        self.send_response(status)
        self.send_header("Content-Type", FRAMES_CONTENT_TYPE if isinstance(found, _Frames) else content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
