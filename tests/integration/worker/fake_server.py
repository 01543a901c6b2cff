"""A server as workers see it: leases in memory, the same frames, and the ways in which a real one can fail."""

from __future__ import annotations

import builtins
import hashlib
import json
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FunctionType
from typing import Any

from covalent.graph import TransportGraph
from covalent.hydration import Package
from covalent.transportable import TransportableObject
from covalent.wire import FRAMES_CONTENT_TYPE, INLINE_ASSET_BYTES, INLINE_MESSAGE_BYTES, frames, template
from covalent.wire.codec import dumps, from_json, loads
from covalent.wire.manifest import MANIFEST_CODEC, Deps, Digests, Hooks, Kind, Manifest
from covalent.wire.work import Acknowledgement, Completion, Hello, Lease, LeaseKey, Outcome, Poll, Welcome, Work

TOKEN = "worker-token-that-no-task-may-see"  # noqa: S105 - made up
DEADLINE = 30.0


@dataclass(eq=False)
class FakeTask:
    """One task and all that a worker told about it."""

    lease: Lease
    completion: Completion | None = None
    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    started: bool = False
    worker: str = ""
    #: How often it was handed to a worker with a new token.
    leased: int = 0
    #: How often any lease of it was delivered.
    delivered: int = 0
    streams: dict[str, dict[int, bytes]] = field(default_factory=lambda: {"stdout": {}, "stderr": {}})
    tokens: list[str] = field(default_factory=list)

    def text(self, stream: str = "stdout") -> str:
        """All that was printed; asserts that the pieces fit together."""
        data = b""
        for offset, piece in sorted(self.streams[stream].items()):
            assert offset <= len(data), "a piece is missing"
            data = data[:offset] + piece + data[offset + len(piece) :]
        return data.decode()


class LostAnswerError(Exception):
    """Cut the connection in place of an answer."""


class RefusalError(Exception):
    """Answer a request with a problem."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title


class FakeServer:
    """Starts listening when made; every public method may be called from the test's thread."""

    def __init__(self, *, ttl: float = 3.0, port: int = 0) -> None:
        self.instance = secrets.token_hex(4)
        self.ttl = ttl
        self.changed = threading.Condition()
        self.assets: dict[str, bytes] = {}
        self.tasks: list[FakeTask] = []
        self.queue: deque[FakeTask] = deque()
        self.by_token: dict[str, FakeTask] = {}
        self.hellos: list[Hello] = []
        self.byes: list[str] = []
        self.polls: list[Poll] = []
        self.poll_times: list[float] = []
        self.requests: list[str] = []
        self.refused: int = 0
        #: Answers that get lost on the way after the request has had its effect.
        self.lose_answers = 0
        #: Answers that would let a task begin, and get lost so.
        self.lose_begins = 0
        #: Leases that have ended by the time that their tasks are to begin.
        self.end_before_begin = 0
        self.drop: set[str] = set()
        self.drain = False
        #: Whether polls that wait for something to be dropped are let wait.
        self.holds_back = True
        self.inline = True
        self.completed: Callable[[FakeTask], None] = lambda _: None
        #: Called with each task that is to begin once that is answered.
        self.confirming: Callable[[FakeTask], None] = lambda _: None
        handler = type("Handler", (_Handler,), {"fake": self})
        self._http = _Listener(("127.0.0.1", port), handler)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut all connections."""
        self._http.shutdown()
        self._http.server_close()
        self._http.cut()

    # -- what tests do

    def put(self, value: object) -> str:
        """Store a value; returns its digest."""
        return self.put_bytes(TransportableObject(value).serialize())

    def put_bytes(self, data: bytes) -> str:
        """Store bytes; returns their digest."""
        digest = hashlib.sha256(data).hexdigest()
        with self.changed:
            self.assets[digest] = data
        return digest

    def submit(
        self,
        function: Any,
        *args: Any,
        kind: Kind = Kind.TASK,
        owner: str = "ada",
        bash: Sequence[str] = (),
        pip: Sequence[str] = (),
        before: Sequence[Mapping[str, Any]] = (),
        after: Sequence[Mapping[str, Any]] = (),
        project: str | None = None,
        executor: Mapping[str, Any] | None = None,
        outputs: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        at_most_once: bool = False,
        **kwargs: Any,
    ) -> FakeTask:
        """Queue a task; an argument is a template or a plain JSON scalar."""
        lease = Lease(
            key=LeaseKey(node=len(self.tasks) + 1, attempt=0, token=""),
            dispatch_id="d-1",
            node_id=len(self.tasks),
            name=getattr(function, "__name__", "task"),
            owner=owner,
            kind=kind,
            function=function if isinstance(function, str) else self.put(by_value(function)),
            args=tuple(_template(item) for item in args),
            kwargs={name: _template(item) for name, item in kwargs.items()},
            hooks=Hooks(
                deps=Deps(bash=tuple(bash), pip=tuple(pip)) if bash or pip else None,
                call_before=tuple(self.put(_call(item)) for item in before),
                call_after=tuple(self.put(_call(item)) for item in after),
            ),
            executor_data=dict(executor or {}),
            project=project,
            outputs=dict(outputs or {}),
            env=dict(env or {}),
            timeout=timeout,
            at_most_once=at_most_once,
        )
        task = FakeTask(lease=lease)
        with self.changed:
            self.tasks.append(task)
            self.queue.append(task)
            self.changed.notify_all()
        return task

    def cancel(self, *tasks: FakeTask) -> None:
        """Have the worker drop tasks, which a poll that listens is told at once."""
        with self.changed:
            self.drop.update(task.tokens[-1] for task in tasks)
            self.changed.notify_all()

    def wait(self, fact: Callable[[], Any], what: str = "") -> Any:
        """Wait until something holds; fails at the deadline."""
        end = time.monotonic() + DEADLINE
        with self.changed:
            while not (held := fact()):
                left = end - time.monotonic()
                assert left > 0, f"not within {DEADLINE} s: {what or fact}"
                self.changed.wait(min(left, 0.05))
            return held

    def retry(self, task: FakeTask) -> FakeTask:
        """Queue another attempt at a task that has ended."""
        again = FakeTask(lease=task.lease)
        with self.changed:
            self.tasks.append(again)
            self.queue.append(again)
            self.changed.notify_all()
        return again

    def outcome(self, task: FakeTask) -> Completion:
        """The completion of a task, waited for."""
        self.wait(lambda: task.completion, f"the end of {task.lease.name}")
        assert task.completion is not None
        return task.completion

    def value(self, task: FakeTask) -> Any:
        """The value of a task, waited for; asserts that it has one."""
        completion = self.outcome(task)
        assert completion.outcome is Outcome.COMPLETED, completion.error
        assert completion.output is not None
        return TransportableObject.from_buffer(self.assets[completion.output]).get_deserialized()

    def package(self, output: str) -> Package:
        """What a sublattice's task has made, by the digest of its output; KeyError when an asset is not here."""
        asset = TransportableObject.from_buffer(self.assets[output])
        assert asset.header.codec == MANIFEST_CODEC
        (text,) = asset.parts()
        manifest = from_json(Manifest, loads(text))
        graph = TransportGraph.from_record(manifest.graph)
        loose = {digest for digest in (manifest.inputs, manifest.workflow, manifest.project) if digest is not None}
        named = {digest: TransportableObject.from_buffer(self.assets[digest]) for digest in graph.named_assets | loose}
        return Package(manifest=manifest, assets=named)

    # -- what workers ask

    def poll(self, poll: Poll, blobs: Sequence[memoryview]) -> tuple[Work, list[bytes]]:
        """Results in, leases out."""
        with self.changed:
            self.polls.append(poll)
            self.poll_times.append(time.monotonic())
            self._take_assets(poll, blobs)
            acknowledgements = tuple(self._complete(completion) for completion in poll.completions)
            self._take_streams(poll, blobs)
            begin = self._note_started_and_released(poll)
            again = self._not_held(poll, {key.token for key in poll.held}) if poll.want else []
            self.changed.notify_all()
            at_once = poll.completions or poll.started or not (poll.want or self.holds_back)
            end = time.monotonic() + (0.0 if at_once else min(poll.wait, 30.0))
            while not again and not self._may_be_told(poll):
                left = end - time.monotonic()
                if left <= 0:
                    break
                self.changed.wait(left)
            leases = again + self._lease(poll)
            drop = self._to_be_dropped(poll)
            for task in drop:
                task.worker = ""
            inputs = self._inline(leases) if self.inline else {}
            work = Work(
                instance=self.instance,
                acknowledgements=acknowledgements,
                leases=tuple(leases),
                assets=tuple(inputs),
                drop=tuple(task.lease.key for task in drop),
                begin=tuple(begin),
                drain=self.drain,
            )
            return work, list(inputs.values())

    def _may_be_told(self, poll: Poll) -> bool:
        """Whether there is something to answer a poll with that waits for a lease, or for one to be dropped."""
        if poll.worker in self.byes:
            return True
        return bool(self._to_be_dropped(poll) or (poll.want and (self.queue or self.drain)))

    def _to_be_dropped(self, poll: Poll) -> list[FakeTask]:
        """Those of the worker's tasks, also of those that came while the poll waited."""
        named = {key.token for key in poll.held}
        tasks = [(token, self.by_token[token]) for token in self.drop & self.by_token.keys()]
        return [task for token, task in tasks if token in named or task.worker == poll.worker]

    def _take_assets(self, poll: Poll, blobs: Sequence[memoryview]) -> None:
        for digest, blob in zip(poll.assets, blobs, strict=False):
            if len(blob) > INLINE_ASSET_BYTES:
                raise RefusalError(422, "too large to be inline")
            assert hashlib.sha256(blob).hexdigest() == digest
            self.assets[digest] = bytes(blob)

    def _complete(self, completion: Completion) -> Acknowledgement:
        task = self.by_token.get(completion.key.token)
        if task is None:
            return Acknowledgement.STALE
        if task.completion is not None:
            answer = Acknowledgement.DUPLICATE if task.completion == completion else Acknowledgement.STALE
        else:
            if completion.output is not None:
                self._check_stored(task, completion.output)
            task.completion = completion
            answer = Acknowledgement.OK
            self.completed(task)
        task.acknowledgements.append(answer)
        return answer

    def _check_stored(self, task: FakeTask, output: str) -> None:
        """Whatever a completion leads to has to be there with it."""
        assert output in self.assets
        if task.lease.kind is Kind.SUBLATTICE:
            self.package(output)

    def _take_streams(self, poll: Poll, blobs: Sequence[memoryview]) -> None:
        for chunk in poll.streams:
            self.by_token[chunk.key.token].streams[chunk.stream][chunk.offset] = bytes(blobs[chunk.blob])

    def _note_started_and_released(self, poll: Poll) -> list[LeaseKey]:
        """Also the leases whose tasks may begin now."""
        begin = []
        for key in poll.started:
            task = self.by_token.get(key.token)
            if task is None:
                continue  # it was given back meanwhile
            if task.lease.at_most_once:
                self.confirming(task)
                if self.end_before_begin:
                    self.end_before_begin -= 1
                    self._end_lease(key)
                    continue
                begin.append(key)
            task.started = True
        for key in poll.released:
            self._end_lease(key)
        if begin and self.lose_begins:
            self.lose_begins -= 1
            self.changed.notify_all()
            raise LostAnswerError
        return begin

    def _end_lease(self, key: LeaseKey) -> None:
        """Let another worker have the task, or the same one once more."""
        task = self.by_token.pop(key.token)
        task.worker = ""
        self.queue.appendleft(task)

    def _not_held(self, poll: Poll, held: set[str]) -> list[Lease]:
        lost = [
            task
            for task in self.tasks
            if task.worker == poll.worker and task.completion is None and task.lease.key.token not in held
        ]
        for task in lost:
            task.delivered += 1
        return [task.lease for task in lost]

    def _lease(self, poll: Poll) -> list[Lease]:
        leases: list[Lease] = []
        while self.queue and len(leases) < poll.want and not self.drain and poll.worker not in self.byes:
            task = self.queue.popleft()
            key = replace(task.lease.key, attempt=task.lease.key.attempt + 1, token=secrets.token_hex(8))
            task.lease = replace(task.lease, key=key)
            task.worker = poll.worker
            task.leased += 1
            task.delivered += 1
            task.tokens.append(key.token)
            self.by_token[key.token] = task
            leases.append(task.lease)
        return leases

    def _inline(self, leases: Sequence[Lease]) -> dict[str, bytes]:
        inputs: dict[str, bytes] = {}
        total = 0
        for lease in leases:
            digests = [lease.function, *lease.hooks.call_before, *lease.hooks.call_after, *lease.outputs.values()]
            for item in (*lease.args, *lease.kwargs.values()):
                digests += template.assets(item)
            for digest in digests:
                data = self.assets.get(digest, b"")
                if 0 < len(data) <= INLINE_ASSET_BYTES and total + len(data) <= INLINE_MESSAGE_BYTES:
                    total += 0 if digest in inputs else len(data)
                    inputs[digest] = data
        return inputs


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that was killed leaves connections behind; that is what these tests are about."""

    def cut(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    fake: FakeServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has
        """Print nothing."""

    def do_GET(self) -> None:
        data = self.fake.assets.get(self.path.rpartition("/")[2])
        self.fake.requests.append(f"GET {self.path}")
        if "/dispatches/" in self.path:
            self._problem(404, "unknown dispatch", code="unknown-dispatch")
        elif data is None:
            self._problem(404, "unknown asset")
        else:
            self._answer(200, "application/octet-stream", data)

    def do_PUT(self) -> None:
        data = self._body()
        digest = self.path.rpartition("/")[2]
        self.fake.requests.append(f"PUT {self.path}")
        assert hashlib.sha256(data).hexdigest() == digest
        with self.fake.changed:
            self.fake.assets[digest] = data
        self._answer(200, "application/json", b"{}")

    def do_POST(self) -> None:
        data = self._body()
        if self.headers["Authorization"] != f"Bearer {TOKEN}" or self.fake.refused:
            self._problem(self.fake.refused or 401, "no")
            return
        text, blobs = frames.unpack(data) if self.headers["Content-Type"] == FRAMES_CONTENT_TYPE else (data, [])
        try:
            plain = loads(bytes(text).decode())  # strictly UTF-8, as the real one wants it
        except UnicodeDecodeError:
            self._problem(400, "not UTF-8")
            return
        if b"\\u0000" in bytes(text):
            self._problem(400, "databases take no NUL")
            return
        match self.path.removeprefix("/api/v1"):
            case "/worker/hello":
                with self.fake.changed:
                    self.fake.hellos.append(from_json(Hello, plain))
                    self.fake.changed.notify_all()
                self._json(Welcome(instance=self.fake.instance, ttl=self.fake.ttl))
            case "/worker/poll" | "/worker/heartbeat":
                self._poll(from_json(Poll, plain), blobs)
            case "/worker/bye":
                with self.fake.changed:
                    self.fake.byes.append(plain["worker"])
                    self.fake.changed.notify_all()
                self._json({})
            case "/assets/batch":
                self.fake.requests.append("POST /assets/batch")
                known = {digest: self.fake.assets.get(digest, b"") for digest in from_json(Digests, plain).digests}
                small = {digest: data for digest, data in known.items() if 0 < len(data) <= INLINE_ASSET_BYTES}
                self._frames(Digests(digests=tuple(small)), list(small.values()))
            case _:
                self._problem(404, "no such route")

    def _poll(self, poll: Poll, blobs: Sequence[memoryview]) -> None:
        try:
            answer = self.fake.poll(poll, blobs)
        except RefusalError as error:
            self._problem(error.status, error.title)
        except LostAnswerError:
            self._cut()
        else:
            self._frames(*answer)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, record: Any) -> None:
        self._answer(200, "application/json", dumps(record))

    def _frames(self, record: Any, blobs: Sequence[bytes]) -> None:
        self._answer(200, FRAMES_CONTENT_TYPE, frames.pack(dumps(record), blobs))

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _problem(self, status: int, title: str, *, code: str = "fake") -> None:
        body = json.dumps({"code": code, "title": title, "status": status}).encode()
        self._answer(status, "application/problem+json", body)

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        with self.fake.changed:
            if self.fake.lose_answers:
                self.fake.lose_answers -= 1
                self._cut()
                return
        self.send_response_only(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def by_value(function: Any) -> Any:
    """The function as if it stood in a user's script: it travels by value, and takes none of its globals along."""
    if not isinstance(function, FunctionType):
        return function
    names = {"__builtins__": builtins, "__name__": "__main__"}
    code, defaults, closure = function.__code__, function.__defaults__, function.__closure__
    copy = FunctionType(code, names, function.__name__, defaults, closure)
    copy.__module__, copy.__kwdefaults__ = "__main__", function.__kwdefaults__
    return copy


def _template(item: Any) -> dict[str, Any]:
    return item if isinstance(item, dict) else {"value": item}


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    made = {"args": (), "kwargs": {}, "retval_keyword": "", **item}
    return {**made, "function": by_value(made["function"])}
