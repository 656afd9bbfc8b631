"""Kept counts, and sightings by the brand that was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stock",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stock")),
    )
    op.create_index("ix_sightings_brand_asked", "sightings", ["brand_asked", "photo_id"])
    op.create_index("ix_failures_reason", "failures", ["reason", "retryable"])


def downgrade() -> None:
    op.drop_index("ix_failures_reason", "failures")
    op.drop_index("ix_sightings_brand_asked", "sightings")
    op.drop_table("stock")
