"""Events that say whether a dataset landed; Prefect's automations react to them.

They hold counts, never a row's values. The work does not depend on them: if the server is away,
the event is lost and the run is not affected. A plain run emits none.
"""

import logging
from collections.abc import Mapping
from typing import Any

from tasks.runs.artifact import cause_of
from tasks.runs.recorded import flow_run

logger = logging.getLogger(__name__)

EVENT = "nexthink.dataset"
COUNTED = (
    *("planned", "units", "calls", "rows_read", "rows_landed", "rows_rejected", "rows_filtered"),
)


def resource_id(tenant: str, dataset: str) -> str:
    """Return the resource that the events of a tenant's dataset are about."""
    return f"{EVENT}.{tenant}.{dataset}"


def emit_outcome(report: Mapping[str, Any]) -> None:
    """Emit nexthink.dataset.landed, .partly or .failed; nothing if there was nothing to land.

    Args:
        report: of an export, as `_runs` and the ledger keep it.
    """
    if flow_run() is None or not (report["planned"] or report["expired"]):
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
                "windows_expired": len(report["expired"]),
                "watermark": report["watermark"] and report["watermark"].isoformat(),
            },
        )
    except Exception as error:  # noqa: BLE001 - whatever Prefect raises
        logger.warning("the event of run %s was not emitted: %s", report["run_id"], cause_of(error))
