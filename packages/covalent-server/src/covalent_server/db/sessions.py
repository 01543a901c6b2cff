"""Browsers that have signed in: each is worth what the token is worth that it signed in with, for a limited time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from covalent_server.db.tables import session


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A browser that has signed in."""

    digest: str
    #: The digest of its token.
    token: str
    #: ``user`` or ``read``.
    scope: str
    created_at: float
    expires_at: float


def add(connection: Connection, row: SessionRow) -> None:
    """Let a browser in; those whose time is over are forgotten."""
    connection.execute(delete(session).where(session.c.expires_at <= row.created_at))
    connection.execute(
        insert(session).values(
            digest=row.digest,
            token=row.token,
            scope=row.scope,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
    )


def end(connection: Connection, digest: str) -> None:
    """Let a browser in no more."""
    connection.execute(delete(session).where(session.c.digest == digest))


def all_of_them(connection: Connection) -> list[SessionRow]:
    """Every browser that has signed in."""
    return [
        SessionRow(
            digest=row.digest,
            token=row.token,
            scope=row.scope,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        for row in connection.execute(select(session))
    ]
