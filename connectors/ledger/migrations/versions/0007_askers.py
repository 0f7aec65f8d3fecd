"""Who asked for a plan or a request of an action, and whether that is verified or claimed."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = ("action_plans", "action_requests")


def upgrade() -> None:
    """Add who asked; nothing is known about that for what is in the ledger already."""
    for table in TABLES:
        op.add_column(table, sa.Column("asked_by", sa.Text))
        op.add_column(table, sa.Column("asked_how", sa.String(16)))
        op.add_column(table, sa.Column("run_by", sa.Text))


def downgrade() -> None:
    """Forget who asked."""
    for table in TABLES:
        for column in ("asked_by", "asked_how", "run_by"):
            op.drop_column(table, column)
