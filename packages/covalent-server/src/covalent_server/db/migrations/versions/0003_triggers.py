"""Triggers.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DISPATCH = sa.table("dispatch", sa.column("key"), sa.column("observes"))
_NODE = sa.table("node", sa.column("key"), sa.column("dispatch"))
_STREAM = sa.table("stream", sa.column("node"))
_EVENT = sa.table("event", sa.column("dispatch"))


def upgrade() -> None:
    op.add_column("dispatch", sa.Column("observes", _KEY, nullable=True))
    op.create_table(
        "trigger",
        sa.Column("key", _KEY, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("dispatch", _KEY, nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("stopped_at", sa.Float(), nullable=True),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=True),
        sa.Column("seen", sa.String(length=64), nullable=True),
        sa.Column("observer", _KEY, nullable=True),
        sa.Column("firings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fired_at", sa.Float(), nullable=True),
        sa.Column("last", _KEY, nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["dispatch"], ["dispatch.key"], name="fk_trigger_dispatch_dispatch"),
        sa.PrimaryKeyConstraint("key", name="pk_trigger"),
        sa.UniqueConstraint("id", name="uq_trigger_id"),
    )
    op.create_index("ix_trigger_dispatch", "trigger", ["dispatch"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_trigger_dispatch", table_name="trigger")
    op.drop_table("trigger")
    # What looks at directories would be users' dispatches from here on.
    observers = sa.select(_DISPATCH.c.key).where(_DISPATCH.c.observes.is_not(None))
    looks = sa.select(_NODE.c.key).where(_NODE.c.dispatch.in_(observers))
    op.execute(sa.delete(_STREAM).where(_STREAM.c.node.in_(looks)))
    op.execute(sa.delete(_EVENT).where(_EVENT.c.dispatch.in_(observers)))
    op.execute(sa.delete(_NODE).where(_NODE.c.dispatch.in_(observers)))
    op.execute(sa.delete(_DISPATCH).where(_DISPATCH.c.observes.is_not(None)))
    op.drop_column("dispatch", "observes")
