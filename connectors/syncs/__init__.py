"""Syncs: what of which sources is sent to which fields of Nexthink, from deployments/syncs.

Only reads and validates; rows are pulled, compared and sent in tasks/sync.
"""

from connectors.syncs.specification import (
    FieldMapping,
    Guards,
    Identification,
    InventorySpecification,
    PushSpecification,
    SyncMode,
    SyncSpecification,
    VerifySpecification,
)

__all__ = [
    "FieldMapping",
    "Guards",
    "Identification",
    "InventorySpecification",
    "PushSpecification",
    "SyncMode",
    "SyncSpecification",
    "VerifySpecification",
]
