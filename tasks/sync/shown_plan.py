"""Opening a plan that was made, to show it; nothing about it is decided here."""

import tempfile
from pathlib import Path

from connectors.errors import StaleError, UsageError
from connectors.lake import Lake
from connectors.lake.plans import fetch_plan
from connectors.ledger import open_ledger
from connectors.settings.installation import Settings
from tasks.sync.plan_file import PlanSummary, SyncPlan
from tasks.sync.plan_view import PlanView, view_plan, write_page


def open_view(
    settings: Settings, tenant: str, sync: str, plan_id: str | None = None
) -> tuple[PlanView, str]:
    """Return a plan as a person reviews it, and where its page is, which is written again.

    Raises:
        UsageError: the sync has no such plan.
        StaleError: the plan's file is gone, or is not the one that was planned.
    """
    lake = Lake(settings.lake, tenant, settings.home / "staging")
    with (
        open_ledger(settings.ledger_url.get_secret_value(), tenant) as ledger,
        tempfile.TemporaryDirectory() as scratch,
    ):
        newest = next(iter(ledger.plans.of(sync, limit=1)), None)
        record = ledger.plans.get(plan_id) if plan_id else newest
        if record is None or record.sync != sync:
            raise UsageError(f"{sync} has no such plan: nxp plan {sync} makes one")
        path = fetch_plan(lake, record.location, Path(scratch))
        if path is None:
            raise StaleError(f"{sync}: the file of plan {record.plan_id} is gone: plan again")
        view = view_plan(SyncPlan(record, PlanSummary.from_json(record.summary), path), ledger)
        return view, write_page(lake, view, Path(scratch))
