"""The report of deletions: what became of each device of a plan."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from connectors.counting import number_of
from connectors.errors import (
    DataRefusedError,
    NotApprovedError,
    PartlyDoneError,
    PipelineError,
    UnknownOutcomeError,
)
from connectors.lake.records import write_action_changes
from connectors.ledger import ActionPlanRecord, Ledger
from connectors.ledger.action_requests import ActionRequest, RequestState
from tasks.act.deletion.answers import REFUSALS, SCHEDULED
from tasks.act.deletion.lookup import DELETED
from tasks.act.deletion.plan import DeletionPlan
from tasks.act.deletion.run import ACTION, DeletionRun
from tasks.runs import metrics

PLANNED, LEFT_OUT, NOT_SENT, REFUSED = "planned", "left_out", "not_sent", "refused"
IN_DOUBT, REQUESTED = "in_doubt", "requested"
# In this order they are counted and shown.
OUTCOMES: Final = (
    PLANNED,
    DELETED,
    SCHEDULED,
    REQUESTED,
    LEFT_OUT,
    REFUSED,
    IN_DOUBT,
    NOT_SENT,
)
_TAKEN: Final = frozenset({DELETED, SCHEDULED, REQUESTED})
_DOUBTFUL: Final = frozenset({"sending", "unknown", "not_seen"})


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """What became of one device: `outcome` is one of OUTCOMES, `reason` says why where it is known.

    `position` is its place in the file, from 0.
    """

    position: int
    device: str | None
    name: str | None
    last_seen: datetime | None
    outcome: str
    reason: str | None
    intent_id: str | None


@dataclass(frozen=True, slots=True)
class DeletionReport:
    """A plan of deletions and how far it is.

    `named` devices were in the file, `excluded` counts those that the plan leaves out by reason,
    `targets` are the rest, and `outcomes` counts these. `state` is planned, sent (not all are gone
    yet), done, partly or failed.
    """

    tenant: str
    plan_id: str
    sha256: str
    plan_state: str
    state: str
    created_at: datetime
    named: int
    targets: int
    requests: int
    inventory: int
    excluded: dict[str, int]
    outcomes: dict[str, int]
    approved_by: str | None
    approved_why: str | None
    ticket: str | None
    asked_by: str | None
    asked_how: str | None
    error: str | None
    devices: tuple[DeviceOutcome, ...] = field(repr=False)

    def plain(self) -> dict[str, Any]:
        """Return the report as a dictionary; date-times stay objects."""
        return asdict(self)


def report_of(
    ledger: Ledger, plan: DeletionPlan, tenant: str, error: PipelineError | None = None
) -> DeletionReport:
    """Return what the journal has about a plan, device by device."""
    record = ledger.action_plans.get(plan.record.plan_id) or plan.record
    requests = {
        each.intent_id: each for each in ledger.actions.requests(plan_id=plan.record.plan_id)
    }
    rows = ledger.actions.targets(plan_id=plan.record.plan_id)
    known = {row["target"]: row for row in rows.to_dicts()}
    devices = tuple(_device(row, known, requests) for row in plan.rows.to_dicts())
    counted = Counter(each.outcome for each in devices if each.intent_id)
    outcomes = {name: counted[name] for name in OUTCOMES if counted[name]}
    return DeletionReport(
        tenant=tenant,
        plan_id=record.plan_id,
        sha256=record.sha256,
        plan_state=record.state,
        state=_state(outcomes, error),
        created_at=record.created_at,
        named=int(record.summary["candidates"]),
        targets=int(record.summary["targets"]),
        requests=int(record.summary["requests"]),
        inventory=int(record.summary["inventory"]),
        excluded=dict(record.summary["excluded"]),
        outcomes=outcomes,
        approved_by=record.approved_by,
        approved_why=record.approved_why,
        ticket=record.ticket,
        asked_by=record.asked_by,
        asked_how=record.asked_how,
        error=str(error) if error else None,
        devices=devices,
    )


def shortfall(report: DeletionReport) -> PipelineError | None:
    """Return what went wrong with a plan that has begun, so that it never shows as successful."""
    counts = report.outcomes
    taken = sum(counts.get(name, 0) for name in _TAKEN)
    if taken == report.targets:
        return None
    listed = ", ".join(
        f"{counts[name]:,} {name.replace('_', ' ')}"
        for name in (LEFT_OUT, REFUSED, IN_DOUBT, NOT_SENT)
        if counts.get(name)
    )
    said = (
        f"{taken:,} of {report.targets:,} devices were accepted for deletion; {listed}: see "
        f"nxp devices status --plan {report.plan_id}"
    )
    if taken:
        return PartlyDoneError(said)
    return UnknownOutcomeError(said) if counts.get(IN_DOUBT) else DataRefusedError(said)


def keep_report(run: DeletionRun, report: DeletionReport) -> None:
    """Keep a run's report in the lake (`_runs`, `_changes`) and, last, in the ledger."""
    counts = report.outcomes
    requested = sum(counts.get(name, 0) for name in _TAKEN)
    refused = counts.get(REFUSED, 0)
    in_doubt, not_sent = counts.get(IN_DOUBT, 0), counts.get(NOT_SENT, 0)
    kept = {
        "run_id": run.run_id,
        "tenant": report.tenant,
        "dataset": ACTION,
        "trigger": run.trigger,
        "state": report.state,
        "started_at": run.started_at,
        "finished_at": run.now,
        "plan_id": report.plan_id,
        "sha256": report.sha256,
        "candidates": report.named,
        "targets": report.targets,
        "requests": report.requests,
        "requested": requested,
        "refused": refused,
        "in_doubt": in_doubt,
        "not_sent": not_sent,
        "left_out": counts.get(LEFT_OUT, 0),
        "units": report.targets,
        "rows_landed": requested,
        "rows_rejected": report.targets - requested if counts.get(PLANNED, 0) == 0 else 0,
        "approved_by": report.approved_by,
        "ticket": report.ticket,
        "asked_by": report.asked_by,
        "asked_how": report.asked_how,
        "error": report.error,
        "seconds": {},
    }

    def keep_changes() -> None:
        rows = run.ledger.actions.targets(plan_id=report.plan_id)
        if rows.height:
            write_action_changes(run.lake, ACTION, run.run_id, run.now, rows.to_arrow())

    run.parts.keep_report(report.state, kept, also=keep_changes)
    counted = {"requested": requested, "refused": refused}
    metrics.targets_ended(counted | {"in_doubt": in_doubt, "not_sent": not_sent}, {})


def described(record: ActionPlanRecord) -> str:
    """Return a plan in a line, for the person who approves it."""
    summary = record.summary
    return (
        f"plan {record.plan_id} deletes {summary['targets']:,} of {summary['inventory']:,} devices "
        f"in {number_of(summary['requests'], 'request')}"
    )


def _device(
    row: Mapping[str, Any],
    known: Mapping[str, Mapping[str, Any]],
    requests: Mapping[str, ActionRequest],
) -> DeviceOutcome:
    outcome, reason = LEFT_OUT, row["reason"]
    if row["intent_id"] is not None:
        outcome, reason = PLANNED, None
        if request := requests.get(row["intent_id"]):
            outcome, reason = _outcome(request, known[row["target"]])
    return DeviceOutcome(
        position=row["position"],
        device=row["target"],
        name=row["name"],
        last_seen=row["last_seen"],
        outcome=outcome,
        reason=reason,
        intent_id=row["intent_id"],
    )


def _outcome(request: ActionRequest, target: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the outcome of a device that is in a journalled request, and why."""
    code, status = target["code"], target["status"]
    if code is not None:
        return (REFUSED if code in REFUSALS else LEFT_OUT), code
    if status == DELETED:
        return DELETED, None
    if request.state in _DOUBTFUL:
        return IN_DOUBT, request.state
    if request.state == RequestState.REFUSED.value:
        return REFUSED, request.code
    if request.state != RequestState.REQUESTED.value:
        return NOT_SENT, request.why
    return (SCHEDULED, None) if status == SCHEDULED else (REQUESTED, status)


def _state(outcomes: Mapping[str, int], error: PipelineError | None) -> str:
    taken = any(outcomes.get(name) for name in _TAKEN)
    if error and not isinstance(error, NotApprovedError):
        return "partly" if taken else "failed"
    if outcomes.get(PLANNED) or not outcomes:
        return PLANNED
    return "done" if set(outcomes) == {DELETED} else "sent"
