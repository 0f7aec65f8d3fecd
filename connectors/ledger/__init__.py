"""The ledger: what was exported and landed, by whom, and who is at it. The truth about data."""

from connectors.ledger.journal import Export
from connectors.ledger.leases import Lease
from connectors.ledger.ledger import DROPPED, Ledger, UnitRecord, open_ledger
from connectors.ledger.marks import Backfill, Watermark

__all__ = [
    "DROPPED",
    "Backfill",
    "Export",
    "Lease",
    "Ledger",
    "UnitRecord",
    "Watermark",
    "open_ledger",
]
