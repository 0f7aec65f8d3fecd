"""What enrichment has to remember: values acknowledged and open, absences, syncs, plans."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNSETTLED = sa.text("state <> 'acknowledged'")


def upgrade() -> None:
    """Add the tables of enrichment."""
    op.create_table(
        "enriched",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("sync", sa.String(255), primary_key=True),
        sa.Column("key", BYTEWISE, primary_key=True),
        sa.Column("field", sa.String(255), primary_key=True),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("acknowledged_at", MOMENT),
        sa.Column("open_value", sa.Text),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("code", sa.String(64)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tried_at", MOMENT),
        sa.Column("retry_at", MOMENT),
        sa.Column("mapping", sa.String(64)),
        sa.Column("plan_id", sa.String(64)),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # Rows are replaced more often than added: with space on the page, indexes stay unchanged.
        op.execute("ALTER TABLE enriched SET (fillfactor = 70)")
    op.create_index(
        "enriched_unsettled",
        "enriched",
        ["tenant", "sync", "key"],
        sqlite_where=UNSETTLED,
        postgresql_where=UNSETTLED,
    )
    op.create_table(
        "enrichment_absences",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("sync", sa.String(255), primary_key=True),
        sa.Column("key", BYTEWISE, primary_key=True),
        sa.Column("scans", sa.Integer, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "syncs",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("sync", sa.String(255), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("identification", sa.String(255)),
        sa.Column("specification", sa.String(64)),
        sa.Column("cursors", sa.JSON),
        sa.Column("full_at", MOMENT),
        sa.Column("keys", sa.BigInteger),
    )
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("sync", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("identification", sa.String(255), nullable=False),
        sa.Column("specification", sa.String(64), nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("cursors", sa.JSON),
        sa.Column("keys", sa.BigInteger),
        sa.Column("begun_to", sa.Text),
        sa.Column("settled_to", sa.Text),
        sa.Column("begun_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.Column("accepted", sa.JSON, nullable=False),
    )
    op.create_index("plans_by_creation", "plans", ["tenant", "sync", "created_at"])


def downgrade() -> None:
    """Forget all that enrichment knows."""
    for table in ("plans", "syncs", "enrichment_absences", "enriched"):
        op.drop_table(table)
