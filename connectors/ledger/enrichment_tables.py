"""The ledger's tables of enrichment: what Nexthink has accepted, which keys are absent, plans.

Keys are compared bytewise in every database, because our own code splits them into ranges.
"""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text, text

from connectors.ledger.tables import UTCDateTime, metadata

# SQLite compares bytewise by default.
BYTEWISE = Text().with_variant(Text(collation="C"), "postgresql")
# As literal SQL: with a parameter no database would use the index below.
NOT_ACKNOWLEDGED = text("state <> 'acknowledged'")

# One row per object and field that a sync has ever sent.
enriched = Table(
    "enriched",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("sync", String(255), primary_key=True),
    Column("key", BYTEWISE, primary_key=True),
    Column("field", String(255), primary_key=True),
    Column("identity", Text, nullable=False),
    # What Nexthink acknowledged last: "" if we emptied the field, null if nothing.
    Column("value", Text),
    Column("acknowledged_at", UTCDateTime),
    # What was or will be sent, and is not acknowledged.
    Column("open_value", Text),
    Column("state", String(16), nullable=False),
    Column("code", String(64)),
    Column("attempts", Integer, nullable=False),
    Column("tried_at", UTCDateTime),
    Column("retry_at", UTCDateTime),
    Column("mapping", String(64)),
    Column("plan_id", String(64)),
    # What Nexthink held before `value` was written, "" for nothing, and who had set it.
    Column("stood", Text),
    Column("stood_by", String(16)),
    # Most rows are settled; this finds the others without reading all.
    Index(
        "enriched_unsettled",
        "tenant",
        "sync",
        "key",
        sqlite_where=NOT_ACKNOWLEDGED,
        # The migration adds it in PostgreSQL: here it would load that dialect at each start.
    ),
    sqlite_with_rowid=False,
)

# Keys that complete scans did not find: in how many in a row, and since when.
absences = Table(
    "enrichment_absences",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("sync", String(255), primary_key=True),
    Column("key", BYTEWISE, primary_key=True),
    Column("scans", Integer, nullable=False),
    Column("since", UTCDateTime, nullable=False),
    sqlite_with_rowid=False,
)

# The state of each sync. Every plan that begins to be applied increases `version`.
syncs = Table(
    "syncs",
    metadata,
    Column("tenant", String(255), primary_key=True),
    Column("sync", String(255), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("identification", String(255)),
    Column("specification", String(64)),
    Column("cursors", JSON),
    # The last full pull whose plan was applied, and how many keys it had.
    Column("full_at", UTCDateTime),
    Column("keys", BigInteger),
    # When the tenant's values were last read, all of them.
    Column("read_at", UTCDateTime),
)

plans = Table(
    "plans",
    metadata,
    Column("plan_id", String(64), primary_key=True),
    Column("tenant", String(255), nullable=False),
    Column("sync", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    # The file's path within the tenant's part of the lake.
    Column("location", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    # The sync's version when the plan was made; once the plan has begun, the one it made.
    Column("version", Integer, nullable=False),
    Column("identification", String(255), nullable=False),
    Column("specification", String(64), nullable=False),
    Column("summary", JSON, nullable=False),
    # The sync's cursors once the plan is applied; null leaves them unchanged.
    Column("cursors", JSON),
    Column("keys", BigInteger),
    # The last key of the last chunk that was begun, and of the last one that was done.
    Column("begun_to", Text),
    Column("settled_to", Text),
    Column("begun_at", UTCDateTime),
    Column("finished_at", UTCDateTime),
    # Guards that a person has accepted: {name: why}.
    Column("accepted", JSON, nullable=False),
    Index("plans_by_creation", "tenant", "sync", "created_at"),
)
