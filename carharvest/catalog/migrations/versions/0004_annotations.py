"""What existing data sets say of their pictures, when a photo was taken, and the digest of a split's folder."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("photos", sa.Column("taken_at", sa.String(), nullable=False, server_default="")),
    ("sightings", sa.Column("taken_at", sa.String(), nullable=False, server_default="")),
    ("sightings", sa.Column("annotation", sa.JSON(), nullable=True)),
    ("splits", sa.Column("digest", sa.String(), nullable=False, server_default="")),
)


def upgrade() -> None:
    for table, column in _COLUMNS:
        op.add_column(table, column)
    _rename_in_plans("min_per_brand", "min_per_class")


def downgrade() -> None:
    _rename_in_plans("min_per_class", "min_per_brand")
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column.name)


def _rename_in_plans(old: str, new: str) -> None:
    """A class is not always a brand."""
    splits = sa.table("splits", sa.column("id", sa.Integer), sa.column("plan", sa.JSON))
    connection = op.get_bind()
    for id_, plan in connection.execute(sa.select(splits.c.id, splits.c.plan)).all():
        said = plan if isinstance(plan, dict) else json.loads(plan)
        if old in said:
            renamed = {new if name == old else name: value for name, value in said.items()}
            connection.execute(sa.update(splits).where(splits.c.id == id_).values(plan=renamed))
