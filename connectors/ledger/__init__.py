"""The ledger: what was exported and landed, by whom, and who is at it. The truth about data."""

from connectors.ledger.action_plans import ActionPlanRecord, ActionPlanState, Verdict
from connectors.ledger.action_requests import (
    SEEN,
    TARGETS,
    UNSETTLED,
    ActionRequest,
    Batch,
    RequestState,
)
from connectors.ledger.actions import lease_name
from connectors.ledger.enriched import KNOWN, EnrichedCounts, ValueState
from connectors.ledger.journal import Export
from connectors.ledger.leases import Lease
from connectors.ledger.ledger import Ledger, UnitRecord, open_ledger
from connectors.ledger.marks import Backfill, Extent, Watermark
from connectors.ledger.plans import PlanRecord, PlanState
from connectors.ledger.syncs import SyncRecord
from connectors.ledger.tables import DROPPED

__all__ = [
    "DROPPED",
    "KNOWN",
    "SEEN",
    "TARGETS",
    "UNSETTLED",
    "ActionPlanRecord",
    "ActionPlanState",
    "ActionRequest",
    "Backfill",
    "Batch",
    "EnrichedCounts",
    "Export",
    "Extent",
    "Lease",
    "Ledger",
    "PlanRecord",
    "PlanState",
    "RequestState",
    "SyncRecord",
    "UnitRecord",
    "ValueState",
    "Verdict",
    "Watermark",
    "lease_name",
    "open_ledger",
]
