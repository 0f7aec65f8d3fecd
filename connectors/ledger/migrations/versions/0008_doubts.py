"""Windows whose rows a tenant may have forgotten before they were exported."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

MOMENT = sa.DateTime(timezone=True)
COLUMNS = ("doubt", "complete_from", "accepted_at", "accepted_why")


def upgrade() -> None:
    """Add the doubt about a unit; what has landed so far is in no doubt."""
    op.add_column("units", sa.Column("doubt", sa.String(16)))
    op.add_column("units", sa.Column("complete_from", MOMENT))
    op.add_column("units", sa.Column("accepted_at", MOMENT))
    op.add_column("units", sa.Column("accepted_why", sa.Text))


def downgrade() -> None:
    """Forget all doubts."""
    for name in COLUMNS:
        op.drop_column("units", name)
