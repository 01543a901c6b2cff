"""Until when an asset is kept although nothing names it; finding what was kept for equal tasks by its output.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

#: Seconds.
_GRACE = 86_400


def upgrade() -> None:
    op.add_column("asset_owner", sa.Column("kept_until", sa.Float(), server_default="0", nullable=False))
    # What a worker has sent, and not named yet, is to have its grace, reckoned from the last thing that happened.
    last = "(SELECT at FROM event ORDER BY sequence DESC LIMIT 1)"
    op.execute(f"UPDATE asset_owner SET kept_until = coalesce({last}, 0) + {_GRACE}")  # noqa: S608 - text of ours
    op.create_index("ix_cached_output", "cached", ["output"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_cached_output", table_name="cached")
    op.drop_column("asset_owner", "kept_until")
