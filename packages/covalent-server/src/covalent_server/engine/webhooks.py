"""Telling another program that a dispatch has ended: a signed request for each, at least once, also across restarts.

What is to be told is read from the table of events after a cursor that the database keeps. The cursor moves on once an
event was delivered, or given up after some attempts; so a server that is killed tells the last one again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from covalent.wire.records import DispatchRecord
from covalent_server.core.errors import UnknownDispatchError
from covalent_server.db import reads, telling
from covalent_server.engine.bell import heard
from covalent_server.engine.sending import Target, post
from covalent_server.engine.shared import SWEEP_SECONDS, Shared, now, surviving
from covalent_server.errors import SettingsError

if TYPE_CHECKING:
    from covalent_server.db import Session

log = logging.getLogger(__name__)

#: Seconds before another attempt, after each one that failed; then an event is given up.
DELAYS: Final = (1.0, 5.0, 30.0, 120.0, 600.0)
#: Events that are looked at together.
_MANY: Final = 100
#: Characters of a secret.
_LEAST_SECRET: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told of a dispatch that has ended."""

    #: ``dispatch.completed``, ``dispatch.failed`` …
    event: str
    sequence: int
    at: float
    dispatch: DispatchRecord


#: Sends a body with headers; raises OSError when it was not taken.
Send = Callable[[bytes, dict[str, str]], None]


class Webhooks:
    """Tells of dispatches that end."""

    def __init__(self, shared: Shared, secret: bytes, send: Send) -> None:
        self._shared = shared
        self._secret = secret
        self._send = send

    async def watch(self) -> None:
        """Tell for as long as the engine runs."""
        await self._shared.write(telling.begin)
        while True:
            with self._shared.bell.listen("ended") as event:
                await surviving(self._tell_all)
                await heard(event, SWEEP_SECONDS * 10)

    async def _tell_all(self) -> None:
        while ends := await self._shared.read(lambda session: telling.untold(session, now(), _MANY)):
            for end in ends:
                await self._tell(end)
                await self._shared.write(partial(telling.tell, sequence=end.sequence))

    async def _tell(self, end: telling.End) -> None:
        try:
            record = await self._shared.read(lambda session: _record(session, end))
        except UnknownDispatchError:
            return  # it was purged meanwhile
        notice = Notice(event=end.kind, sequence=end.sequence, at=end.at, dispatch=record)
        body = msgspec.json.encode(notice)
        for delay in (*DELAYS, None):
            try:
                await asyncio.to_thread(self._send, body, signed(self._secret, body, now(), end.sequence))
            except OSError as error:
                fields = {"dispatch": end.dispatch_id, "error": str(error)}
                if delay is None:
                    log.warning("a webhook was given up", extra=fields)
                    return
                log.info("a webhook was not taken", extra=fields)
                await asyncio.sleep(delay)
            else:
                return


def _record(session: Session, end: telling.End) -> DispatchRecord:
    return reads.dispatch_record(session, end.owner, end.dispatch_id)


def signed(secret: bytes, body: bytes, at: float, sequence: int) -> dict[str, str]:
    """The headers that show who sent a body, and when: a keyed hash of the time and the body."""
    moment = str(int(at))
    signature = hmac.new(secret, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "Covalent-Delivery": str(sequence),
        "Covalent-Signature": f"t={moment},v1={signature}",
    }


def configured(shared: Shared) -> list[Webhooks]:
    """The webhook that the settings name, if they name one; raises SettingsError when it cannot be used."""
    settings = shared.settings
    if not settings.webhook_url:
        return []
    parts = urlsplit(settings.webhook_url)
    if parts.scheme != "https" and parts.hostname not in settings.webhook_allow:
        raise SettingsError(
            f"webhook_url: {parts.hostname} is spoken to over https only; --webhook-allow {parts.hostname} makes an "
            "exception for a receiver that you run"
        )
    try:
        secret = settings.webhook_secret_file.read_bytes().strip()
    except OSError as error:
        raise SettingsError(
            f"webhook_secret_file: {settings.webhook_secret_file} cannot be read: {error.strerror}; write a long "
            "random text into it, which the receiver knows, too"
        ) from None
    if len(secret) < _LEAST_SECRET:
        raise SettingsError(f"webhook_secret_file: write at least {_LEAST_SECRET} characters into it")
    target = Target(url=settings.webhook_url, allowed=settings.webhook_allow)
    return [Webhooks(shared, secret, partial(post, target))]
