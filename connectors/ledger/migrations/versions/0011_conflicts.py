"""What stood in a field before a sync wrote it, who had set it, and when a tenant was last read."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns; of values written so far it is not known what they replaced."""
    op.add_column("enriched", sa.Column("stood", sa.Text))
    op.add_column("enriched", sa.Column("stood_by", sa.String(16)))
    op.add_column("syncs", sa.Column("read_at", MOMENT))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("syncs", "read_at")
    op.drop_column("enriched", "stood_by")
    op.drop_column("enriched", "stood")
