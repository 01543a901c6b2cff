"""Whether a PostgreSQL database is one that a server can work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from covalent_server.db.engines import open_engine
from covalent_server.db.revision import unusable
from covalent_server.errors import DatabaseUnavailableError
from covalent_server.settings import shown_url

#: The oldest major version; the tests run on 15.
_OLDEST: Final = 14
_FACTS: Final = text(
    "SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number, "
    "current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync, current_user AS account, "
    "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_make_tables"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """What is known of a database that will do."""

    version: str
    #: Whether what is committed outlives its machine.
    durable: bool


def check(url: str) -> Fitness:
    """What a database is; raises DatabaseUnavailableError when a server cannot work with it."""
    engine = open_engine(url, writes=False)
    try:
        with engine.connect() as connection:
            row = connection.execute(_FACTS).one()
    except DBAPIError as error:
        raise unusable(url, error) from None
    finally:
        engine.dispose()
    for wrong, advice in (
        (int(row.number) < _OLDEST * 10_000, f"it is version {row.version}; use {_OLDEST} or a later one"),
        (row.encoding != "UTF8", f"its encoding is {row.encoding}; make it anew with createdb --encoding=UTF8"),
        (not row.may_make_tables, f"{row.account} may make no tables there; make {row.account} its owner"),
    ):
        if wrong:
            raise DatabaseUnavailableError(f"the database {shown_url(url)} cannot be used: {advice}")
    return Fitness(version=str(row.version), durable=row.fsync == "on")
