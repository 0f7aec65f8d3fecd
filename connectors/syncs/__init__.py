"""Syncs: what of which sources is sent to which fields of Nexthink, from deployments/syncs.

Only reads and validates; rows are pulled, compared and sent in tasks/sync.
"""

from connectors.syncs.loading import load_sync, load_syncs
from connectors.syncs.specification import (
    EmptyText,
    FieldMapping,
    Guards,
    Identification,
    InventorySpecification,
    Normalisation,
    PushSpecification,
    SyncMode,
    SyncSpecification,
    VerifySpecification,
)

__all__ = [
    "EmptyText",
    "FieldMapping",
    "Guards",
    "Identification",
    "InventorySpecification",
    "Normalisation",
    "PushSpecification",
    "SyncMode",
    "SyncSpecification",
    "VerifySpecification",
    "load_sync",
    "load_syncs",
]
