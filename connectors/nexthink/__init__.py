"""The Nexthink API. Other packages import from here, not from the modules below.

Except for what an enrichment is made of: `fields`, and `encoding` and `column_checks`, which load
Polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connectors.nexthink.acting.limits import MOST_TARGETS, NQL_ID, SID, UUID
from connectors.nexthink.acting.models import (
    ActionInput,
    CampaignAnswer,
    Dependency,
    RemoteAction,
    RemoteActionAnswer,
    TriggerMethod,
    Workflow,
    WorkflowAnswer,
)
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    DeviceIds,
    EventRequest,
    RemoteActionRequest,
    UserIds,
    WorkflowIdsRequest,
    WorkflowRequest,
    intent_reason,
    nql_id,
)
from connectors.nexthink.models import (
    QUERY_ID,
    Compression,
    Download,
    EnrichmentAnswer,
    ExportState,
    ExportStatus,
    ObjectError,
    QueryResult,
    Taken,
    Transferred,
)

if TYPE_CHECKING:
    from connectors.nexthink.acting.remote_actions import choose_remote_actions
    from connectors.nexthink.client import NexthinkClient, Tenant
    from connectors.nexthink.results.csv_stream import (
        CsvStream,
        StartedOverError,
        StreamClosedError,
    )

__all__ = [
    "MOST_TARGETS",
    "NQL_ID",
    "QUERY_ID",
    "SID",
    "UUID",
    "ActionInput",
    "CampaignAnswer",
    "CampaignRequest",
    "Compression",
    "CsvStream",
    "Dependency",
    "DeviceIds",
    "Download",
    "EnrichmentAnswer",
    "EventRequest",
    "ExportState",
    "ExportStatus",
    "NexthinkClient",
    "ObjectError",
    "QueryResult",
    "RemoteAction",
    "RemoteActionAnswer",
    "RemoteActionRequest",
    "StartedOverError",
    "StreamClosedError",
    "Taken",
    "Tenant",
    "Transferred",
    "TriggerMethod",
    "UserIds",
    "Workflow",
    "WorkflowAnswer",
    "WorkflowIdsRequest",
    "WorkflowRequest",
    "choose_remote_actions",
    "intent_reason",
    "nql_id",
]

# Imported on first use, since they load httpx and NumPy (0.2 s): the catalogue needs only the
# models.
_MODULES = {
    "choose_remote_actions": "acting.remote_actions",
    "NexthinkClient": "client",
    "Tenant": "client",
    "CsvStream": "results.csv_stream",
    "StartedOverError": "results.csv_stream",
    "StreamClosedError": "results.csv_stream",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
