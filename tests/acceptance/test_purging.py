"""Old workflows are purged on a server that goes on working, and by one that is killed meanwhile."""

from __future__ import annotations

import random
import sqlite3
import statistics
import time
from contextlib import closing
from typing import Any

from covalent.wire import FRAMES_CONTENT_TYPE, codec, frames
from tests.builders import FUNCTION, manifest, node
from tests.installation import Installation, wait_until

#: Nothing runs there: the tasks fail, and the dispatch has ended, as soon as it is stored.
NOWHERE = "elsewhere"


def dispatched(server: Installation, count: int) -> str:
    made = manifest([node(number, {"value": "x" * 300}, executor=NOWHERE) for number in range(count)])
    body = frames.pack(codec.dumps(made), [FUNCTION])
    answer = server.request("POST", "/api/v1/dispatches", body, headers={"Content-Type": FRAMES_CONTENT_TYPE})
    assert answer.status == 201, answer.body
    return str(answer.plain["dispatch_id"])


def ended(server: Installation, dispatch_id: str) -> bool:
    return server.request("GET", f"/api/v1/dispatches/{dispatch_id}").plain["ended_at"] is not None


def purged(server: Installation, *ids: str) -> Any:
    answer = server.request("POST", "/api/v1/dispatches/purge", plain={"ids": list(ids)})
    assert answer.status == 200, answer.body
    return answer.plain


def left(server: Installation) -> int:
    return int(server.request("GET", "/api/v1/dispatches/purge").plain["dispatches"])


def rows(server: Installation) -> dict[str, int]:
    """How many rows tables have that belong to dispatches."""
    with closing(sqlite3.connect(server.data / "covalent.db")) as connection:
        tables = ("dispatch", "node", "link", "stream", "event", "asset", "asset_owner")
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}  # noqa: S608


def test_twenty_thousand_tasks_are_purged_while_a_client_dispatches(installation: Installation) -> None:
    large = dispatched(installation, 20_000)
    wait_until(lambda: ended(installation, large), "twenty thousand tasks to end")
    before = (installation.data / "covalent.db").stat().st_size
    assert purged(installation, large)["nodes"] == 20_000
    seconds: list[float] = []
    sent: list[str] = []
    while left(installation) or not seconds:
        began = time.perf_counter()
        sent.append(dispatched(installation, 1))
        seconds.append(time.perf_counter() - began)
    told = installation.request("GET", "/api/v1/dispatches/purge?wait=60").plain
    assert told["done"]
    after = (installation.data / "covalent.db").stat().st_size
    worst = statistics.quantiles(seconds, n=100)[-1] if len(seconds) > 1 else seconds[0]
    print(f"{len(seconds)} dispatches meanwhile, p99 {worst * 1000:.0f} ms; {before / 1e6:.1f} -> {after / 1e6:.1f} MB")
    assert after < before / 2
    for dispatch_id in sent:
        wait_until(lambda dispatch_id=dispatch_id: ended(installation, dispatch_id), "a dispatch of meanwhile to end")
    assert rows(installation)["node"] == len(sent)


def test_a_purge_whose_server_is_killed_at_random_moments_is_finished_by_the_next(installation: Installation) -> None:
    chance = random.Random(1)  # noqa: S311  (no secret)
    kept = dispatched(installation, 3)
    large = dispatched(installation, 5_000)
    wait_until(lambda: ended(installation, large), "five thousand tasks to end")
    purged(installation, large)
    for _ in range(3):
        share = chance.randrange(500, 5_000)
        wait_until(lambda share=share: not left(installation) or rows(installation)["node"] < share, "some to be gone")
        installation.kill()
        installation.start()
        assert installation.request("GET", f"/api/v1/dispatches/{large}").status == 404
    assert wait_until(
        lambda: installation.request("GET", "/api/v1/dispatches/purge?wait=60").plain["done"], "the purge to be done"
    )
    wait_until(lambda: ended(installation, kept), "the other dispatch to end")
    found = rows(installation)
    assert (found["dispatch"], found["node"], found["link"], found["stream"]) == (1, 3, 0, 0)
    assert (found["asset"], found["asset_owner"]) == (1, 1)
