"""Ties between photos, persons' verdicts, and what more is measured of a photo's pixels.

Groups are found anew: what they rest on is kept in another way.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What an older program did not measure stands at the value that no stage objects to.
    op.add_column("photos", sa.Column("mode", sa.String(), nullable=False, server_default=""))
    op.add_column("photos", sa.Column("entropy_bits", sa.Double(), nullable=False, server_default="8"))
    op.add_column("photos", sa.Column("colour", sa.Double(), nullable=False, server_default="128"))
    op.add_column("photos", sa.Column("border", sa.Double(), nullable=False, server_default="0"))
    op.drop_table("stage_marks")
    op.create_table(
        "stage_marks",
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("last_sighting_id", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_stage_marks_run_id_runs")),
        sa.PrimaryKeyConstraint("stage", name=op.f("pk_stage_marks")),
    )
    op.drop_index("ix_group_members_group_id", "group_members")
    op.drop_table("group_members")
    op.execute("DELETE FROM groups")
    op.create_table(
        "group_members",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("relation", sa.String(), nullable=False),
        sa.Column("of_photo_id", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        _photo("group_members", "photo_id"),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id_groups"), ondelete="CASCADE"
        ),
        _photo("group_members", "of_photo_id"),
        sa.PrimaryKeyConstraint("photo_id", name=op.f("pk_group_members")),
    )
    op.create_index("ix_group_members_group_id", "group_members", ["group_id"])
    op.create_table(
        "ties",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("transform", sa.String(), nullable=False),
        sa.Column("chroma", sa.Double(), nullable=False),
        sa.Column("distance_bits", sa.Integer(), nullable=True),
        sa.Column("detail_bits", sa.Integer(), nullable=True),
        sa.Column("inliers", sa.Integer(), nullable=True),
        sa.Column("inlier_share", sa.Double(), nullable=True),
        sa.Column("light", sa.Double(), nullable=True),
        _photo("ties", "photo_id"),
        _photo("ties", "other_id"),
        sa.PrimaryKeyConstraint("photo_id", "other_id", "stage", name=op.f("pk_ties")),
    )
    op.create_index("ix_ties_other_id", "ties", ["other_id"])
    op.create_table(
        "touched",
        sa.Column("photo_id", sa.Integer(), nullable=False),
        _photo("touched", "photo_id"),
        sa.PrimaryKeyConstraint("photo_id", name=op.f("pk_touched")),
    )


def downgrade() -> None:
    raise NotImplementedError("what groups rested on before is not kept: go back by a copy of catalog.db")


def _photo(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["photos.id"], name=op.f(f"fk_{table}_{column}_photos"), ondelete="CASCADE"
    )
