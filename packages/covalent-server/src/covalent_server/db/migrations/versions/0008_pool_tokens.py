"""Tokens that are good for one pool, and which of them a worker reports with.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("token", sa.Column("pool", sa.String(), nullable=True))
    op.add_column("token", sa.Column("name", sa.String(), server_default="", nullable=False))
    op.add_column("worker", sa.Column("token", sa.String(length=64), nullable=True))


def downgrade() -> None:
    # An older server would take them for tokens that are good for every pool.
    op.execute("UPDATE token SET revoked_at = created_at WHERE pool IS NOT NULL AND revoked_at IS NULL")
    op.drop_column("worker", "token")
    op.drop_column("token", "name")
    op.drop_column("token", "pool")
