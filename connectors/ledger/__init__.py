"""The ledger: what was exported and landed, by whom, and who is at it. The truth about data."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connectors.ledger.action_plans import ActionPlanRecord, ActionPlanState, Verdict
from connectors.ledger.engine import HEAD, ledger_version
from connectors.ledger.journal import Export
from connectors.ledger.leases import Lease, process_space
from connectors.ledger.ledger import Ledger, UnitRecord, open_ledger
from connectors.ledger.limits import ExportLimits, Slot
from connectors.ledger.marks import Backfill, Extent, Watermark
from connectors.ledger.plans import PlanRecord, PlanState
from connectors.ledger.syncs import SyncRecord
from connectors.ledger.tables import DROPPED

if TYPE_CHECKING:
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

__all__ = [
    "DROPPED",
    "HEAD",
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
    "ExportLimits",
    "Extent",
    "Lease",
    "Ledger",
    "PlanRecord",
    "PlanState",
    "RequestState",
    "Slot",
    "SyncRecord",
    "UnitRecord",
    "ValueState",
    "Verdict",
    "Watermark",
    "lease_name",
    "ledger_version",
    "open_ledger",
    "process_space",
]

# Imported on first use, since they load Polars (0.2 s), which the ledger of runs, units and plans
# does not need.
_MODULES = {
    "SEEN": "action_requests",
    "TARGETS": "action_requests",
    "UNSETTLED": "action_requests",
    "ActionRequest": "action_requests",
    "Batch": "action_requests",
    "RequestState": "action_requests",
    "lease_name": "actions",
    "KNOWN": "enriched",
    "EnrichedCounts": "enriched",
    "ValueState": "enriched",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
