"""The report of a sync's run: counts, seconds and rates, for the terminal, `_runs`, ledger, UI.

It holds no row's values, and nothing that identifies an object.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from connectors.counting import number_of
from connectors.errors import PipelineError
from connectors.syncs import unreadable
from tasks.runs import metrics
from tasks.runs.artifact import show_report
from tasks.runs.overview import show_convergence
from tasks.runs.recorded import recorded
from tasks.sync.applied import Applied
from tasks.sync.ended import SyncStages, counted, is_beyond, not_acknowledged, shortfall
from tasks.sync.guards import guard_words
from tasks.sync.met import in_words
from tasks.sync.plan_file import SyncPlan
from tasks.sync.plan_rows import Action
from tasks.sync.run import SyncRun
from tasks.sync.standing import standing_words

logger = logging.getLogger(__name__)

PLANNED, APPLIED, PARTLY, FAILED = "planned", "applied", "partly", "failed"


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How a run of a sync ended. `state` is planned, applied, partly or failed.

    `objects` were to be sent, and each has an outcome unless it counts as `not_sent`; `confirmed`
    were not answered and read back as sent; `no_such_object` are not in Nexthink. `left_out` are
    the sources' rejects. `values` counts values by action and state, `codes` counts objects by
    code. `waiting` and `refused` count values, whichever run tried them; `refused_fields` have no
    value that is taken, `standing` has the details. `stopped_by` are the guards because of which
    nothing was sent. `seconds` are per stage.
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
    confirmed: int
    no_such_object: int
    waiting: int
    refused: int
    refused_fields: tuple[str, ...]
    standing: dict[str, Any]
    stopped_by: tuple[str, ...]
    # Values left alone because of what the tenant was seen to hold right before sending.
    met: dict[str, int]
    # How what was sent before compared with what the plan's read showed.
    read_first: dict[str, Any] | None
    # Why the read-back after sending is left to the next run.
    read_later: str | None
    # What a sync without a query that reads its fields cannot do.
    unread: str | None

    def plain(self) -> dict[str, Any]:
        """Return the report as a dictionary; date-times stay objects."""
        return asdict(self)


def described(plan: SyncPlan) -> str:
    """Return a description of a plan for the person who approves it: no values and no keys."""
    summary, counts = plan.summary, plan.summary.counts
    lines = [
        (
            f"**{plan.record.sync}**, plan `{plan.plan_id}`: "
            f"{number_of(summary.rows, 'value')} of {number_of(summary.keys, 'object')}."
        ),
        "",
        "| action | values |",
        "|---|---:|",
        *(f"| {action} | {getattr(counts, action):,} |" for action in (*Action, "theirs")),
        "",
        *(f"- guard {finding.guard}: {finding.text}" for finding in summary.findings),
    ]
    return "\n".join(lines).rstrip()


def build_report(run: SyncRun, stages: SyncStages) -> SyncReport:
    """Return the report of a run."""
    applied = stages.applied or Applied()
    verified = stages.verified
    objects = stages.objects
    sent = objects["objects"] - objects["not_sent"]
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
        **objects,
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
        codes=dict(sorted(applied.codes.items())),
        planned=dict(stages.planned or {}),
        verified=asdict(verified) if verified else None,
        waiting=stages.standing.waiting,
        refused=stages.standing.refused,
        refused_fields=tuple(stages.refused_whole),
        standing=stages.standing.plain(),
        stopped_by=tuple(stages.stopped_by),
        met=dict(sorted(applied.met.items())),
        read_first=asdict(stages.checked) if stages.checked else None,
        read_later=stages.read_later,
        unread=unreadable(run.specification),
    )


def summary(report: SyncReport) -> str:
    """Return how a run ended in a few words, for an operator who sees one line."""
    return summary_of(report.plain())


def summary_of(report: Mapping[str, Any]) -> str:
    """Return the same for a report in the form of a dictionary."""
    return f"{report['dataset']} {report['state']}: {_outcome(report)}"


def left_of(report: Mapping[str, Any]) -> str:
    """Return what waits and what is refused over all runs, to go behind a sentence."""
    words = standing_words(report["standing"]) if report.get("standing") else ""
    return f"; {words}" if words else ""


def _outcome(report: Mapping[str, Any]) -> str:
    """Return what became of the objects, and what is left over all runs."""
    planned, left = report["planned"] or {}, left_of(report)
    if report.get("stopped_by"):
        return f"nothing was sent: {guard_words(planned['findings'], report['stopped_by'])}"
    if report["state"] == PLANNED:
        return f"{planned.get('rows', 0):,} values to send{left}"
    if not report["objects"]:
        return f"{_without_objects(report)}{left}"
    return f"{counted(report)}{left}"


def _without_objects(report: Mapping[str, Any]) -> str:
    """Return why a run sent no object: there was none, or it was not reached."""
    if report["settled_before"]:
        return "all was sent before"
    return "nothing was sent" if report["state"] == FAILED else "nothing to send"


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
        **{name: json.dumps(plain[name]) for name in ("refused_fields", "standing", "stopped_by")},
        "units": report.objects,
        "rows_landed": report.acknowledged,
        "rows_rejected": report.rejected,
    }
    counts = {name: row[name] for name in ("units", "rows_landed", "rows_rejected")}
    run.parts.keep_report(report.state, {**plain, **counts}, row)
    metrics.values_ended(report.values)
    logger.info("%s", summary(report))
    if report.unread:
        logger.warning("%s", report.unread)
    show_report("sync", report.tenant, report.dataset, markdown(report))
    show_convergence(run.chosen.settings, run.ledger, report.tenant, report.finished_at)
    return report


def markdown(report: SyncReport) -> str:
    """Return a report as Markdown for the Prefect UI."""
    plain = report.plain()
    lines = [
        f"# {report.dataset}: {report.state}",
        "",
        (
            f"{report.objects:,} objects: {report.acknowledged:,} acknowledged, "
            f"{not_acknowledged(plain)}, in {number_of(report.requests, 'request')} "
            f"({report.objects_per_second:,.0f} objects/s){left_of(plain)}. "
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
                f"differ, {checked['not_found']:,} not found, {checked['waiting']:,} waiting, "
                f"{checked['theirs'] + checked['left_alone']:,} of others, which do not count."
            ),
        ]
    lines += [f"\n{line}." for line in in_words(report.plain())]
    if report.error:
        lines += ["", f"**{report.error}**"]
    return "\n".join(lines)


def _state(run: SyncRun, stages: SyncStages, error: PipelineError | None) -> str:
    if error is None:
        return PLANNED if stages.applied is None and not stages.is_done else APPLIED
    objects = stages.objects
    taken = objects["acknowledged"] + objects["confirmed"]
    beyond = is_beyond(stages, run.specification.max_reject_share)
    was_sent = stages.is_done or stages.applied is not None
    nothing = not was_sent or (objects["objects"] and not taken)
    return FAILED if beyond or nothing else PARTLY


def _values(applied: Applied) -> dict[str, dict[str, int]]:
    values: dict[str, dict[str, int]] = {}
    for (action, state), count in sorted(applied.values.items()):
        if count:
            values.setdefault(action, {})[state] = count
    return values
