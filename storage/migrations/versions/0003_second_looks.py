"""When a take's second verdict, which decodes it, was written down."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE takes ADD COLUMN looked_at_ms BIGINT")
    op.create_index(op.f("ix_takes_state_looked_at_ms_id"), "takes", ["state", "looked_at_ms", "id"])
