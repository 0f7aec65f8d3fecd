"""The ledger: what was exported and landed, by whom, and who is at it. The truth about data."""

from connectors.ledger.leases import Lease
from connectors.ledger.ledger import Export, Ledger, UnitRecord, open_ledger

__all__ = ["Export", "Lease", "Ledger", "UnitRecord", "open_ledger"]
