"""The first ledger: units (windows and snapshot slots) and runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "units",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("dataset", sa.String(255), primary_key=True),
        sa.Column("unit", sa.String(64), primary_key=True),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("run_id", sa.String(36)),
        sa.Column("export_id", sa.String(255)),
        sa.Column("export_query", sa.String(64)),
        sa.Column("export_started_at", MOMENT),
        sa.Column("holder", sa.String(255)),
        sa.Column("held_until", MOMENT),
        sa.Column("landed_at", MOMENT),
        sa.Column("rows_landed", sa.BigInteger),
        sa.Column("not_before", MOMENT),
        sa.Column("last_error", sa.Text),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(36), primary_key=True),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("dataset", sa.String(255), nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("units", sa.Integer),
        sa.Column("rows_landed", sa.BigInteger),
        sa.Column("rows_rejected", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("report", sa.JSON),
    )
    op.create_index("runs_by_start", "runs", ["tenant", "started_at"])


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("runs")
    op.drop_table("units")
