"""Environments of tasks: being built, as they were built, and what failed tasks left behind.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NODE = sa.table("node", sa.column("state"))


def upgrade() -> None:
    op.add_column("node", sa.Column("preparing_at", sa.Float(), nullable=True))
    op.add_column("node", sa.Column("environment", sa.Text(), nullable=True))
    op.add_column("node", sa.Column("workdir", sa.Text(), nullable=True))
    op.drop_index("ix_node_leased", table_name="node")
    _index("state in ('LEASED', 'RUNNING') or state = 'PREPARING'")


def downgrade() -> None:
    # A worker has these, and has not said that they began: an older server calls that leased.
    op.execute(sa.update(_NODE).where(_NODE.c.state == "PREPARING").values(state="LEASED"))
    op.drop_index("ix_node_leased", table_name="node")
    _index("state in ('LEASED', 'RUNNING')")
    for name in ("workdir", "environment", "preparing_at"):
        op.drop_column("node", name)


def _index(where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        "ix_node_leased", "node", ["worker"], unique=False, sqlite_where=condition, postgresql_where=condition
    )
