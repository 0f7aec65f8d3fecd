"""The ledger's own id, by which the tenant shows whose request an execution is."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the ids of ledgers, and draw this one's."""
    ledgers = op.create_table(
        "ledgers",
        sa.Column("ledger_id", sa.String(12), primary_key=True),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.Column("why", sa.Text),
    )
    op.bulk_insert(ledgers, [{"ledger_id": secrets.token_hex(6)}])


def downgrade() -> None:
    """Forget the ids."""
    op.drop_table("ledgers")
