"""Telling Prefect that a dataset landed, or did not: what automations start from.

Counts only, never a row's values. An event is no part of the work: a server that is away changes
nothing.
"""

import logging
from typing import TYPE_CHECKING

from prefect.events import emit_event

if TYPE_CHECKING:
    from tasks.land.report import RunReport

logger = logging.getLogger(__name__)

EVENT = "nexthink.dataset"
COUNTED = ("planned", "units", "calls", "rows_read", "rows_landed", "rows_rejected")


def resource_id(tenant: str, dataset: str) -> str:
    """Name a dataset of a tenant as the resource of its events."""
    return f"{EVENT}.{tenant}.{dataset}"


def emit_outcome(report: "RunReport") -> None:
    """Emit nexthink.dataset.landed, .partly or .failed; nothing where nothing was to be landed."""
    if not report.planned and not report.lost:
        return
    try:
        emit_event(
            f"{EVENT}.{report.state}",
            resource={
                "prefect.resource.id": resource_id(report.tenant, report.dataset),
                "prefect.resource.name": report.dataset,
                "nexthink.tenant": report.tenant,
                "nexthink.dataset": report.dataset,
                # A back-fill of old windows does not make a dataset fresh.
                "nexthink.trigger": report.trigger,
            },
            payload={
                "run_id": report.run_id,
                **{name: getattr(report, name) for name in COUNTED},
                "windows_lost": len(report.lost),
                "watermark": report.watermark and report.watermark.isoformat(),
            },
        )
    except Exception:  # noqa: BLE001 - whatever Prefect says to it
        logger.warning("the event of run %s was not emitted", report.run_id)
