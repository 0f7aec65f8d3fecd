"""The Nexthink API. Other packages import from here, not from the modules below.

Except for what an enrichment is made of: `fields`, and `encoding` and `column_checks`, which load
Polars.
"""

from connectors.nexthink.client import NexthinkClient, Tenant
from connectors.nexthink.models import (
    Compression,
    Download,
    EnrichmentAnswer,
    ExportState,
    ExportStatus,
    ObjectError,
    QueryResult,
    Taken,
)
from connectors.nexthink.nql import QUERY_ID

__all__ = [
    "QUERY_ID",
    "Compression",
    "Download",
    "EnrichmentAnswer",
    "ExportState",
    "ExportStatus",
    "NexthinkClient",
    "ObjectError",
    "QueryResult",
    "Taken",
    "Tenant",
]
