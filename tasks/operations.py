"""Every operation of the Nexthink client as a Prefect task, for flows of your own.

The stages of our own flows call the same methods, on a client that shares the tenant's limits with
all processes: tasks/exports/export.py starts and awaits exports, and journals their ids.

A task opens a client by the settings: pass it the name of a tenant's profile, or nothing if the
NEXTHINK_* variables name the tenant. Prefect neither retries, caches nor keeps anything: the client
knows what may be sent again, and values and answers may be people's data. Operations that act are
journalled as the raw commands are (docs/acting.md). A flow that starts over sends them again, so
use `nxp act` to act on many targets.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import polars as pl
from prefect import Task

from connectors.actions import ActionKind
from connectors.nexthink import (
    Compression,
    Download,
    EnrichmentAnswer,
    ExportStatus,
    QueryResult,
    StartedExport,
)
from connectors.nexthink.acting.answers import (
    Accepted,
    CampaignAnswer,
    DeletionAnswer,
    RemoteActionAnswer,
    WorkflowAnswer,
)
from connectors.nexthink.acting.devices import DeviceDeletionRequest
from connectors.nexthink.acting.models import Dependency, RemoteAction, TriggerMethod, Workflow
from connectors.nexthink.acting.requests import (
    CampaignRequest,
    EventRequest,
    RemoteActionRequest,
    WorkflowIdsRequest,
    WorkflowRequest,
)
from connectors.nexthink.acting.spark import HandoffRequest
from connectors.nexthink.executed import EXECUTE_ROW_LIMIT
from tasks.act.raw import opened, send_raw
from tasks.act.raw_requests import Request
from tasks.act.shown import read_shown
from tasks.runs.counted import client_of
from tasks.runs.recorded import as_task

P = ParamSpec("P")
R = TypeVar("R")


def _operation(function: Callable[P, R]) -> Task[P, R]:
    """Return a function as a task, named after it."""
    name = function.__name__.replace("_", " ")
    return as_task(function, name, name)


def _act(request: Request, tenant: str | None, kind: type[R]) -> R:
    with opened(tenant) as (client, ledger):
        report = send_raw(client, ledger, [request])
    if report.error:
        raise report.error
    answer = report.sent[0].answer
    if not isinstance(answer, kind):
        raise TypeError("an accepted request has an answer of its kind")
    return answer


# NQL


@_operation
def nql_execute(
    query_id: str,
    parameters: Mapping[str, str] | None = None,
    version: int = 2,
    utc_times: bool = True,
    row_limit: int | None = EXECUTE_ROW_LIMIT,
    tenant: str | None = None,
) -> QueryResult:
    """Run a saved query and return its rows, up to 1,000."""
    with client_of(tenant) as client:
        return client.nql.execute(
            query_id, parameters, version=version, utc_times=utc_times, row_limit=row_limit
        )


@_operation
def nql_execute_csv(
    query_id: str,
    parameters: Mapping[str, str] | None = None,
    version: int = 2,
    utc_times: bool = True,
    row_limit: int | None = EXECUTE_ROW_LIMIT,
    tenant: str | None = None,
) -> str:
    """Run a saved query and return its rows as CSV, up to 1,000."""
    with client_of(tenant) as client:
        return client.nql.execute_csv(
            query_id, parameters, version=version, utc_times=utc_times, row_limit=row_limit
        )


@_operation
def nql_start_export(
    query_id: str,
    parameters: Mapping[str, str] | None = None,
    compression: Compression = Compression.ZSTD,
    tenant: str | None = None,
) -> StartedExport:
    """Start the export of a saved query's whole result; return the export's id, with its state."""
    with client_of(tenant) as client:
        return client.nql.start_export(query_id, parameters, compression)


@_operation
def nql_export_status(export_id: str, tenant: str | None = None) -> ExportStatus:
    """Return how far an export is."""
    with client_of(tenant) as client:
        return client.nql.export_status(export_id)


@_operation
def nql_download(
    export_id: str,
    destination: Path,
    compression: Compression | None = None,
    tenant: str | None = None,
) -> Download:
    """Write the result of a completed export to a file, decompressed, whole or not at all."""
    with client_of(tenant) as client:
        return client.nql.download(export_id, destination, compression)


# Enrichment


@_operation
def enrichment_push(body: bytes, tenant: str | None = None) -> EnrichmentAnswer:
    """Send one enrichment request, and return the tenant's result for each object."""
    with client_of(tenant) as client:
        return client.enrichment.push(body)


# Remote actions


@_operation
def remote_actions_list(tenant: str | None = None) -> Sequence[RemoteAction]:
    """List all remote actions; `choose_remote_actions` filters."""
    with client_of(tenant) as client:
        return client.remote_actions.list()


@_operation
def remote_actions_details(action_id: str, tenant: str | None = None) -> RemoteAction:
    """Describe one remote action."""
    with client_of(tenant) as client:
        return client.remote_actions.details(action_id)


@_operation
def remote_actions_execute(
    request: RemoteActionRequest, tenant: str | None = None
) -> RemoteActionAnswer:
    """Trigger a remote action on devices, at most once, journalled."""
    return _act(request, tenant, RemoteActionAnswer)


@_operation
def remote_actions_executions(
    action_id: str | None = None,
    since: datetime | None = None,
    query_id: str | None = None,
    parameters: Mapping[str, str] | None = None,
    tenant: str | None = None,
) -> pl.DataFrame:
    """Read the executions of a remote action since a moment, a week ago by default."""
    return read_shown(
        ActionKind.REMOTE_ACTION, action_id, since, tenant, query_id=query_id, parameters=parameters
    )


# Workflows


@_operation
def workflows_list(
    dependency: Dependency | None = None,
    trigger_method: TriggerMethod | None = None,
    only_active: bool = False,
    source: str | None = None,
    tenant: str | None = None,
) -> Sequence[Workflow]:
    """List workflows, by any of the filters."""
    with client_of(tenant) as client:
        return client.workflows.list(
            dependency, trigger_method, only_active=only_active, source=source
        )


@_operation
def workflows_details(
    workflow_id: str, source: str | None = None, tenant: str | None = None
) -> Workflow:
    """Describe one workflow, by NQL id or UUID."""
    with client_of(tenant) as client:
        return client.workflows.details(workflow_id, source=source)


@_operation
def workflows_trigger(request: WorkflowRequest, tenant: str | None = None) -> WorkflowAnswer:
    """Trigger a workflow for collector ids and SIDs, at most once, journalled."""
    return _act(request, tenant, WorkflowAnswer)


@_operation
def workflows_trigger_by_ids(
    request: WorkflowIdsRequest, tenant: str | None = None
) -> WorkflowAnswer:
    """Trigger a workflow for objects by any of their names, at most once, journalled."""
    return _act(request, tenant, WorkflowAnswer)


@_operation
def workflows_resume(
    workflow_uuid: str,
    execution_uuid: str,
    parameters: Mapping[str, str] | None = None,
    source: str | None = None,
    tenant: str | None = None,
) -> tuple[str, ...]:
    """Resume an execution that waits for an event, at most once, journalled."""
    request = EventRequest(workflow_uuid, execution_uuid, parameters or {}, source)
    return _act(request, tenant, tuple)


@_operation
def workflows_executions(
    workflow_id: str | None = None,
    since: datetime | None = None,
    query_id: str | None = None,
    parameters: Mapping[str, str] | None = None,
    tenant: str | None = None,
) -> pl.DataFrame:
    """Read the executions of a workflow since a moment, a week ago by default."""
    return read_shown(
        ActionKind.WORKFLOW, workflow_id, since, tenant, query_id=query_id, parameters=parameters
    )


# Campaigns


@_operation
def campaigns_trigger(
    request: CampaignRequest, tenant: str | None = None
) -> tuple[CampaignAnswer, ...]:
    """Send a campaign to users, at most once, journalled; return the result for each."""
    return _act(request, tenant, tuple)


@_operation
def campaigns_responses(
    campaign_id: str | None = None,
    since: datetime | None = None,
    query_id: str | None = None,
    parameters: Mapping[str, str] | None = None,
    tenant: str | None = None,
) -> pl.DataFrame:
    """Read the responses to a campaign since a moment, a week ago by default."""
    return read_shown(
        ActionKind.CAMPAIGN, campaign_id, since, tenant, query_id=query_id, parameters=parameters
    )


# Devices


@_operation
def devices_delete(request: DeviceDeletionRequest, tenant: str | None = None) -> DeletionAnswer:
    """Ask for devices to be deleted, at most once, journalled; return the result for each.

    There is no plan, and nothing is read back before: `nxp devices delete` has both.
    """
    return _act(request, tenant, DeletionAnswer)


# Spark


@_operation
def spark_handoff(request: HandoffRequest, tenant: str | None = None) -> Accepted:
    """Hand a user's message off to Spark, at most once, journalled."""
    return _act(request, tenant, Accepted)


# These read back by a saved query, because the API has no operation for it.
READ_BACKS: Final = (remote_actions_executions, workflows_executions, campaigns_responses)
