"""What acting has to remember: plans, intents and requests, targets and their outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables of acting."""
    op.create_table(
        "action_plans",
        sa.Column("plan_id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("action", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("action_id", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("specification", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("approved_by", sa.Text),
        sa.Column("approved_why", sa.Text),
        sa.Column("ticket", sa.Text),
        sa.Column("approved_at", MOMENT),
        sa.Column("begun_at", MOMENT),
        sa.Column("finished_at", MOMENT),
    )
    op.create_index("action_plans_by_creation", "action_plans", ["tenant", "action", "created_at"])
    op.create_table(
        "action_requests",
        sa.Column("intent_id", sa.String(36), primary_key=True),
        sa.Column("tenant", sa.String(255), nullable=False),
        sa.Column("plan_id", sa.String(64)),
        sa.Column("action", sa.String(255)),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("action_id", sa.String(255), nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("targets", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("request_id", sa.String(255)),
        sa.Column("code", sa.String(64)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.Column("settled_at", MOMENT),
        sa.Column("why", sa.Text),
    )
    op.create_index(
        "action_requests_by_action",
        "action_requests",
        ["tenant", "kind", "action_id", "created_at"],
    )
    op.create_index("action_requests_by_plan", "action_requests", ["tenant", "plan_id"])
    op.create_table(
        "action_targets",
        sa.Column("intent_id", sa.String(36), primary_key=True),
        sa.Column("target", BYTEWISE, primary_key=True),
        sa.Column("device", sa.Text),
        sa.Column("person", sa.Text),
        sa.Column("request_id", sa.String(255)),
        sa.Column("execution_id", sa.String(255)),
        sa.Column("code", sa.String(64)),
        sa.Column("status", sa.String(64)),
        sa.Column("details", sa.Text),
        sa.Column("answers", sa.Text),
        sa.Column("status_at", MOMENT),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Forget all that was done to devices and people."""
    for table in ("action_targets", "action_requests", "action_plans"):
        op.drop_table(table)
