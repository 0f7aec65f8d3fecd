"""The Nexthink API. Other packages import from here, never from the modules below."""

from connectors.nexthink.client import NexthinkClient, Tenant
from connectors.nexthink.models import (
    Compression,
    Download,
    ExportState,
    ExportStatus,
    QueryResult,
)
from connectors.nexthink.nql import QUERY_ID

__all__ = [
    "QUERY_ID",
    "Compression",
    "Download",
    "ExportState",
    "ExportStatus",
    "NexthinkClient",
    "QueryResult",
    "Tenant",
]
