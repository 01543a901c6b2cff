"""The route of metrics: what is counted where it happens, or read from the database when Prometheus asks for it."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

from aiohttp import web

from covalent_server.core import measures
from covalent_server.core.measures import Metric, distribution, simple
from covalent_server.db import happened, queues
from covalent_server.web.keys import ENGINE, INFO
from covalent_server.web.routing import Route, Scope
from covalent_server.web.streaming import STREAMS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(request: web.Request) -> web.Response:
    """What is measured, as Prometheus reads it."""
    found = [*_server(request), *await _work(request), *_requests(request), *_process()]
    return web.Response(body=measures.exposed(found).encode(), headers={"Content-Type": CONTENT_TYPE})


def _server(request: web.Request) -> list[Metric]:
    shared, info = request.app[ENGINE].shared, request.app[INFO]
    writer, tally = shared.writer, shared.tally
    return [
        simple("covalent_info", "gauge", "The server's version.", {(("version", info.version),): 1}),
        simple("covalent_start_time_seconds", "gauge", "When the server started.", info.started_at),
        simple("covalent_dispatches_accepted_total", "counter", "Dispatches taken in since the start.", tally.accepted),
        simple("covalent_dispatches_ended_total", "counter", "Dispatches that ended since the start.", tally.ended),
        simple("covalent_lease_expiries_total", "counter", "Leases that expired since the start.", tally.expired),
        simple("covalent_write_operations_total", "counter", "Operations that were committed.", writer.operations),
        distribution("covalent_commit_seconds", "How long commits took.", writer.seconds),
        distribution("covalent_commit_operations", "How many operations a commit had.", writer.sizes),
    ]


async def _work(request: web.Request) -> list[Metric]:
    engine = request.app[ENGINE]
    queued = await engine.read(queues.depths)
    latest = await engine.read(happened.latest)
    workers = engine.workplace.workers()
    labels = {item.id: (("executor", item.executor), ("pool", str(item.id))) for item in queued}
    return [
        simple(
            "covalent_tasks_ready", "gauge", "Tasks that wait for a worker.", {labels[i.id]: i.ready for i in queued}
        ),
        simple("covalent_tasks_leased", "gauge", "Tasks that a worker has.", {labels[i.id]: i.leased for i in queued}),
        simple(
            "covalent_workers",
            "gauge",
            "Workers that report.",
            {labels[item.id]: len(workers.get(item.id, ())) for item in queued},
        ),
        simple("covalent_leases", "gauge", "Leases that are out.", len(engine.shared.ledger)),
        simple("covalent_polls_held", "gauge", "Polls that wait for work.", engine.workplace.held),
        simple("covalent_event_streams", "gauge", "Streams of events that are open.", request.app[STREAMS].total()),
        simple("covalent_events_total", "counter", "The number of the latest event.", latest),
    ]


def _requests(request: web.Request) -> list[Metric]:
    tally = request.app[ENGINE].shared.tally
    counts: dict[measures.Labels, float] = {
        (("method", method), ("route", route), ("status", str(status))): count
        for (method, route, status), count in tally.requests.items()
    }
    seconds: dict[measures.Labels, float] = {
        (("method", method), ("route", route)): value for (method, route), value in tally.seconds.items()
    }
    return [
        simple("covalent_http_requests_total", "counter", "Requests that were answered.", counts),
        simple("covalent_http_request_seconds_total", "counter", "Seconds that requests took altogether.", seconds),
    ]


def _process() -> list[Metric]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return [
        simple("process_cpu_seconds_total", "counter", "Processor time.", used.ru_utime + used.ru_stime),
        simple("process_max_resident_memory_bytes", "gauge", "The most memory that was used.", used.ru_maxrss * 1024),
        simple("process_open_fds", "gauge", "Open file descriptors.", sum(1 for _ in Path("/dev/fd").iterdir())),
    ]


ROUTES: Final = (Route(method="GET", path="/metrics", handler=metrics, scope=Scope.USER),)
