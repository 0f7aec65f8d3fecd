"""The ledger's tables. A change here needs a revision in migrations/versions.

A *unit* is what lands at once: a window of a dataset, a tenant's day, or a snapshot's slot.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    cast,
    func,
)

metadata = MetaData()

# The state of a unit whose rows are past retention.
DROPPED = "dropped"
# The state of a window that never landed, and whose rows can no longer come.
EXPIRED = "expired"


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC date-time in every database, even one that does not know time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value in UTC; raise if it is naive."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the ledger stores aware date-times only")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the stored value as aware UTC: SQLite drops the zone."""
        del dialect
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


def total(column: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the sum of a column of whole numbers, 0 of no rows.

    PostgreSQL's sum of a bigint is a numeric, which Python reads as a Decimal: no JSON holds one.
    """
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


units = Table(
    "units",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("dataset", String(255), primary_key=True),
    Column("unit", String(64), primary_key=True),
    Column("starts_at", UTCDateTime, nullable=False),
    Column("ends_at", UTCDateTime, nullable=False),
    Column("state", String(16), nullable=False),
    Column("run_id", String(36)),
    Column("holder", String(255)),
    Column("held_until", UTCDateTime),
    Column("landed_at", UTCDateTime),
    Column("rows_landed", BigInteger),
    Column("not_before", UTCDateTime),
    Column("last_error", Text),
    # When the export of the landed rows was started: the age of the data.
    Column("exported_at", UTCDateTime),
    # Requests to the tenant's API that the last landing needed.
    Column("calls", Integer),
    # When the last try failed; a unit that has landed since may still have it.
    Column("failed_at", UTCDateTime),
    # Why a landed window may lack rows that there once were (Doubt), and from when on it has all.
    Column("doubt", String(16)),
    Column("complete_from", UTCDateTime),
    # When a person accepted the doubt, and why.
    Column("accepted_at", UTCDateTime),
    Column("accepted_why", Text),
)

# Exports begun and not yet landed. A unit that was split has one for each piece.
exports = Table(
    "exports",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("dataset", String(255), primary_key=True),
    Column("unit", String(64), primary_key=True),
    Column("piece", String(128), primary_key=True),
    Column("export_id", String(255), nullable=False),
    Column("query", String(64), nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
)

# How long the tenant took for the last exports of a dataset, in seconds: when to poll first.
export_times = Table(
    "export_times",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("dataset", String(255), primary_key=True),
    Column("seconds", Float, nullable=False),
)

# Results that `nxp nql download` has written: the API does not count the records of an export.
downloads = Table(
    "downloads",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("export_id", String(255), primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("fetched_at", UTCDateTime, nullable=False),
)

# Up to where the scheduled export has landed a dataset without a gap, from `starts_at`.
watermarks = Table(
    "watermarks",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("dataset", String(255), primary_key=True),
    Column("starts_at", UTCDateTime, nullable=False),
    Column("position", UTCDateTime, nullable=False),
    Column("moved_at", UTCDateTime, nullable=False),
)

# Back-fills of everything in progress: what has landed since `begun_at` is done.
backfills = Table(
    "backfills",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("dataset", String(255), primary_key=True),
    Column("starts_at", UTCDateTime, primary_key=True),
    Column("ends_at", UTCDateTime, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("begun_at", UTCDateTime, nullable=False),
)

# What all processes of a tenant share. The tenant named when it takes the next call, export and
# execute (`_until`); `_known` is how many it takes in 24 hours, where its answers show that. With a
# rate, the next call is due at `free_at`.
limits = Table(
    "limits",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("limited_until", UTCDateTime),
    Column("free_at", UTCDateTime),
    Column("exports_until", UTCDateTime),
    Column("exports_known", Integer),
    Column("executes_until", UTCDateTime),
    Column("executes_known", Integer),
)

# Requests to a tenant by kind (exports, executes, calls) and by the minute in which they were made.
requests_made = Table(
    "requests_made",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("minute", UTCDateTime, primary_key=True),
    Column("number", Integer, nullable=False),
)

# Exports running at the tenant, one row each; the slots of a killed process lapse.
export_slots = Table(
    "export_slots",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("dataset", String(255), primary_key=True),
    Column("unit", String(64), primary_key=True),
    Column("piece", String(128), primary_key=True),
    Column("holder", String(255), nullable=False),
    Column("worker", String(255), nullable=False),
    Column("held_until", UTCDateTime, nullable=False),
)

# One row without `retired_at`: this ledger's own id. The others are ids of ledgers that a person
# has declared to be out of use.
ledgers = Table(
    "ledgers",
    metadata,
    Column("ledger_id", String(12), primary_key=True),
    Column("retired_at", UTCDateTime),
    Column("why", Text),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(36), primary_key=True),
    Column("tenant", String(255), nullable=False),
    Column("dataset", String(255), nullable=False),
    Column("trigger", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("holder", String(255), nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),
    Column("units", Integer),
    Column("rows_landed", BigInteger),
    Column("rows_rejected", BigInteger),
    Column("error", Text),
    Column("report", JSON),
    Index("runs_by_start", "tenant", "started_at"),
)
