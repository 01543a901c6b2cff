"""The first tables.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "asset",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("preview", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_asset"),
    )
    op.create_table(
        "dispatch",
        sa.Column("key", _KEY, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("root_id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("complete", sa.Integer(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("requires", sa.Text(), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=True),
        sa.Column("output_node", sa.Integer(), nullable=True),
        sa.Column("result", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("unfinished", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("body_digest", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_dispatch"),
        sa.UniqueConstraint("id", name="uq_dispatch_id"),
        sa.UniqueConstraint("owner", "idempotency_key", name="uq_dispatch_owner_idempotency_key"),
    )
    op.create_table(
        "event",
        sa.Column("sequence", _KEY, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("dispatch", _KEY, nullable=True),
        sa.Column("node", _KEY, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_event"),
    )
    op.create_index("ix_event_dispatch", "event", ["dispatch"], unique=False)
    op.create_table(
        "pool",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pool"),
        sa.UniqueConstraint("owner", "executor", "place", name="uq_pool_owner_executor_place"),
    )
    op.create_table(
        "setting",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.create_table(
        "token",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_token"),
    )
    op.create_table(
        "asset_owner",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["asset.digest"], name="fk_asset_owner_digest_asset"),
        sa.PrimaryKeyConstraint("digest", "owner", name="pk_asset_owner"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "node",
        sa.Column("key", _KEY, nullable=False),
        sa.Column("dispatch", _KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("pool", _KEY, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fenced", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("output", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["dispatch"], ["dispatch.key"], name="fk_node_dispatch_dispatch"),
        sa.ForeignKeyConstraint(["pool"], ["pool.id"], name="fk_node_pool_pool"),
        sa.PrimaryKeyConstraint("key", name="pk_node"),
        sa.UniqueConstraint("dispatch", "number", name="uq_node_dispatch_number"),
    )
    op.create_index(
        "ix_node_leased",
        "node",
        ["worker"],
        unique=False,
        sqlite_where=sa.text("state in ('LEASED', 'RUNNING')"),
        postgresql_where=sa.text("state in ('LEASED', 'RUNNING')"),
    )
    op.create_index(
        "ix_node_ready",
        "node",
        ["pool", "key"],
        unique=False,
        sqlite_where=sa.text("state = 'READY'"),
        postgresql_where=sa.text("state = 'READY'"),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pool", _KEY, nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("features", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["pool"], ["pool.id"], name="fk_worker_pool_pool"),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
    )
    op.create_table(
        "link",
        sa.Column("parent", _KEY, nullable=False),
        sa.Column("child", _KEY, nullable=False),
        sa.Column("uses", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["child"], ["node.key"], name="fk_link_child_node"),
        sa.ForeignKeyConstraint(["parent"], ["node.key"], name="fk_link_parent_node"),
        sa.PrimaryKeyConstraint("parent", "child", name="pk_link"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_link_child", "link", ["child"], unique=False)
    op.create_table(
        "stream",
        sa.Column("node", _KEY, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["node"], ["node.key"], name="fk_stream_node_node"),
        sa.PrimaryKeyConstraint("node", "attempt", "stream", "offset", name="pk_stream"),
    )


def downgrade() -> None:
    op.drop_table("stream")
    op.drop_index("ix_link_child", table_name="link")
    op.drop_table("link")
    op.drop_table("worker")
    op.drop_index(
        "ix_node_ready",
        table_name="node",
        sqlite_where=sa.text("state = 'READY'"),
        postgresql_where=sa.text("state = 'READY'"),
    )
    op.drop_index(
        "ix_node_leased",
        table_name="node",
        sqlite_where=sa.text("state in ('LEASED', 'RUNNING')"),
        postgresql_where=sa.text("state in ('LEASED', 'RUNNING')"),
    )
    op.drop_table("node")
    op.drop_table("asset_owner")
    op.drop_table("token")
    op.drop_table("setting")
    op.drop_table("pool")
    op.drop_index("ix_event_dispatch", table_name="event")
    op.drop_table("event")
    op.drop_table("dispatch")
    op.drop_table("asset")
