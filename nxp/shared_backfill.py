"""`nxp backfill --on POOL`: runs on a pool share the windows; the ledger shows the progress."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from connectors.clock import utc_now
from connectors.counting import number_of
from connectors.errors import (
    AccessError,
    ConfigurationError,
    DataRefusedError,
    HeldError,
    PartlyDoneError,
    PipelineError,
    UnavailableError,
)
from connectors.ledger import Ledger, UnitRecord, open_ledger
from nxp.engine import check_answers, prepare
from nxp.output import print_json, say
from nxp.progress import shown
from tasks.land.asked import Only
from tasks.land.backfill import finish_shared, record_plan
from tasks.land.chunks import BackfillIdentity, Chunk, cut_chunks, has_failed, is_done
from tasks.land.plan import Plan
from tasks.runs.progress import FAILED, LANDED, Progress, tell

if TYPE_CHECKING:
    from nxp.chunk_runs import ChunkRuns

LOOK_SECONDS = 1.0
# Prefect is asked less often than the ledger, and only whether any run is still at work.
ASK_SECONDS = 5.0
# How long nothing may happen before a message says so: a worker takes some seconds to see a run.
NOTHING_SECONDS = 60.0
# Longer than the ten seconds within which a run sees that others have landed the rest.
REPORT_SECONDS = 15.0
MOST_RUNS = 10_000
# If all runs failed and landed nothing, the error is the first of these that ended one of them.
ERRORS: dict[int, type[PipelineError]] = {
    error.exit_code: error
    for error in (AccessError, ConfigurationError, DataRefusedError, UnavailableError, HeldError)
}


@dataclass(frozen=True, slots=True)
class Shared:
    """A shared back-fill: the plan of the windows left, and the chunks of all its windows."""

    plan: Plan
    chunks: tuple[Chunk, ...]
    identity: BackfillIdentity


@dataclass(slots=True)
class Tally:
    """The planned windows that are done, failed and left; the `held` ones are being landed.

    `rows` counts the rows of windows done, by the ledger, because a killed run reports none.
    """

    rows: int = 0
    done: list[str] = field(default_factory=list)
    failed: list[UnitRecord] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)


def run_shared(plan: Plan, pool: str, size: int, *, wait: bool, as_json: bool) -> None:
    """Start the rest of a back-fill on a work pool, and wait for it.

    Raises:
        PipelineError: the worst result of its runs; PartlyDoneError if some windows landed.
    """
    prepare(plan.settings)
    check_answers()
    from nxp.chunk_runs import opened  # noqa: PLC0415 - prefect, after its settings

    url = plan.settings.ledger_url.get_secret_value()
    with open_ledger(url, plan.tenant.name) as ledger, opened(pool) as runs:
        shared = _shared(plan, ledger, size)
        since = _start(shared, runs, ledger)
        if not wait:
            return
        try:
            tally = _watch(shared, runs, ledger, since)
        except KeyboardInterrupt:
            say("the runs on the pool continue; the same command shows how far they are")
            raise
        if not tally.left:
            runs.cancel_waiting(shared.identity)
        _end(shared, ledger, tally, since, as_json=as_json)


def _shared(plan: Plan, ledger: Ledger, size: int) -> Shared:
    """Record the plan, and cut all windows so that the same command gets the same chunks."""
    asked, calendar = plan.asked, plan.calendar
    if calendar is None or asked.window_from is None or asked.window_to is None:
        raise AssertionError("a back-fill has windows and dates")
    begun_at = record_plan(plan, ledger)
    windows = calendar.asked(asked.window_from, asked.window_to, plan.planned_at)
    identity = BackfillIdentity(
        tenant=plan.tenant.name,
        dataset=asked.dataset,
        step_seconds=int(calendar.step.total_seconds()),
        only=str(asked.only),
        starts_at=windows[0].start,
        ends_at=windows[-1].end,
        begun_at=begun_at,
    )
    chunks = cut_chunks(windows, size, begun_at or plan.planned_at, plan.planned_at)
    return Shared(plan, tuple(chunks), identity)


def _start(shared: Shared, runs: "ChunkRuns", ledger: Ledger) -> datetime:
    """Start runs for the chunks with windows left; return the time from which failures count."""
    plan = shared.plan
    known = runs.known(shared.identity)
    tally = _tally(shared, ledger, plan.planned_at)
    active = [run for run in known if run.is_active(plan.planned_at, idle=not tally.held)]
    # On a repeated command, windows that are being landed need no further run.
    needed = [unit.starts_at for unit in plan.units if not (known and unit.name in tally.held)]
    wanted = [chunk for chunk in shared.chunks if any(chunk.holds(at) for at in needed)]
    started = runs.start(
        shared.identity, wanted, known=known, active=active, parameters=_parameters(plan)
    )
    say(
        f"{plan.asked.dataset}: {number_of(started, 'run')} started on {runs.pool}, "
        f"{len(active)} already under way"
    )
    if plan.settings.ledger_url.get_secret_value().startswith("sqlite"):
        say("the ledger is a SQLite file: all workers of the pool must be on this machine")
    return min([plan.planned_at, *(run.chunk.asked_at for run in active)])


def _parameters(plan: Plan) -> dict[str, Any]:
    asked = plan.asked
    return {
        "dataset": asked.dataset,
        "window_from": asked.window_from,
        "window_to": asked.window_to,
        "step": asked.step,
        "only": str(asked.only),
        "concurrency": asked.concurrency,
        "tenant": asked.tenant,
        "accept_shrink": asked.accept_shrink,
    }


def _tally(shared: Shared, ledger: Ledger, since: datetime) -> Tally:
    plan, tally = shared.plan, Tally()
    only, begun_at = plan.asked.only or Only.MISSING, shared.chunks[0].begun_at
    bounds = (shared.chunks[0].starts_at, shared.chunks[-1].ends_at)
    known = {record.unit: record for record in ledger.units(plan.asked.dataset, *bounds)}
    for unit in plan.units:
        record = known.get(unit.name)
        if is_done(record, only, begun_at):
            tally.done.append(unit.name)
            tally.rows += (record.rows_landed if record else 0) or 0
        elif record and has_failed(record, since):
            tally.failed.append(record)
        else:
            tally.left.append(unit.name)
            if record and record.is_held(utc_now()):
                tally.held.add(unit.name)
    return tally


def _watch(shared: Shared, runs: "ChunkRuns", ledger: Ledger, since: datetime) -> Tally:
    """Show progress from the ledger until nothing is left, or no run is working any more."""
    dataset = shared.plan.asked.dataset
    seen: set[str] = set()
    moved_at = asked_at = time.monotonic()
    with shown(len(shared.plan.units), rate=True):
        while True:
            looked_at = time.monotonic()
            tally = _tally(shared, ledger, since)
            ended = dict.fromkeys(tally.done, LANDED)
            ended |= {record.unit: FAILED for record in tally.failed}
            for name in ended.keys() - seen:
                tell(Progress(dataset, name, ended[name]))
                moved_at = time.monotonic()
            seen |= ended.keys()
            if not tally.left:
                return tally
            now = time.monotonic()
            if now - asked_at > ASK_SECONDS:
                asked_at = now
                if not runs.any_active(shared.identity, utc_now(), idle=not tally.held):
                    # Count again: they may have landed windows since the tally above.
                    return _tally(shared, ledger, since)
            if now - moved_at > NOTHING_SECONDS and not tally.held:
                moved_at = now
                say(f"no window has ended for a while: does a worker run on {runs.pool}?")
            # With ten thousand windows a tally takes a while: spend at most a sixth of the time.
            time.sleep(max(LOOK_SECONDS, 5 * (time.monotonic() - looked_at)))


def _end(shared: Shared, ledger: Ledger, tally: Tally, since: datetime, *, as_json: bool) -> None:
    """Print the result, and raise the worst error."""
    plan = shared.plan
    dataset = plan.asked.dataset
    if not tally.failed and not tally.left:
        finish_shared(plan, ledger)
    reports = _reports(dataset, ledger, since)
    total = {
        "dataset": dataset,
        "windows": len(plan.units),
        "landed": len(tally.done),
        "failed": len(tally.failed),
        "left": len(tally.left),
        "runs_ended": len(reports),
        "calls": sum(report["calls"] for report in reports),
        "rows_landed": tally.rows,
        "rows_rejected": sum(report["rows_rejected"] for report in reports),
        "rows_filtered": sum(report["rows_filtered"] for report in reports),
    }
    if as_json:
        print_json(total)
    summary = (
        f"{dataset}: {total['landed']:,} of {total['windows']:,} windows landed, "
        f"{total['failed']:,} failed, {total['left']:,} are left; {total['rows_landed']:,} rows"
    )
    if error := _error(summary, total, tally, reports):
        raise error
    say(summary)


def _reports(dataset: str, ledger: Ledger, since: datetime) -> list[dict[str, Any]]:
    """Return the reports of the runs, which they write a moment after their last window."""
    deadline = time.monotonic() + REPORT_SECONDS
    while True:
        mine = [
            run
            for run in ledger.runs(dataset, limit=MOST_RUNS)
            if run["started_at"] >= since and run["trigger"] == "back-fill"
        ]
        over = all(run["state"] != "running" for run in mine)
        if over or time.monotonic() > deadline:
            return [run["report"] for run in mine if run["report"]]
        time.sleep(LOOK_SECONDS)


def _error(
    summary: str, total: dict[str, Any], tally: Tally, reports: list[dict[str, Any]]
) -> PipelineError | None:
    dataset = total["dataset"]
    if not tally.failed and not tally.left:
        if not total["rows_rejected"]:
            return None
        return PartlyDoneError(
            f"{summary}, {total['rows_rejected']:,} were rejected: see nxp rejects {dataset}"
        )
    reasons = [str(record.last_error) for record in tally.failed]
    reasons += [report["error"] for report in reports if report["error"]]
    reason = reasons[0] if reasons else "its runs ended early: see them in Prefect"
    message = f"{summary}: {reason}; run the same command again to land what is left"
    if tally.done:
        return PartlyDoneError(message)
    codes = {report.get("exit_code") for report in reports}
    kind = next((error for code, error in ERRORS.items() if code in codes), UnavailableError)
    return kind(message)
