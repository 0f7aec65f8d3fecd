"""What a tenant was asked in the last 24 hours, and how long its exports take."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

MOMENT = sa.DateTime(timezone=True)
COLUMNS = ("exports_until", "exports_known", "executes_until", "executes_known")
KEPT = timedelta(days=8)


def upgrade() -> None:
    """Count what is known so far: exports by the units that landed, calls of today as made now."""
    for name in COLUMNS:
        kind = MOMENT if name.endswith("_until") else sa.Integer
        op.add_column("limits", sa.Column(name, kind))
    made = op.create_table(
        "requests_made",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("minute", MOMENT, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
    )
    op.create_table(
        "export_times",
        sa.Column("tenant", sa.String(255), primary_key=True),
        sa.Column("dataset", sa.String(255), primary_key=True),
        sa.Column("seconds", sa.Float, nullable=False),
    )
    rows = _counted(datetime.now(UTC))
    if rows:
        op.bulk_insert(made, rows)
    op.drop_column("limits", "day")
    op.drop_column("limits", "calls")


def _counted(now: datetime) -> list[dict[str, object]]:
    found: Counter[tuple[str, str, datetime]] = Counter()
    connection = op.get_bind()
    units = sa.table("units", sa.column("tenant"), sa.column("exported_at", MOMENT))
    landed = sa.select(units.c.tenant, units.c.exported_at)
    for tenant, moment in connection.execute(landed.where(units.c.exported_at > now - KEPT)):
        found[tenant, "exports", _minute(moment)] += 1
    limits = sa.table("limits", sa.column("tenant"), sa.column("day", MOMENT), sa.column("calls"))
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    used = sa.select(limits.c.tenant, limits.c.calls)
    for tenant, calls in connection.execute(used.where(limits.c.day == today, limits.c.calls > 0)):
        found[tenant, "calls", _minute(now)] += calls
    return [
        {"tenant": tenant, "kind": kind, "minute": minute, "number": number}
        for (tenant, kind, minute), number in found.items()
    ]


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def downgrade() -> None:
    """Count calls of the day only, beginning with none."""
    op.add_column("limits", sa.Column("day", MOMENT))
    op.add_column("limits", sa.Column("calls", sa.Integer, nullable=False, server_default="0"))
    op.drop_table("export_times")
    op.drop_table("requests_made")
    for name in COLUMNS:
        op.drop_column("limits", name)
