"""The report of an action's run: counts, for the terminal, `_runs`, ledger and UI.

It holds numbers only. Which devices and people they were is in `_changes`, for those who may
read it.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl

from connectors.counting import number_of
from connectors.errors import (
    DataRefusedError,
    NotApprovedError,
    NothingDoneError,
    PartlyDoneError,
    PipelineError,
)
from connectors.lake.records import write_action_changes
from connectors.ledger import ActionPlanRecord
from connectors.ledger.action_requests import RequestState
from tasks.act.card import account_of, card_markdown
from tasks.act.counted import FAILURES, accepted, outcomes_of, reasons_of
from tasks.act.effect import ActionEffect
from tasks.act.kept import bring_up_to_date
from tasks.act.outcomes import Waited
from tasks.act.person import Person
from tasks.act.readback import FINAL, is_final
from tasks.act.run import ActionRun
from tasks.runs import metrics
from tasks.runs.artifact import show_report
from tasks.runs.recorded import recorded

logger = logging.getLogger(__name__)

PLANNED, DRY_RUN, SENT, DONE = "planned", "dry_run", "sent", "done"
PARTLY, FAILED = "partly", "failed"
_IN_DOUBT: Final = (RequestState.SENDING, RequestState.UNKNOWN, RequestState.NOT_SEEN)
_NOT_SENT: Final = (RequestState.INTENT, RequestState.NOT_SENT)


@dataclass(frozen=True, slots=True)
class ActionReport:
    """How a run of an action ended: planned, dry_run, sent, done, partly or failed.

    `candidates` were found, `excluded` counts those left out by reason, and `targets` are the rest.
    Of these the tenant accepted `requested` and refused `refused`; it is unknown whether those
    `in_doubt` were sent, and `not_sent` were not. `outcomes` counts the requested ones by outcome,
    `reasons` the failures by reason. A remote action runs as `run_as`; `allow` are those who may
    run it, and `asked_by` who did, as `asked_how` says.
    """

    run_id: str
    tenant: str
    dataset: str
    trigger: str
    kind: str
    action_id: str
    plan_id: str
    sha256: str
    state: str
    started_at: datetime
    finished_at: datetime
    candidates: int
    targets: int
    requests: int
    requested: int
    refused: int
    in_doubt: int
    not_sent: int
    error: str | None
    approved_by: str | None
    ticket: str | None
    seconds: dict[str, float]
    excluded: dict[str, int]
    outcomes: dict[str, int]
    reasons: dict[str, int]
    effect: dict[str, int] | None
    run_as: str | None
    allow: list[str] | None
    asked_by: str | None
    asked_how: str | None

    def plain(self) -> dict[str, Any]:
        """Return the report as a dictionary; date-times stay objects."""
        return asdict(self)


@dataclass(slots=True)
class ActionStages:
    """The results of a run, stage by stage; a stage that was not reached is None."""

    person: Person = field(default_factory=Person)
    plan: ActionPlanRecord | None = None
    is_plan: bool = False
    is_dry: bool = False
    is_begun: bool = False
    waited: Waited | None = None
    effect: ActionEffect | None = None
    error: PipelineError | None = None
    nothing: NothingDoneError | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def described(plan: ActionPlanRecord) -> str:
    """Return a description of a plan for the person who approves it: numbers, and no names.

    The page next to the plan's file also has the names.
    """
    summary = plan.summary
    lines = [
        (
            f"**{plan.action}** ({plan.kind} `{plan.action_id}`), plan `{plan.plan_id}`, hash "
            f"`{plan.sha256[:12]}`: {number_of(summary['targets'], 'target')} in "
            f"{number_of(summary['requests'], 'request')}.{_context(summary.get('run_as'))}"
        ),
        "",
        "| left out | candidates |",
        "|---|---:|",
        *(f"| {reason} | {count:,} |" for reason, count in summary["excluded"].items()),
    ]
    said = "\n".join(lines if summary["excluded"] else lines[:1])
    card = card_markdown(plan)
    return f"{said}\n\n{card}" if card else said


def _context(run_as: str | None) -> str:
    return f" It runs as {account_of(run_as)}." if run_as else ""


def build_report(run: ActionRun, stages: ActionStages) -> ActionReport:
    """Return the report of a run, from what the journal has about its plan."""
    plan = stages.plan
    summary: Mapping[str, Any] = plan.summary if plan else {}
    rows = _rows(run, stages)
    by_state = dict(rows.group_by("state").len().iter_rows())
    is_taken = pl.col("state") == RequestState.REQUESTED.value
    left_out = rows.filter(is_taken, pl.col("code").is_not_null()).height
    requested = by_state.get(RequestState.REQUESTED.value, 0) - left_out
    counts = {
        "candidates": int(summary.get("candidates", 0)),
        "targets": int(summary.get("targets", 0)),
        "requests": int(summary.get("requests", 0)),
        "requested": requested,
        "refused": by_state.get(RequestState.REFUSED.value, 0) + left_out,
        "in_doubt": sum(by_state.get(state.value, 0) for state in _IN_DOUBT),
        "not_sent": sum(by_state.get(state.value, 0) for state in _NOT_SENT),
    }
    error = stages.error = stages.error or shortfall(run, stages, counts, rows)
    judged = run.ledger.action_plans.get(plan.plan_id) if plan else None
    return ActionReport(
        run_id=run.run_id,
        tenant=run.chosen.tenant.name,
        dataset=run.action,
        trigger=run.trigger,
        kind=run.specification.kind.value,
        action_id=run.specification.id,
        plan_id=plan.plan_id if plan else "",
        sha256=plan.sha256 if plan else "",
        state=_state(stages, counts, rows, error),
        started_at=run.started_at,
        finished_at=run.now,
        **counts,
        error=str(said) if (said := error or stages.nothing) else None,
        approved_by=judged.approved_by if judged else None,
        ticket=judged.ticket if judged else None,
        seconds=dict(stages.seconds),
        excluded=dict(summary.get("excluded", {})),
        outcomes=outcomes_of(rows),
        reasons=reasons_of(rows),
        effect=asdict(stages.effect) if stages.effect else None,
        run_as=summary.get("run_as"),
        allow=list(run.specification.allow) if run.specification.allow else None,
        asked_by=stages.person.asker.asked_by,
        asked_how=stages.person.asker.asked_how,
    )


def shortfall(
    run: ActionRun, stages: ActionStages, counts: Mapping[str, int], rows: pl.DataFrame
) -> PipelineError | None:
    """Return what went wrong, so that the run never shows as successful; None if nothing.

    Targets that have not answered yet are not a failure; the next run, or nxp act status, shows
    their outcome.
    """
    if not stages.is_begun or stages.is_dry:
        return None
    ended = {status: count for status, count in outcomes_of(rows).items() if status in FINAL}
    failed = sum(count for status, count in ended.items() if status in FAILURES)
    share = run.specification.outcome.max_failure_share
    too_many = failed > share * sum(ended.values())
    if not (counts["refused"] or counts["in_doubt"] or counts["not_sent"] or too_many):
        return None
    said = (
        f"{run.action}: {counts['requested']:,} of {counts['targets']:,} targets requested, "
        f"{counts['refused']:,} refused, {counts['in_doubt']:,} in doubt, "
        f"{counts['not_sent']:,} not sent; {failed:,} failed: see nxp act status {run.action}"
    )
    return PartlyDoneError(said) if counts["requested"] else DataRefusedError(said)


def summary(report: ActionReport) -> str:
    """Return how a run ended in a few words, for an operator who sees one line."""
    return summary_of(report.plain())


def summary_of(report: Mapping[str, Any]) -> str:
    """Return the same for a report in the form of a dictionary."""
    said = f"{report['dataset']} {report['state']}"
    if not report["requested"]:
        return f"{said}: {number_of(report['targets'], 'target')}"
    ended = ", ".join(f"{count:,} {outcome}" for outcome, count in report["outcomes"].items())
    return (
        f"{said}: {report['requested']:,} of {report['targets']:,} targets requested"
        f"{': ' if ended else ''}{ended}"
    )


@recorded("report", says=summary)
def report_action(run: ActionRun, stages: ActionStages) -> ActionReport:
    """Keep the report in the lake (`_runs`, `_changes`), Prefect and, last, the ledger."""
    report = build_report(run, stages)
    plain = report.plain()
    # A row of `_runs` has counts by name as JSON text.
    texts = {
        name: json.dumps(value) for name, value in plain.items() if isinstance(value, dict | list)
    }
    counts = {
        "units": report.targets,
        "rows_landed": report.requested,
        "rows_rejected": report.refused + report.in_doubt + report.not_sent,
    }

    def keep_changes() -> None:
        rows = _rows(run, stages)
        if not (rows.height and stages.plan):
            return
        since = stages.plan.created_at.date()
        there = bring_up_to_date(run.lake, run.action, rows, since)
        added = rows.filter(~pl.col("intent_id").is_in(list(there)))
        if added.height:
            write_action_changes(
                run.lake, run.action, run.run_id, report.finished_at, added.to_arrow()
            )

    row = {**plain, **texts, **counts, "seconds": report.seconds}
    run.parts.keep_report(report.state, {**plain, **counts}, row, also=keep_changes)
    asked = {name: plain[name] for name in ("requested", "refused", "in_doubt", "not_sent")}
    metrics.targets_ended(asked, report.outcomes)
    logger.info("%s", summary(report))
    show_report("action", report.tenant, report.dataset, markdown(report))
    return report


def markdown(report: ActionReport) -> str:
    """Return a report as Markdown for the Prefect UI."""
    lines = [
        f"# {report.dataset}: {report.state}",
        "",
        (
            f"{report.kind} `{report.action_id}`, plan `{report.plan_id}`, run "
            f"`{report.run_id}` of tenant `{report.tenant}`. {report.candidates:,} candidates, "
            f"{report.targets:,} targets: {report.requested:,} requested, {report.refused:,} "
            f"refused, {report.in_doubt:,} in doubt, {report.not_sent:,} not sent."
            f"{_context(report.run_as)}"
        ),
    ]
    for title, counts in (
        ("outcome", report.outcomes),
        ("failed because", report.reasons),
        ("left out because", report.excluded),
    ):
        if counts:
            lines += ["", f"| {title} | targets |", "|---|---:|"]
            lines += [f"| {name} | {count:,} |" for name, count in counts.items()]
    if report.effect:
        lines += ["", ActionEffect(**report.effect).told]
    if report.error:
        lines += ["", f"**{report.error}**"]
    return "\n".join(lines)


def _rows(run: ActionRun, stages: ActionStages) -> pl.DataFrame:
    plan_id = stages.plan.plan_id if stages.plan and stages.is_begun else ""
    return run.ledger.actions.targets(plan_id=plan_id)


def _state(
    stages: ActionStages, counts: Mapping[str, int], rows: pl.DataFrame, error: PipelineError | None
) -> str:
    if isinstance(error, NotApprovedError):
        return PLANNED
    if error:
        return PARTLY if counts["requested"] else FAILED
    if stages.is_dry:
        return DRY_RUN
    if not stages.is_begun:
        return PLANNED if counts["targets"] or stages.is_plan else DONE
    ended = accepted(rows).select(is_final(pl.col("status")).all()).item()
    return DONE if ended else SENT
