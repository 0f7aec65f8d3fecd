"""Landing one unit: lease, export, stage, check, publish, ledger, in this order.

`land_unit` in tasks/stories/export.py puts these stages together.

Effect first, state last: a kill between two steps repeats work and loses none. Nothing is
visible before `publish`, and the ledger records it afterwards.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import polars as pl

from connectors.errors import DataRefusedError
from connectors.lake import Entry
from connectors.lake.records import write_rejects
from connectors.ledger import Lease
from tasks.columns.checks import blocking, run_checks, warnings
from tasks.columns.conform import Counts
from tasks.columns.contract import difference
from tasks.columns.reasons import most_frequent
from tasks.columns.repeated_keys import repeated_keys, warning_of
from tasks.columns.rules import landing_as, rules_of
from tasks.exports.arrival import ReadAgainError
from tasks.exports.export import Ready
from tasks.land.forgetting import ACCEPT, check_forgotten, judge_unit
from tasks.land.outcome import UnitOutcome
from tasks.land.pieces import fetch_pieces
from tasks.land.plan import Unit
from tasks.land.run import Run, subject_of
from tasks.land.staging import ResultPart, RowLimitReachedError, Staged, Staging
from tasks.runs.progress import LANDED, Progress, tell
from tasks.runs.recorded import recorded
from tasks.runs.stopping import check_stop

logger = logging.getLogger(__name__)


@recorded("land", subject_of, says=str)
def fetch_and_land(run: Run, unit: Unit, lease: Lease, ready: Ready) -> UnitOutcome:
    """Fetch a unit's result, stage and check it, publish it: all of its rows, or nothing.

    A result that the tenant cut is exported again in parts.

    Raises:
        DataRefusedError: the result is incomplete, truncated, or breaks a rule of the dataset.
        HeldError: another run has taken the unit over.
        UnavailableError: the tenant cannot be reached in time; the export is kept for later.
    """
    outcome, staged = stage_unit(run, unit, ready)
    outcome.calls = run.tools.calls.take()
    outcome.warnings += _contract_change(run, staged)
    publish(run, unit, lease, outcome, staged)
    tell(Progress(run.dataset, unit.name, LANDED, outcome.rows_landed))
    return outcome


def stage_unit(run: Run, unit: Unit, ready: Ready) -> tuple[UnitOutcome, Staged]:
    """Fetch a unit, in parts if it is too large, stage it, and check what was staged.

    Raises:
        DataRefusedError: columns, window, checks, share of rejects or number of rows break a rule.
    """
    refused: set[str] = set()
    spooled = False
    while True:
        outcome = UnitOutcome(unit=unit.name)
        # Parts that were complete are in the journal, so a further try does not export them again.
        try:
            staged = _stage(run, unit, outcome, refused, ready=ready, spooled=spooled)
        except RowLimitReachedError as error:
            refused.add(error.part)
            continue
        except ReadAgainError:
            spooled = True
            continue
        outcome.account(staged)
        _keep_rejects(run, unit, staged)
        check_counts(run, unit, staged.counts, outcome.reasons)
        outcome.warnings = _check_contents(run, unit, outcome, staged)
        if staged.counts.filtered and not staged.counts.landed:
            outcome.warnings += (
                f"where or transform left out all {staged.counts.filtered} rows that fit",
            )
        return outcome, staged


def check_counts(run: Run, unit: Unit, counts: Counts, reasons: Mapping[str, int]) -> None:
    """Raise if a unit must not be published: strayed rows, too many rejects, a shrunken result."""
    counts.check(f"{run.dataset} {unit.name}", run.plan.tenant.named("time_zone"))
    allowed = run.plan.specification.max_reject_share
    if counts.rejected > allowed * counts.read:
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: {counts.rejected} of {counts.read} rows do not fit their "
            f"declared types (more than {allowed:.1%} allowed)"
            f"{most_frequent(reasons, counts.rejected)}: see nxp rejects {run.dataset}, "
            f"run {run.run_id}; nothing was published"
        )
    before = max(place.rows_before(unit.starts_at, unit.ends_at) for place in run.landings)
    check_forgotten(run, unit, counts.landed + counts.filtered, before)
    # An inventory is never empty, but `where` may leave nothing of it.
    empty = unit.window is None and counts.landed == counts.filtered == 0
    accepted = run.plan.asked.accept_shrink or run.plan.specification.may_be_empty
    if (empty or counts.landed * 2 < before) and not accepted:
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: {counts.landed} rows{_but(before, counts.filtered)}; if "
            f"this is right, {ACCEPT}; nothing was published"
        )


def _but(before: int, filtered: int) -> str:
    left_out = f" ({filtered} were left out by where or transform)" if filtered else ""
    if not before:
        return " in a snapshot, which is never empty"
    return f", but {before} have landed before{left_out}"


def publish(run: Run, unit: Unit, lease: Lease, outcome: UnitOutcome, staged: Staged) -> None:
    """Publish the staged files in all landings, and record it in the ledger last."""
    if outcome.exported_at is None:
        raise AssertionError("a unit is exported before it is published")
    entry = Entry(
        unit=unit.name,
        starts_at=unit.starts_at,
        ends_at=unit.ends_at,
        run_id=run.run_id,
        exported_at=outcome.exported_at,
        rows=outcome.rows_landed,
        files=(),
    )
    with outcome.timed("publish"):
        # Check the others first: once the first has committed, none after it may refuse.
        for place in run.landings[1:]:
            place.check_unit(entry)
        for place in run.landings:
            lease.check()
            place.publish(entry, staged.files, staged.schema)
    judgement = judge_unit(run, unit, outcome)
    outcome.doubt, outcome.complete_from = judgement.doubt, judgement.complete_from
    run.ledger.mark_landed(
        run.dataset,
        unit.name,
        run.run_id,
        outcome.rows_landed,
        outcome.exported_at,
        outcome.calls,
        doubt=judgement.doubt,
        complete_from=judgement.complete_from,
    )


def _stage(
    run: Run,
    unit: Unit,
    outcome: UnitOutcome,
    refused: set[str],
    *,
    ready: Ready,
    spooled: bool,
) -> Staged:
    def report_rows(rows: int) -> None:
        check_stop()
        tell(Progress(run.dataset, unit.name, "landing", rows))

    @contextmanager
    def working() -> Iterator[None]:
        with run.conforming, outcome.timed("conform"):
            yield

    plan = run.plan
    staging = Staging(
        plan.specification,
        unit.name,
        plan.tenant.time_zone,
        run.run_id,
        lambda schema: run.lake.stage(run.dataset, run.run_id, unit.name, schema, run.budget),
        row_limit=plan.tenant.export_row_limit,
        on_rows=report_rows,
        working=working,
        rules=rules_of(plan.specification, run.transform),
    )
    with staging:
        for piece, arriving in fetch_pieces(run, unit, refused, ready=ready, spooled=spooled):
            part = ResultPart(
                arriving.source,
                piece.name,
                piece.window,
                piece.shard is not None,
                arriving.started_at,
            )
            with arriving.reading():
                staging.add(part)
            outcome.count(arriving.fetched)
        with working():
            return staging.finish()


def _check_contents(run: Run, unit: Unit, outcome: UnitOutcome, staged: Staged) -> tuple[str, ...]:
    """Run the declared checks; return the warnings of failed ones that do not block."""
    if outcome.exported_at is None:
        raise AssertionError("a unit is exported before it is checked")
    files = [file.path for file in staged.files]
    specification, rows = landing_as(run.plan.specification, run.transform), staged.counts.landed
    with outcome.timed("check"):
        results = run_checks(files, specification, rows=rows, exported_at=outcome.exported_at)
        if staged.may_repeat_keys:
            outcome.repeated_keys = repeated_keys(files, specification, rows)
    if reason := blocking(results):
        raise DataRefusedError(
            f"{run.dataset} {unit.name}: a check failed: {reason}; nothing was published"
        )
    found = warnings(results)
    if outcome.repeated_keys:
        found.append(warning_of(outcome.repeated_keys, rows, specification))
    for warning in found:
        logger.warning("%s %s: %s", run.dataset, unit.name, warning)
    return tuple(found)


def _contract_change(run: Run, staged: Staged) -> tuple[str, ...]:
    """Return what this landing changes about the dataset's columns, in words."""
    if not run.plan.specification.in_lake:
        return ()
    manifest = run.lake.manifest(run.dataset)
    new = {field.name: str(field.type) for field in staged.schema}
    change = difference(run.dataset, manifest.schema_columns if manifest else {}, new)
    if change:
        logger.warning("%s: %s", run.dataset, change)
    return (change,) if change else ()


def _keep_rejects(run: Run, unit: Unit, staged: Staged) -> None:
    if not staged.rejected:
        return
    frame = pl.concat([batch.rejects for batch in staged.rejected])
    raw = [text for batch in staged.rejected for text in batch.raw]
    write_rejects(run.lake, run.dataset, unit.name, run.run_id, frame.to_arrow(), raw)
