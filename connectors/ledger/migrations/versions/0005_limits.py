"""What all processes of a tenant share: when it may be asked, calls of the day, exports at once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add limits and slots; limits recorded with units so far stay in force."""
    op.add_column("units", sa.Column("failed_at", MOMENT))
    op.create_table(
        "limits",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("limited_until", MOMENT),
        sa.Column("day", MOMENT),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("free_at", MOMENT),
    )
    op.create_table(
        "export_slots",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("dataset", sa.String(255), primary_key=True),
        sa.Column("unit", sa.String(64), primary_key=True),
        sa.Column("piece", sa.String(128), primary_key=True),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("held_until", MOMENT, nullable=False),
    )
    op.execute(
        "INSERT INTO limits (tenant, limited_until, calls) SELECT tenant, max(not_before), 0 "
        "FROM units WHERE not_before IS NOT NULL GROUP BY tenant"
    )


def downgrade() -> None:
    """Let each process count for itself again."""
    op.drop_table("export_slots")
    op.drop_table("limits")
    op.drop_column("units", "failed_at")
