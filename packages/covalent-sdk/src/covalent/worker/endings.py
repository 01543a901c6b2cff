"""How tasks end, as results for the server: with a runner's reply, with the runner, or before they could begin."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from covalent.wire.work import Completion, Outcome
from covalent.worker import outbox, streams
from covalent.worker.ledger import Held
from covalent.worker.messages import Reply, sendable
from covalent.worker.process import Job, Runner
from covalent.worker.settings import STREAM_MESSAGE_BYTES
from covalent.worker.spool import Entry

Buffer = bytes | bytearray | memoryview


def replied(runner: Runner, job: Job, reply: Reply, blobs: Sequence[Buffer]) -> Entry:
    """The task has come to its end, well or not."""
    completion = Completion(
        key=job.held.lease.key,
        outcome=reply.outcome,
        output=reply.output,
        error=reply.error,
        started_at=reply.started_at,
        ended_at=reply.ended_at,
        environment=job.held.environment,
        workdir=_left(job) if reply.error is not None else None,
    )
    printed = _printed(runner, job.held, {"stdout": reply.stdout, "stderr": reply.stderr})
    return outbox.entry(completion, printed, assets=dict(zip(reply.inline, blobs, strict=True)), files=reply.files)


def cut_short(runner: Runner, job: Job, outcome: Outcome, message: str) -> Entry:
    """The task has ended with its runner."""
    now, position = time.time(), runner.position()
    completion = Completion(
        key=job.held.lease.key,
        outcome=outcome,
        error=message,
        started_at=now - (time.monotonic() - position.since),
        ended_at=now,
        environment=job.held.environment,
        workdir=_left(job),
    )
    starts = {"stdout": position.stdout, "stderr": position.stderr}
    printed = _printed(runner, job.held, {name: (start, runner.streams[name].size()) for name, start in starts.items()})
    return outbox.entry(completion, printed)


def impossible(held: Held, message: str) -> Entry:
    """The task cannot be run at all."""
    message, now = sendable(message), time.time()
    completion = Completion(
        key=held.lease.key,
        outcome=Outcome.FAILED,
        error=message,
        started_at=now,
        ended_at=now,
        environment=held.environment,
    )
    return outbox.entry(completion, [("stderr", 0, f"{message}\n".encode())])


def outlasted(seconds: float) -> str:
    """What to tell of a task that was stopped after so many seconds."""
    return (
        f"the task ran longer than its timeout of {seconds:g} seconds and was stopped; "
        "give its electron a longer timeout, or less to do in one task"
    )


def too_large(limit: int) -> str:
    """What to tell of a task that was stopped for its memory, in bytes."""
    return (
        f"the task, with all that it had started, used more than its {limit / 1e9:g} GB of memory and was stopped; "
        "give its executor more memory_gb in resources, or the task less to do at a time"
    )


def _left(job: Job) -> str | None:
    """The task's own directory, if it has come to have one."""
    directory = job.task.directory
    return directory if directory is not None and os.path.isdir(directory) else None  # noqa: PTH112  takes any text


def _printed(runner: Runner, held: Held, spans: Mapping[str, tuple[int, int]]) -> list[tuple[str, int, bytes]]:
    """What a task printed and the server does not have, as (stream, offset, bytes)."""
    found = []
    for name, (start, end) in spans.items():
        if end > start:
            sent = held.sent.get(name, 0)
            masks = runner.disclosures.masks()
            pieces = streams.pieces(runner.streams[name], start, end, sent, most=STREAM_MESSAGE_BYTES, masks=masks)
            found += [(name, offset, data) for offset, data in pieces]
    return found
