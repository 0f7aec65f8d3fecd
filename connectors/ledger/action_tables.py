"""The ledger's tables of acting: plans, requests to the tenant, and the targets of each request.

Targets are compared bytewise, like keys of enrichment. A SID is personal data: it is stored here
and in plan files, nowhere else.
"""

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text

from connectors.ledger.enrichment_tables import BYTEWISE
from connectors.ledger.tables import UTCDateTime, metadata

action_plans = Table(
    "action_plans",
    metadata,
    Column("plan_id", String(64), primary_key=True),
    Column("tenant", String(255), nullable=False),
    Column("action", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("action_id", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    # The file's path within the tenant's part of the lake.
    Column("location", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("specification", String(64), nullable=False),
    # How many requests of the action were journalled when the plan was made.
    Column("version", Integer, nullable=False),
    Column("summary", JSON, nullable=False),
    Column("approved_by", Text),
    Column("approved_why", Text),
    Column("ticket", Text),
    Column("approved_at", UTCDateTime),
    Column("begun_at", UTCDateTime),
    Column("finished_at", UTCDateTime),
    # Who asked: null if no person did, as for a schedule; verified or claimed.
    Column("asked_by", Text),
    Column("asked_how", String(16)),
    # The operating system's account of the process.
    Column("run_by", Text),
    Index("action_plans_by_creation", "tenant", "action", "created_at"),
)

# One row per POST. A sent request may have had its effect, even if no answer came.
action_requests = Table(
    "action_requests",
    metadata,
    Column("intent_id", String(36), primary_key=True),
    Column("tenant", String(255), nullable=False),
    # A request sent by a raw command has neither plan nor action.
    Column("plan_id", String(64)),
    Column("action", String(255)),
    Column("kind", String(16), nullable=False),
    Column("action_id", String(255), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("targets", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("request_id", String(255)),
    Column("code", String(64)),
    Column("created_at", UTCDateTime, nullable=False),
    Column("sent_at", UTCDateTime),
    Column("settled_at", UTCDateTime),
    # A person's reason for resolving it as sent or not sent.
    Column("why", Text),
    # As for plans: who started the run that sent it.
    Column("asked_by", Text),
    Column("asked_how", String(16)),
    Column("run_by", Text),
    Index("action_requests_by_action", "tenant", "kind", "action_id", "created_at"),
    Index("action_requests_by_plan", "tenant", "plan_id"),
)

action_targets = Table(
    "action_targets",
    metadata,
    Column("intent_id", String(36), primary_key=True),
    Column("target", BYTEWISE, primary_key=True),
    # For a campaign: the device that it is about, if any.
    Column("device", Text),
    Column("person", Text),
    # In campaigns each user has a request of their own, in workflows each target an execution.
    Column("request_id", String(255)),
    Column("execution_id", String(255)),
    # Why the tenant left this target out of a request that it accepted.
    Column("code", String(64)),
    # What was last read back, in the tenant's words.
    Column("status", String(64)),
    Column("details", Text),
    Column("answers", Text),
    Column("status_at", UTCDateTime),
    sqlite_with_rowid=False,
)
