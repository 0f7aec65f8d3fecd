"""Deleting devices: planned, approved by a person, read back, and deleted unless seen since.

A run keeps its report however it ends, and then raises if anything was left out. What may have been
sent is never sent again: whether it was done shows in what the inventory no longer has.
"""

import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

from connectors.clock import utc_now
from connectors.errors import NotApprovedError, PartlyDoneError, PipelineError, UsageError
from connectors.lake import Lake
from connectors.ledger import ActionPlanRecord, ActionPlanState, Ledger, open_ledger
from connectors.ledger.action_requests import RequestState
from connectors.nexthink.acting.limits import MOST_DELETIONS
from connectors.settings.installation import load_settings
from connectors.settings.tenants import tenant_name
from tasks.act.awaited import LONGEST_POLL
from tasks.act.deletion.inventory import read_inventory
from tasks.act.deletion.lookup import keep_gone_of, look_up
from tasks.act.deletion.plan import DeletionPlan, load_plan, make_plan, plan_of, read_plan
from tasks.act.deletion.report import DeletionReport, keep_report, report_of, shortfall
from tasks.act.deletion.run import ACTION, DeletionRun, open_deletion
from tasks.act.deletion.send import delete_planned
from tasks.act.outcomes import FIRST_POLL, POLL_GROWTH
from tasks.act.person import person_here

Clock: TypeAlias = Callable[[], datetime]
Sleep: TypeAlias = Callable[[float], None]
# Gets the report of a run, also of one that then raises an error.
Show: TypeAlias = Callable[[DeletionReport], None]
PLAN, DELETE, REFRESH = "plan", "delete", "refresh"
_NO_RUN: Final = ("planned", "approved", "declined", "stale")


def plan_deletion(
    file: str,
    show: Show,
    tenant: str | None = None,
    *,
    batch: int = MOST_DELETIONS,
    ticket: str | None = None,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> DeletionReport:
    """Plan the deletion of the devices that a file names, and keep the plan for approval.

    Args:
        file: a path, or `-` for stdin: a device a line, CSV or JSON.
        show: gets the report.
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.
        batch: how many devices a request may have.
        ticket: is kept.
        clock: returns the current time.
        sleep: waits.

    Raises:
        UsageError: the file names no device, or a batch is not 1 to 100.
        PipelineError: as `make_plan`; nothing was planned.
    """
    if not 1 <= batch <= MOST_DELETIONS:
        raise UsageError(f"a request has 1 to {MOST_DELETIONS} devices, not {batch}")
    with open_deletion(tenant, PLAN, clock, sleep) as run:
        with run.lease():
            made = make_plan(run, file, batch, ticket, person_here().asker)
        return _reported(run, made, None, show)


def delete_devices(
    plan_id: str,
    sha256: str | None,
    show: Show,
    tenant: str | None = None,
    *,
    wait: timedelta | None = None,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> DeletionReport:
    """Delete the devices of an approved plan that were not seen since it was made.

    A plan that has begun is resumed: what may have been sent is never sent again.

    Args:
        plan_id: the plan.
        sha256: its hash, or the beginning of it, as shown to the person who approved it.
        show: gets the report, also if this raises.
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.
        wait: how long to wait until the devices are gone; None for not at all.
        clock: returns the current time.
        sleep: waits.

    Raises:
        NotApprovedError: a person has said no, or nobody has said yes.
        StaleError: devices were deleted since the plan was made, or 24 hours are over.
        PipelineError: as `delete_planned`, or not all devices were accepted.
    """
    with open_deletion(tenant, DELETE, clock, sleep) as run:
        with run.lease() as lease:
            made = load_plan(run, plan_id, sha256)
            try:
                _require_approval(run, made.record)
                inventory = read_inventory(run)
                look_up(run, inventory)
                keep_gone_of(run, inventory, plan_id)
                run.ledger.actions.begin(made.record, made.batches(), person_here().asker)
                delete_planned(run, made, inventory, lease)
                _await(run, made, wait)
            except PipelineError as error:
                return _reported(run, made, error, show)
            finally:
                _finish(run, made)
        return _reported(run, made, None, show)


def deletion_status(
    plan_id: str | None,
    tenant: str | None = None,
    *,
    refresh: bool = False,
    clock: Clock = utc_now,
    sleep: Sleep = time.sleep,
) -> DeletionReport:
    """Return what became of each device of a plan, by default the newest.

    Args:
        plan_id: the plan.
        tenant: a profile; without it, the NEXTHINK_* variables name the tenant.
        refresh: read the inventory first, and settle what is in doubt.
        clock: returns the current time.
        sleep: waits.

    Raises:
        UsageError: there is no such plan.
        PipelineError: as `read_inventory`, or another run holds deletions.
    """
    if refresh:
        _refresh(plan_id, tenant, clock, sleep)
    settings = load_settings()
    name = tenant_name(settings, tenant)
    lake = Lake(settings.lake, name, settings.home / "staging")
    with (
        open_ledger(settings.ledger_url.get_secret_value(), name) as ledger,
        tempfile.TemporaryDirectory() as scratch,
    ):
        return report_of(ledger, read_plan(lake, _record(ledger, plan_id), Path(scratch)), name)


def waits_for_a_person(plan_id: str, sha256: str) -> NotApprovedError:
    """Return the error of a plan that nobody has approved."""
    return NotApprovedError(
        f"plan {plan_id} waits for a person: nxp devices approve --plan {plan_id} --who NAME "
        f"--why TEXT, then nxp devices delete --plan {plan_id} --hash {sha256[:12]}; nothing was "
        "deleted"
    )


def _refresh(plan_id: str | None, tenant: str | None, clock: Clock, sleep: Sleep) -> None:
    with open_deletion(tenant, REFRESH, clock, sleep) as run:
        with run.lease():
            record = _record(run.ledger, plan_id)
            inventory = read_inventory(run)
            look_up(run, inventory)
            keep_gone_of(run, inventory, record.plan_id)
        counts = {"units": 0, "rows_landed": 0, "rows_rejected": 0, "error": None}
        run.ledger.finish_run(run.run_id, "done", counts)


def _record(ledger: Ledger, plan_id: str | None) -> ActionPlanRecord:
    plans = ledger.action_plans
    newest = next(iter(plans.of(ACTION, limit=1)), None)
    return plan_of(plans.get(plan_id) if plan_id else newest, plan_id)


def _require_approval(run: DeletionRun, record: ActionPlanRecord) -> None:
    known = run.ledger.action_plans.get(record.plan_id) or record
    if known.state == ActionPlanState.DECLINED:
        raise NotApprovedError(
            f"plan {known.plan_id} was declined by {known.approved_by}: nothing was deleted"
        )
    if known.begun_at is None and known.state != ActionPlanState.APPROVED:
        raise waits_for_a_person(known.plan_id, known.sha256)


def _await(run: DeletionRun, made: DeletionPlan, wait: timedelta | None) -> None:
    """Read the inventory back until the devices are gone.

    Raises:
        PartlyDoneError: they are not within the time, or the inventory cannot be read.
    """
    if wait is None:
        return
    plan_id, pause, deadline = made.record.plan_id, FIRST_POLL, run.now + wait
    while True:
        run.tools.sleep(max(min(pause, deadline - run.now), timedelta(0)).total_seconds())
        try:
            left = keep_gone_of(run, read_inventory(run), plan_id)
        except PipelineError as error:
            raise PartlyDoneError(
                f"requested, but not read back: {error}; nxp devices status --plan {plan_id} "
                "--refresh reads it back"
            ) from error
        if not left:
            return
        if run.now >= deadline:
            raise PartlyDoneError(
                f"{left:,} of {made.targets.height:,} devices are still in the inventory: nxp "
                f"devices status --plan {plan_id} --refresh looks again"
            )
        pause = min(pause * POLL_GROWTH, LONGEST_POLL)


def _finish(run: DeletionRun, made: DeletionPlan) -> None:
    """Mark a plan as finished once all of it has been sent."""
    plan_id = made.record.plan_id
    if not run.ledger.actions.requests(plan_id=plan_id, states=[RequestState.INTENT]):
        run.ledger.action_plans.finish(plan_id)


def _reported(
    run: DeletionRun, made: DeletionPlan, error: PipelineError | None, show: Show
) -> DeletionReport:
    """Keep and show a run's report, and raise if anything was left out."""
    report = report_of(run.ledger, made, run.tenant.name, error)
    if error is None and report.plan_state not in _NO_RUN and (error := shortfall(report)):
        report = report_of(run.ledger, made, run.tenant.name, error)
    keep_report(run, report)
    show(report)
    if error:
        raise error
    return report
