"""The Nexthink API. Other packages import from here, not from the modules below.

The parts of an enrichment are the exception: `fields`, and `encoding` and `column_checks`, which
load Polars.
"""

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
from connectors.nexthink.models import (
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
from connectors.nexthink.nql import QUERY_ID
from connectors.nexthink.results.destination import CsvStream, StartedOverError, StreamClosedError

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
