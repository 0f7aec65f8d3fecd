"""The Nexthink API.

Only what is cheap to import is exported here: the catalogue, which every command reads, needs
nothing else. The client is in `client`, requests that act in `acting`, reading results in
`results`, enrichment in `encoding` and `column_checks`.
"""

from connectors.nexthink.acting.limits import MOST_TARGETS, NQL_ID, SID, UUID
from connectors.nexthink.models import (
    QUERY_ID,
    Compression,
    Download,
    EnrichmentAnswer,
    ExportState,
    ExportStatus,
    ObjectError,
    QueryResult,
    StartedExport,
    Taken,
    Transferred,
)

__all__ = [
    "MOST_TARGETS",
    "NQL_ID",
    "QUERY_ID",
    "SID",
    "UUID",
    "Compression",
    "Download",
    "EnrichmentAnswer",
    "ExportState",
    "ExportStatus",
    "ObjectError",
    "QueryResult",
    "StartedExport",
    "Taken",
    "Transferred",
]
