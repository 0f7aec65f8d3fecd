"""How many records an export had, known once its result was downloaded."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table; nothing is known about earlier downloads."""
    op.create_table(
        "downloads",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("export_id", sa.String(255), primary_key=True),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Forget the counts."""
    op.drop_table("downloads")
