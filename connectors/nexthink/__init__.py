"""The Nexthink API. Other packages import from here, not from the modules below.

Except for what an enrichment is made of: `fields`, and `encoding` and `column_checks`, which load
Polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    Taken,
    Transferred,
)

if TYPE_CHECKING:
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
    from connectors.nexthink.acting.remote_actions import choose_remote_actions
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
    from connectors.nexthink.client import NexthinkClient, Tenant
    from connectors.nexthink.results.csv_stream import (
        CsvStream,
        StartedOverError,
        StreamClosedError,
    )

# Imported on first use: together they take 0.2 s, with httpx and NumPy, and the catalogue, which
# every command reads, needs only what is imported above.
_LATER = {
    "acting.models": (
        "ActionInput",
        "CampaignAnswer",
        "Dependency",
        "RemoteAction",
        "RemoteActionAnswer",
        "TriggerMethod",
        "Workflow",
        "WorkflowAnswer",
    ),
    "acting.remote_actions": ("choose_remote_actions",),
    "acting.requests": (
        "CampaignRequest",
        "DeviceIds",
        "EventRequest",
        "RemoteActionRequest",
        "UserIds",
        "WorkflowIdsRequest",
        "WorkflowRequest",
        "intent_reason",
        "nql_id",
    ),
    "client": ("NexthinkClient", "Tenant"),
    "results.csv_stream": ("CsvStream", "StartedOverError", "StreamClosedError"),
}

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


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
