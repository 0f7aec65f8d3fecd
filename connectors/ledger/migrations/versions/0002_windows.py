"""Exports journalled by piece, watermarks, back-fills; units know the age of their data."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Move the journal of exports to a table of its own and add what windows need."""
    op.create_table(
        "exports",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("dataset", sa.String(255), primary_key=True),
        sa.Column("unit", sa.String(64), primary_key=True),
        sa.Column("piece", sa.String(128), primary_key=True),
        sa.Column("export_id", sa.String(255), nullable=False),
        sa.Column("query", sa.String(64), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
    )
    op.execute(
        "INSERT INTO exports (tenant, dataset, unit, piece, export_id, query, started_at) "
        "SELECT tenant, dataset, unit, '', export_id, export_query, export_started_at "
        "FROM units WHERE export_id IS NOT NULL"
    )
    with op.batch_alter_table("units") as units:
        units.drop_column("export_id")
        units.drop_column("export_query")
        units.drop_column("export_started_at")
        units.add_column(sa.Column("exported_at", MOMENT))
        units.add_column(sa.Column("calls", sa.Integer))
    op.execute("UPDATE units SET exported_at = landed_at")
    op.create_table(
        "watermarks",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("dataset", sa.String(255), primary_key=True),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("position", MOMENT, nullable=False),
        sa.Column("moved_at", MOMENT, nullable=False),
    )
    op.create_table(
        "backfills",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("dataset", sa.String(255), primary_key=True),
        sa.Column("starts_at", MOMENT, primary_key=True),
        sa.Column("ends_at", MOMENT, primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("begun_at", MOMENT, nullable=False),
    )


def downgrade() -> None:
    """Go back to one export per unit; journalled pieces are forgotten."""
    op.drop_table("backfills")
    op.drop_table("watermarks")
    with op.batch_alter_table("units") as units:
        units.drop_column("calls")
        units.drop_column("exported_at")
        units.add_column(sa.Column("export_id", sa.String(255)))
        units.add_column(sa.Column("export_query", sa.String(64)))
        units.add_column(sa.Column("export_started_at", MOMENT))
    op.drop_table("exports")
