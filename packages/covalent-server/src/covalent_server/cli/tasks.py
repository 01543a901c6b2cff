"""What tasks print, asked of the server that runs on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from covalent.wire.codec import from_json
from covalent.wire.records import DispatchRecord, NodeList, NodeRecord
from covalent_server.cli import ask, record, tokens
from covalent_server.cli.directory import DataDirectory
from covalent_server.errors import NotAnsweringError, NotRunningError, RefusedError
from covalent_server.settings import Settings

T = TypeVar("T")

#: Seconds for an answer, besides those for which it may be held back.
_ANSWER: Final = 15.0
#: For how long a server is asked again that does not answer, in seconds: it may be restarted.
_RESTART: Final = 60.0
_PAUSE: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """One of the streams of a dispatch's tasks."""

    url: str
    certificate: str
    token: str | None
    dispatch_id: str
    stream: str

    def ended(self, wait: float) -> bool:
        """Whether the dispatch has ended, or has by the time that was waited for."""
        return self._record(DispatchRecord, "", wait=wait).status.at_rest

    def nodes(self) -> tuple[NodeRecord, ...]:
        """All its nodes."""
        return self._record(NodeList, "/nodes").nodes

    def node(self, number: int) -> NodeRecord:
        """One of its nodes."""
        return self._record(NodeRecord, f"/nodes/{number}")

    def printed(self, node: NodeRecord, offset: int, wait: float) -> bytes:
        """What a node's attempt printed from an offset on."""
        path = f"/nodes/{node.node_id}/{self.stream}"
        return self._asked(path, offset=offset, wait=wait, attempt=node.attempt).body

    def _record(self, cls: type[T], path: str, **parameters: Any) -> T:
        return from_json(cls, self._asked(path, **parameters).plain)

    def _asked(self, path: str, *, wait: float = 0, **parameters: Any) -> ask.Answer:
        """The answer of the server, which may be restarted meanwhile."""
        query = urlencode(parameters | {"wait": wait})
        url = f"{self.url}/api/v1/dispatches/{quote(self.dispatch_id, safe='')}{path}?{query}"
        deadline = time.monotonic() + _RESTART
        while True:
            try:
                answer = ask.ask("GET", url, token=self.token, seconds=wait + _ANSWER, certificate=self.certificate)
            except NotAnsweringError:
                if time.monotonic() > deadline:
                    raise
            else:
                if answer.ok:
                    return answer
                raise RefusedError(answer.refusal)
            pause()


def streams(settings: Settings, dispatch_id: str, stream: str) -> Streams:
    """The streams of a dispatch on the server of a data directory; NotRunningError when none runs."""
    found = record.look(DataDirectory(path=settings.data_dir))
    if found.record is None:
        raise NotRunningError(f"no server runs on {settings.data_dir}; start it with: covalent start")
    known = found.record
    token = tokens.read_token(settings.config_dir, known.url)
    return Streams(url=known.url, certificate=known.certificate, token=token, dispatch_id=dispatch_id, stream=stream)


def pause() -> None:
    """Wait before asking again."""
    time.sleep(_PAUSE)
