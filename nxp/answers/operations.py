"""The operations whose answers are described: command, client method, task, requests, answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.nexthink.acting.models import RemoteAction
from nxp.answers import (
    acted,
    acting,
    card,
    devices,
    enrichment,
    house,
    library,
    nql,
    questions,
    runs,
    shown,
)
from nxp.answers.settings import SettingShown
from nxp.described import DatasetDescribed
from tasks.act.report import ActionReport
from tasks.stories.site import SiteMade
from tasks.upkeep.rewrite import Rewritten


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        command: the words after `nxp`.
        answer: the type that the command prints with `--json`.
        client: the method of `NexthinkClient` behind it.
        task: the function of `tasks.operations` behind it.
        requests: the requests of the vendor's API.
    """

    command: str
    answer: Any
    client: str = ""
    task: str = ""
    requests: tuple[str, ...] = ()


_EXPORT: Final = "POST /api/v1/nql/export"
_ALL: Final = (
    Operation(
        "nql execute",
        nql.ExecutedQuery,
        "nql.execute",
        "nql_execute",
        ("POST /api/v2/nql/execute", "POST /api/v1/nql/execute"),
    ),
    Operation(
        "nql export",
        nql.StartedExport,
        "nql.start_export",
        "nql_start_export",
        ("POST /api/v1/nql/export",),
    ),
    Operation(
        "nql status",
        nql.ExportProgress,
        "nql.export_status",
        "nql_export_status",
        ("GET /api/v1/nql/status/{exportId}",),
    ),
    Operation(
        "nql download",
        nql.DownloadedResult,
        "nql.download",
        "nql_download",
        ("GET resultsFileUrl",),
    ),
    Operation(
        "remote-actions list",
        list[RemoteAction],
        "remote_actions.list",
        "remote_actions_list",
        ("GET /api/v1/act/remote-action",),
    ),
    Operation(
        "remote-actions show",
        acting.RemoteActionShown,
        "remote_actions.details",
        "remote_actions_details",
        ("GET /api/v1/act/remote-action/details",),
    ),
    Operation(
        "remote-actions execute",
        acted.ActedRemoteAction,
        "remote_actions.execute",
        "remote_actions_execute",
        ("POST /api/v1/act/execute",),
    ),
    Operation(
        "remote-actions executions",
        shown.REMOTE_ACTION_EXECUTIONS,
        task="remote_actions_executions",
        requests=(f"{_EXPORT} of #remote_action_executions",),
    ),
    Operation(
        "workflows list",
        list[acting.WorkflowShown],
        "workflows.list",
        "workflows_list",
        ("GET /api/v1/workflows",),
    ),
    Operation(
        "workflows show",
        acting.WorkflowShown,
        "workflows.details",
        "workflows_details",
        ("GET /api/v1/workflows/details",),
    ),
    Operation(
        "workflows trigger",
        acted.ActedWorkflow,
        "workflows.trigger",
        "workflows_trigger",
        ("POST /api/v1/workflows/execute", "POST /api/v2/workflows/execute"),
    ),
    Operation(
        "workflows resume",
        acted.ActedEvent,
        "workflows.resume",
        "workflows_resume",
        ("POST /api/v1/workflows/workflows/{workflowUuid}/execution/{executionUuid}/trigger",),
    ),
    Operation(
        "workflows executions",
        shown.WORKFLOW_EXECUTIONS,
        task="workflows_executions",
        requests=(f"{_EXPORT} of #workflow_executions",),
    ),
    Operation(
        "campaigns trigger",
        acted.ActedCampaign,
        "campaigns.trigger",
        "campaigns_trigger",
        ("POST /api/v1/euf/campaign/trigger",),
    ),
    Operation(
        "campaigns responses",
        shown.CAMPAIGN_RESPONSES,
        task="campaigns_responses",
        requests=(f"{_EXPORT} of #campaign_responses",),
    ),
    Operation("devices plan", devices.DeletionShown),
    Operation(
        "devices delete",
        devices.DeletionShown,
        "devices.delete",
        "devices_delete",
        ("POST /api/v1/data-management/device/deletions", f"{_EXPORT} of #device_deletion"),
    ),
    Operation("devices status", devices.DeletionShown),
    Operation(
        "spark handoff",
        acted.ActedHandoff,
        "spark.handoff",
        "spark_handoff",
        ("POST /api/v1/spark/handoff",),
    ),
    Operation(
        "enrich",
        enrichment.EnrichmentOutcome,
        "enrichment.push",
        "enrichment_push",
        ("POST /api/v1/enrichment/data/fields",),
    ),
    Operation(
        "export",
        runs.ExportReport
        | runs.SeveralReports
        | list[runs.PlannedUnit]
        | dict[str, list[runs.PlannedUnit]],
    ),
    Operation("backfill", runs.ExportReport | runs.PlannedBackfill | runs.SharedBackfill),
    Operation(
        "datasets",
        list[runs.DatasetShown]
        | list[runs.UnitShown]
        | DatasetDescribed
        | runs.SavedQuery
        | list[runs.SavedQuery],
    ),
    Operation("add", list[library.LibraryPart] | library.AddedParts),
    Operation("runs", list[runs.RunShown]),
    Operation("state show", runs.StateShown),
    Operation("state reset", runs.StateShown),
    Operation("check", runs.CheckShown),
    Operation("settings", list[SettingShown]),
    Operation("nql queries", dict[str, str] | list[nql.QueryToPaste]),
    Operation("plan", runs.SyncShown | card.ReviewedPlan | card.FullyReviewedPlan),
    Operation("apply", runs.SyncShown),
    Operation("sync", runs.SyncShown),
    Operation("undo", runs.SyncShown),
    Operation("retry", runs.SyncShown),
    Operation("act plan", ActionReport),
    Operation("act show", card.PlanOnCard | card.FullPlanOnCard),
    Operation("act run", ActionReport),
    Operation("act self-help", list[ActionReport]),
    Operation(
        "act status",
        list[runs.ActionPlanShown] | list[runs.PlannedTarget] | list[runs.JournalledRequest],
    ),
    Operation("state accept", house.StateAccepted),
    Operation("state audit", list[house.DoubtfulUnit]),
    Operation("rejects", list[house.RejectedRow] | list[house.RawRejectedRow]),
    Operation("replay", house.ReplayShown),
    Operation("maintain", house.Maintained | house.ToMaintain | list[house.LayoutMigrated]),
    Operation("lake rewrite", Rewritten),
    Operation("lake duckdb", house.DatabaseWritten),
    Operation("sql", list[house.Row]),
    Operation("ask", list[questions.QuestionShown] | questions.QuestionAnswered),
    Operation("site", SiteMade),
    Operation("schema learn", house.Learned | house.Unlearned),
    Operation("schema print", house.Schemas),
    Operation("schema answers", house.Schemas),
    Operation("nql lint", list[house.LintFinding]),
    Operation("nql diff", list[house.QueryCompared]),
    Operation("deploy", list[house.Change]),
    Operation("doctor", list[house.FindingShown]),
    Operation("sandbox", house.SandboxReady),
    Operation("server start", house.ServerRecord | house.ProtectedServer),
    Operation(
        "server status",
        house.ServerState | house.KnownServerState | house.ProtectedServerState,
    ),
    Operation("stack status", list[house.PartSeen]),
)
OPERATIONS: Final[Mapping[str, Operation]] = {each.command: each for each in _ALL}
