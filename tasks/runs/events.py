"""Events of datasets that landed, or did not: what Prefect's automations start from.

Counts only, never a row's values. An event is no part of the work: a server that is away changes
nothing. A plain run emits none.
"""

import logging
from collections.abc import Mapping
from typing import Any

from tasks.runs.recorded import flow_run

logger = logging.getLogger(__name__)

EVENT = "nexthink.dataset"
COUNTED = ("planned", "units", "calls", "rows_read", "rows_landed", "rows_rejected")


def resource_id(tenant: str, dataset: str) -> str:
    """Return the resource that the events of a tenant's dataset are about."""
    return f"{EVENT}.{tenant}.{dataset}"


def emit_outcome(report: Mapping[str, Any]) -> None:
    """Emit nexthink.dataset.landed, .partly or .failed; nothing where nothing was to be landed.

    Args:
        report: of an export, as `_runs` and the ledger keep it.
    """
    if flow_run() is None or not (report["planned"] or report["lost"]):
        return
    from prefect.events import emit_event  # noqa: PLC0415 - not in a plain run

    tenant, dataset = report["tenant"], report["dataset"]
    try:
        emit_event(
            f"{EVENT}.{report['state']}",
            resource={
                "prefect.resource.id": resource_id(tenant, dataset),
                "prefect.resource.name": dataset,
                "nexthink.tenant": tenant,
                "nexthink.dataset": dataset,
                # A back-fill of old windows does not make a dataset fresh.
                "nexthink.trigger": report["trigger"],
            },
            payload={
                "run_id": report["run_id"],
                **{name: report[name] for name in COUNTED},
                "windows_lost": len(report["lost"]),
                "watermark": report["watermark"] and report["watermark"].isoformat(),
            },
        )
    except Exception:  # noqa: BLE001 - whatever Prefect answers
        logger.warning("the event of run %s was not emitted", report["run_id"])
