from __future__ import annotations

import json
import logging

from covalent_server.cli.log_lines import JsonFormatter, LineFormatter


def line(message: str, **fields: object) -> str:
    record = logging.makeLogRecord({"name": "a.b", "levelname": "INFO", "msg": message, "created": 0.1234, **fields})
    return LineFormatter().format(record)


def test_a_line_has_the_time_in_utc_the_event_and_its_fields() -> None:
    assert line("lease expired", worker="w1", node=4) == (
        "1970-01-01T00:00:00.123Z INFO a.b: lease expired node=4 worker=w1"
    )


def test_a_field_cannot_break_the_line() -> None:
    assert line("x", path="a\nb", empty="", words="a b").endswith("x empty='' path='a\\nb' words='a b'")


def test_a_traceback_follows_the_fields() -> None:
    error = ValueError("no")
    text = line("failed", exc_info=(ValueError, error, None), node=1)
    assert text.splitlines()[0].endswith("failed node=1")
    assert text.splitlines()[-1] == "ValueError: no"


def test_for_programs_a_line_is_an_object_with_the_fields_as_members() -> None:
    error = ValueError("no")
    fields = {"dispatch": "d\n1", "node": 4, "exc_info": (ValueError, error, None)}
    record = logging.makeLogRecord(
        {"name": "a.b", "levelname": "INFO", "msg": "lease %s", "args": ("expired",), "created": 0.1234, **fields}
    )
    text = JsonFormatter().format(record)
    assert "\n" not in text
    told = json.loads(text)
    assert told.pop("traceback").endswith("ValueError: no")
    assert told == {
        "time": "1970-01-01T00:00:00.123Z",
        "level": "INFO",
        "logger": "a.b",
        "message": "lease expired",
        "dispatch": "d\n1",
        "node": 4,
    }
