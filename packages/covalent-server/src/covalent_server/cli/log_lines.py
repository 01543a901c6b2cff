"""How the server's log reads: one line an event, the time in UTC, with the event's fields; as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

#: What every record has; anything else was given as a field.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LineFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.123Z INFO covalent_server.engine: lease expired node=4 worker=w1``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """The line without a traceback, which ``format`` adds."""
        given = sorted(vars(record).keys() - _STANDARD)
        fields = [f" {name}={_one_line(vars(record)[name])}" for name in given]
        return super().formatMessage(record) + "".join(fields)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  (logging's name)
        """The time in UTC, with milliseconds."""
        moment = datetime.fromtimestamp(record.created, UTC).strftime(datefmt or "%Y-%m-%dT%H:%M:%S.%f")
        return f"{moment[:-3]}Z"


class JsonFormatter(LineFormatter):
    """One JSON object a line, for programs: ``{"time": …, "level": …, "logger": …, "message": …, "dispatch": …}``."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback is one of its fields."""
        line: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: vars(record)[name] for name in sorted(vars(record).keys() - _STANDARD)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def write_to_stderr(level: str, form: str) -> None:
    """Send every log record of this process to standard error, as ``text`` or as ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else LineFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _one_line(value: object) -> str:
    text = str(value)
    return repr(text) if not text or not text.isprintable() or " " in text else text
