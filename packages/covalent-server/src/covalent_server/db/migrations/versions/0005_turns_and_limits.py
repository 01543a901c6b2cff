"""Dispatches take turns, and limits hold nodes back.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DISPATCH = sa.table("dispatch", sa.column("key"), sa.column("id"), sa.column("root_id"))
_NODE = sa.table("node", sa.column("dispatch"), sa.column("root"))


def upgrade() -> None:
    op.create_table(
        "concurrency_limit",
        sa.Column("key", _KEY, nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_concurrency_limit"),
        sa.UniqueConstraint("owner", "kind", "name", name="uq_concurrency_limit_owner_kind_name"),
    )
    op.create_table(
        "gate",
        sa.Column("key", _KEY, nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_gate"),
        sa.UniqueConstraint("owner", "members", name="uq_gate_owner_members"),
    )
    op.add_column("node", sa.Column("root", _KEY, server_default="0", nullable=False))
    op.add_column("node", sa.Column("gate", _KEY, server_default="0", nullable=False))
    own, root = _DISPATCH.alias("own"), _DISPATCH.alias("root")
    of_node = sa.select(root.c.key).where(root.c.id == own.c.root_id, own.c.key == _NODE.c.dispatch)
    # A sublattice whose root is gone has its turns by itself.
    op.execute(sa.update(_NODE).values(root=sa.func.coalesce(of_node.scalar_subquery(), _NODE.c.dispatch)))
    _index("ix_node_ready", ["pool", "gate", "rank", "root", "key"], "state = 'READY'")
    _index("ix_node_leased", ["gate"], "state in ('LEASED', 'RUNNING') or state = 'PREPARING'")


def downgrade() -> None:
    _index("ix_node_ready", ["pool", "rank", "key"], "state = 'READY'")
    _index("ix_node_leased", ["worker"], "state in ('LEASED', 'RUNNING') or state = 'PREPARING'")
    for name in ("gate", "root"):
        op.drop_column("node", name)
    op.drop_table("gate")
    op.drop_table("concurrency_limit")


def _index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.drop_index(name, table_name="node")
    op.create_index(name, "node", columns, unique=False, sqlite_where=condition, postgresql_where=condition)
