"""The database: the one room that speaks SQLAlchemy. Outside it, a connection is an opaque ``Session``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

Session = Connection

#: A row whose columns are told by the statement beside it.
AnyRow = Row[*tuple[Any, ...]]
