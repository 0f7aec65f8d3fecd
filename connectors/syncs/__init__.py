"""Syncs: which columns of which sources go to which fields of Nexthink, from deployments/syncs.

Only reads and validates; tasks/sync pulls, compares and sends the rows.
"""

from connectors.syncs.identity import KEYS_IGNORE, Identification, InventorySpecification, Sameness
from connectors.syncs.loading import load_sync, load_syncs, read_syncs
from connectors.syncs.mapping import EmptyText, FieldMapping, Normalisation
from connectors.syncs.specification import (
    Guards,
    OnConflict,
    PushSpecification,
    SyncMode,
    SyncSpecification,
    VerifySpecification,
)
from connectors.syncs.unread import read_back_query, unreadable

__all__ = [
    "KEYS_IGNORE",
    "EmptyText",
    "FieldMapping",
    "Guards",
    "Identification",
    "InventorySpecification",
    "Normalisation",
    "OnConflict",
    "PushSpecification",
    "Sameness",
    "SyncMode",
    "SyncSpecification",
    "VerifySpecification",
    "load_sync",
    "load_syncs",
    "read_back_query",
    "read_syncs",
    "unreadable",
]
