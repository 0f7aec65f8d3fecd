"""The ledger: what was exported, landed and sent, by which run, and what runs hold right now."""

from connectors.ledger.action_plans import ActionPlanRecord, ActionPlanState, Verdict
from connectors.ledger.counters import Asker, CallKind
from connectors.ledger.engine import HEAD, ledger_version
from connectors.ledger.journal import JournalledExport
from connectors.ledger.leases import Lease, process_space
from connectors.ledger.ledger import Ledger, open_ledger
from connectors.ledger.limits import ExportLimits, ExportSlot
from connectors.ledger.marks import Backfill, Extent, Watermark
from connectors.ledger.plans import PlanRecord, PlanState
from connectors.ledger.syncs import SyncRecord
from connectors.ledger.tables import DROPPED, EXPIRED
from connectors.ledger.units import Doubt, UnitRecord

__all__ = [
    "DROPPED",
    "EXPIRED",
    "HEAD",
    "ActionPlanRecord",
    "ActionPlanState",
    "Asker",
    "Backfill",
    "CallKind",
    "Doubt",
    "ExportLimits",
    "ExportSlot",
    "Extent",
    "JournalledExport",
    "Lease",
    "Ledger",
    "PlanRecord",
    "PlanState",
    "SyncRecord",
    "UnitRecord",
    "Verdict",
    "Watermark",
    "ledger_version",
    "open_ledger",
    "process_space",
]
