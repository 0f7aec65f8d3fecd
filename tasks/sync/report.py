"""The report of a sync's run: counts, seconds and rates, for the terminal, `_runs`, ledger, UI.

It holds no row's values, and nothing that identifies an object.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from connectors.errors import DataRefusedError, PartlyDoneError, PipelineError
from tasks.runs import metrics
from tasks.runs.artifact import show_report
from tasks.runs.overview import show_convergence
from tasks.runs.recorded import recorded
from tasks.sync.apply import Applied
from tasks.sync.diff import Action
from tasks.sync.outcomes import ObjectOutcome
from tasks.sync.plan_file import SyncPlan
from tasks.sync.push import NOT_SENT
from tasks.sync.run import SyncRun
from tasks.sync.verify import Verified

logger = logging.getLogger(__name__)

PLANNED, APPLIED, PARTLY, FAILED = "planned", "applied", "partly", "failed"
# A share of fewer objects says nothing.
FEW_OBJECTS: Final = 20
_KEYLESS: Final = ("without_key", "unmatched", "ambiguous")


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a run of a sync ended. `state` is planned, applied, partly or failed.

    `objects` were to be sent, and each has an outcome unless it counts as `not_sent`; `left_out`
    are the sources' rejects. `values` counts values by action and state, `codes` counts objects by
    code. `seconds` are per stage.
    """

    run_id: str
    tenant: str
    dataset: str
    trigger: str
    plan_id: str
    state: str
    started_at: datetime
    finished_at: datetime
    objects: int
    acknowledged: int
    rejected: int
    unknown: int
    not_sent: int
    settled_before: int
    left_out: int
    requests: int
    objects_per_second: float
    convergence: float | None
    error: str | None
    seconds: dict[str, float]
    values: dict[str, dict[str, int]]
    codes: dict[str, int]
    planned: dict[str, Any]
    verified: dict[str, Any] | None

    def plain(self) -> dict[str, Any]:
        """Return the report as a dictionary; date-times stay objects."""
        return asdict(self)


@dataclass(slots=True)
class SyncStages:
    """The results of a run, stage by stage; a stage that was not reached is None."""

    plan_id: str = ""
    planned: Mapping[str, Any] | None = None
    applied: Applied | None = None
    verified: Verified | None = None
    error: PipelineError | None = None
    # The plan had been applied before.
    is_done: bool = False
    # Masked, and for a terminal only.
    samples: list[dict[str, str]] = field(default_factory=list)

    def take(self, plan: SyncPlan) -> None:
        """Copy the counts of a plan."""
        self.plan_id = plan.plan_id
        self.planned = plan.summary.to_json()

    @property
    def made_by(self) -> str | None:
        """The run that made the plan and kept the sources' rejects."""
        made_by: str | None = (self.planned or {}).get("made_by")
        return made_by

    @property
    def left_by_source(self) -> int:
        """How many objects were rejected before the planning."""
        source = (self.planned or {}).get("source") or {}
        return sum(source.get(name, 0) for name in (*_KEYLESS, "duplicates", "bad_values"))

    @property
    def of_source(self) -> int:
        """How many objects the sources returned, as far as they can be distinguished."""
        source = (self.planned or {}).get("source") or {}
        return sum(source.get(name, 0) for name in (*_KEYLESS, "keys"))

    @property
    def is_sent(self) -> bool:
        """Whether the whole plan was sent."""
        return self.is_done or (self.applied is not None and self.applied.is_complete)


def described(plan: SyncPlan) -> str:
    """Return a description of a plan for the person who approves it: no values and no keys."""
    summary, counts = plan.summary, plan.summary.counts
    lines = [
        (
            f"**{plan.record.sync}**, plan `{plan.plan_id}`: {summary.rows:,} values of "
            f"{summary.keys:,} objects."
        ),
        "",
        "| action | values |",
        "|---|---:|",
        *(f"| {action} | {getattr(counts, action):,} |" for action in Action),
        "",
        *(f"- guard {finding.guard}: {finding.text}" for finding in summary.findings),
    ]
    return "\n".join(lines).rstrip()


def build_report(run: SyncRun, stages: SyncStages) -> SyncReport:
    """Return the report of a run."""
    applied = stages.applied or Applied()
    verified = stages.verified
    not_sent = applied.codes[NOT_SENT]
    objects = applied.objects.total()
    sent = objects - not_sent
    error = stages.error or shortfall(run, stages)
    return SyncReport(
        run_id=run.run_id,
        tenant=run.chosen.tenant.name,
        dataset=run.sync,
        trigger=run.trigger,
        plan_id=stages.plan_id,
        state=_state(run, stages, error),
        started_at=run.started_at,
        finished_at=run.tools.clock(),
        objects=objects,
        acknowledged=applied.objects[ObjectOutcome.ACKNOWLEDGED],
        rejected=applied.objects[ObjectOutcome.REJECTED],
        unknown=applied.objects[ObjectOutcome.UNKNOWN] - not_sent,
        not_sent=not_sent,
        settled_before=applied.settled_before,
        left_out=stages.left_by_source,
        requests=applied.requests,
        objects_per_second=round(sent / applied.seconds, 1) if applied.seconds else 0.0,
        convergence=verified.convergence if verified else None,
        error=str(error) if error else None,
        seconds={
            "push": round(applied.seconds, 3),
            "verify": verified.seconds if verified else 0.0,
        },
        values=_values(applied),
        codes={code: count for code, count in sorted(applied.codes.items()) if code != NOT_SENT},
        planned=dict(stages.planned or {}),
        verified=asdict(verified) if verified else None,
    )


def shortfall(run: SyncRun, stages: SyncStages) -> PipelineError | None:
    """Return what a run left out, so that it never shows as successful; None if nothing."""
    if stages.applied is not None and (error := _left_out(run, stages, stages.applied)):
        return error
    checked = stages.verified
    wrong = checked.differs + checked.not_found if checked else 0
    if checked is None or not wrong:
        return None
    return PartlyDoneError(
        f"{run.sync}: {wrong:,} of {checked.compared:,} acknowledged values do not read back "
        f"(convergence {checked.convergence:.2f} %); they are sent again after 1, 2, 4 and 7 days, "
        f"or by nxp retry {run.sync}: see nxp rejects {run.sync} --run {run.run_id}"
    )


def _left_out(run: SyncRun, stages: SyncStages, applied: Applied) -> PipelineError | None:
    objects, taken = applied.objects.total(), applied.objects[ObjectOutcome.ACKNOWLEDGED]
    said = f"{run.sync}: {taken:,} of {objects:,} objects acknowledged"
    if applied.stopped:
        if not taken:
            return applied.stopped
        return PartlyDoneError(f"{said}, then: {applied.stopped}; nxp apply {run.sync} resumes")
    beyond = is_beyond(stages, run.specification.max_reject_share)
    if taken == objects and applied.is_complete and not beyond:
        return None
    said += (
        f", {applied.objects[ObjectOutcome.REJECTED]:,} rejected, "
        f"{applied.objects[ObjectOutcome.UNKNOWN]:,} unknown"
    )
    if left := stages.left_by_source:
        said += f", {left:,} left out of the sources"
        if stages.made_by not in (None, run.run_id):
            said += f" (nxp rejects {run.sync} --run {stages.made_by})"
    if beyond:
        said += f" (more than the {run.specification.max_reject_share:.1%} allowed)"
    said += f": see nxp rejects {run.sync} --run {run.run_id}"
    return PartlyDoneError(said) if taken or not objects else DataRefusedError(said)


def is_beyond(stages: SyncStages, share: float) -> bool:
    """Return whether more objects were rejected, by us or by the tenant, than is allowed."""
    applied = stages.applied or Applied()
    objects = max(stages.of_source, applied.objects.total())
    rejected = stages.left_by_source + applied.objects[ObjectOutcome.REJECTED]
    return objects >= FEW_OBJECTS and rejected > share * objects


def summary(report: SyncReport) -> str:
    """Return how a run ended in a few words, for an operator who sees one line."""
    return summary_of(report.plain())


def summary_of(report: Mapping[str, Any]) -> str:
    """Return the same for a report in the form of a dictionary."""
    said = f"{report['dataset']} {report['state']}"
    if report["state"] == PLANNED:
        return f"{said}: {(report['planned'] or {}).get('rows', 0):,} values to send"
    return (
        f"{said}: {report['acknowledged']:,} of {report['objects']:,} objects acknowledged, "
        f"{report['rejected']:,} rejected"
    )


@recorded("report", says=summary)
def report_sync(run: SyncRun, stages: SyncStages) -> SyncReport:
    """Keep the report in the lake (`_runs`), Prefect and, last, the ledger."""
    report = build_report(run, stages)
    plain = report.plain()
    # A row of `_runs` has counts by name as JSON text.
    row = {
        **plain,
        "values": json.dumps(report.values),
        "codes": json.dumps(report.codes),
        "units": report.objects,
        "rows_landed": report.acknowledged,
        "rows_rejected": report.rejected,
    }
    counts = {name: row[name] for name in ("units", "rows_landed", "rows_rejected")}
    run.parts.keep_report(report.state, {**plain, **counts}, row)
    metrics.values_ended(report.values)
    logger.info("%s", summary(report))
    show_report("sync", report.tenant, report.dataset, markdown(report))
    show_convergence(run.chosen.settings, run.ledger, report.tenant, report.finished_at)
    return report


def markdown(report: SyncReport) -> str:
    """Return a report as Markdown for the Prefect UI."""
    lines = [
        f"# {report.dataset}: {report.state}",
        "",
        (
            f"{report.objects:,} objects: {report.acknowledged:,} acknowledged, "
            f"{report.rejected:,} rejected, {report.unknown:,} unknown, {report.not_sent:,} not "
            f"sent, in {report.requests:,} requests ({report.objects_per_second:,.0f} objects/s). "
            f"Plan `{report.plan_id}`, run `{report.run_id}` of tenant `{report.tenant}`."
        ),
        "",
        "| action | state | values |",
        "|---|---|---:|",
    ]
    lines += [
        f"| {action} | {state} | {count:,} |"
        for action, states in report.values.items()
        for state, count in states.items()
    ]
    if report.codes:
        lines += ["", "| code | objects |", "|---|---:|"]
        lines += [f"| {code} | {count:,} |" for code, count in report.codes.items()]
    if report.verified:
        checked = report.verified
        lines += [
            "",
            (
                f"Read back at {checked['exported_at']:%Y-%m-%d %H:%M:%SZ}: convergence "
                f"{report.convergence:.3f} %. {checked['confirmed']:,} of "
                f"{checked['compared']:,} acknowledged values confirmed, {checked['differs']:,} "
                f"differ, {checked['not_found']:,} not found, {checked['waiting']:,} waiting."
            ),
        ]
    if report.error:
        lines += ["", f"**{report.error}**"]
    return "\n".join(lines)


def _state(run: SyncRun, stages: SyncStages, error: PipelineError | None) -> str:
    if error is None:
        return PLANNED if stages.applied is None and not stages.is_done else APPLIED
    applied = stages.applied or Applied()
    taken = applied.objects[ObjectOutcome.ACKNOWLEDGED]
    beyond = is_beyond(stages, run.specification.max_reject_share)
    nothing = stages.applied is None or (applied.objects.total() and not taken)
    return FAILED if beyond or nothing else PARTLY


def _values(applied: Applied) -> dict[str, dict[str, int]]:
    values: dict[str, dict[str, int]] = {}
    for (action, state), count in sorted(applied.values.items()):
        if count:
            values.setdefault(action, {})[state] = count
    return values
