"""Sublattices, retries in time, caching, post-processing, tags, variables and priorities.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("dispatch", sa.Column("parent", _KEY, nullable=True))
    op.add_column("dispatch", sa.Column("postprocesses", sa.Integer(), server_default="0", nullable=False))
    op.add_column("dispatch", sa.Column("tags", sa.Text(), server_default="[]", nullable=False))
    op.add_column("dispatch", sa.Column("env", sa.Text(), nullable=True))
    op.create_index("ix_dispatch_parent", "dispatch", ["parent"], unique=False)
    op.add_column("node", sa.Column("policy", sa.Text(), nullable=True))
    op.add_column("node", sa.Column("rank", sa.Integer(), server_default="0", nullable=False))
    op.add_column("node", sa.Column("due_at", sa.Float(), nullable=True))
    op.add_column("node", sa.Column("cache_key", sa.String(length=64), nullable=True))
    _drop("ix_node_ready")
    _index("ix_node_ready", ["pool", "rank", "key"], "state = 'READY'")
    _index("ix_node_suspended", ["state", "due_at"], "state in ('DELAYED', 'DISPATCHING')")
    op.create_table(
        "cached",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("cache_key", sa.String(length=64), nullable=False),
        sa.Column("output", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["output"], ["asset.digest"], name="fk_cached_output_asset"),
        sa.PrimaryKeyConstraint("owner", "cache_key", name="pk_cached"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("cached")
    _drop("ix_node_suspended")
    _drop("ix_node_ready")
    _index("ix_node_ready", ["pool", "key"], "state = 'READY'")
    for name in ("cache_key", "due_at", "rank", "policy"):
        op.drop_column("node", name)
    op.drop_index("ix_dispatch_parent", table_name="dispatch")
    for name in ("env", "tags", "postprocesses", "parent"):
        op.drop_column("dispatch", name)


def _index(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "node", columns, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _drop(name: str) -> None:
    op.drop_index(name, table_name="node")
