"""The Nexthink API. Other packages import from here, never from the modules below."""

from connectors.nexthink.client import NexthinkClient, Tenant
from connectors.nexthink.models import (
    Compression,
    Download,
    ExportState,
    ExportStatus,
    QueryResult,
)

__all__ = [
    "Compression",
    "Download",
    "ExportState",
    "ExportStatus",
    "NexthinkClient",
    "QueryResult",
    "Tenant",
]
