"""What is measured, read by the parser that Prometheus's own client has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import builders
from tests.installation import Installation

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def samples(server: Installation) -> Samples:
    answer = server.request("GET", "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: Samples = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def dispatched(server: Installation) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    server.request("PUT", f"/api/v1/assets/{builders.digest(builders.FUNCTION)}", builders.FUNCTION, headers=octets)
    sent = builders.text(builders.manifest([builders.node(0), builders.node(1)]))
    assert server.request("POST", "/api/v1/dispatches", sent).status == 201


def test_what_happened_is_counted(server: Installation) -> None:
    before = samples(server)
    dispatched(server)
    after = samples(server)
    for name, grown in (
        ("covalent_dispatches_accepted_total", 1),
        ("covalent_events_total", 1),
        ("covalent_write_operations_total", 2),
        ("covalent_commit_seconds_count", 1),
    ):
        assert after[name][()] >= before[name][()] + grown, name
    route = (("method", "POST"), ("route", "/api/v1/dispatches"), ("status", "201"))
    assert (
        after["covalent_http_requests_total"][route] == before.get("covalent_http_requests_total", {}).get(route, 0) + 1
    )
    assert after["covalent_http_request_seconds_total"][route[:2]] > 0
    (pool,) = {labels for labels in after["covalent_tasks_ready"] if dict(labels)["executor"] == "local"}
    waiting = after["covalent_tasks_ready"][pool] + after["covalent_tasks_leased"][pool]
    assert waiting >= 0
    assert after["process_open_fds"][()] > 0


def test_buckets_add_up(server: Installation) -> None:
    dispatched(server)
    found = samples(server)
    for name in ("covalent_commit_seconds", "covalent_commit_operations"):
        buckets = sorted(found[f"{name}_bucket"].items(), key=lambda item: float(item[0][0][1]))
        counts = [count for _, count in buckets]
        assert counts == sorted(counts)
        assert counts[-1] == found[f"{name}_count"][()]


def test_addresses_that_nobody_has_are_no_labels(server: Installation) -> None:
    for number in range(3):
        server.request("GET", f"/api/v1/nothing-{number}")
    routes = {dict(labels)["route"] for labels in samples(server)["covalent_http_requests_total"]}
    assert not any("nothing" in route for route in routes)


@pytest.fixture
def open_server(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    installation.start("--open-metrics", "--log-format", "json")
    try:
        yield installation
    finally:
        installation.command("stop", check=False)


def test_anybody_may_ask_where_that_is_set(server: Installation, open_server: Installation) -> None:
    assert server.request("GET", "/metrics", token=None).status == 401
    assert open_server.request("GET", "/metrics", token=None).status == 200
    assert open_server.request("GET", "/api/v1/dispatches", token=None).status == 401
