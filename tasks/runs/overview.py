"""An operator's overview: how fresh all datasets are, and how far all syncs converge.

The tables have stable keys, and every export and sync updates them. They hold only counts and
times.
"""

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.catalogue import read_datasets
from connectors.errors import PipelineError
from connectors.ledger import Ledger
from connectors.settings.installation import Settings
from tasks.runs.artifact import show_table
from tasks.runs.freshness import Freshness, Light, freshness_of
from tasks.runs.recorded import flow_run

logger = logging.getLogger(__name__)

_LIGHTS: Final = {Light.GREEN: "🟢", Light.AMBER: "🟠", Light.RED: "🔴", Light.NONE: "⚪"}
# Problems come first, since a table shows only a limited number of datasets.
_WORST_FIRST: Final = (Light.RED, Light.AMBER, Light.NONE, Light.GREEN)
_LONGEST_ERROR: Final = 200
# How many runs to search: one that only planned, or failed before sending, has no convergence.
_RUNS_LOOKED_AT: Final = 20


def show_freshness(settings: Settings, ledger: Ledger, tenant: str, now: datetime) -> None:
    """Show how fresh every dataset of the catalogue is."""
    if flow_run() is None:
        return
    try:
        rows = freshness_rows(settings, ledger, now)
    except PipelineError as error:
        # An error in another dataset's YAML must not fail this run.
        logger.warning("the freshness of the datasets cannot be shown: %s", error)
        return
    show_table("freshness", tenant, rows, f"Datasets of tenant {tenant}, as of {_at(now)}.")


def freshness_rows(settings: Settings, ledger: Ledger, now: datetime) -> list[dict[str, Any]]:
    """Return a row per dataset of the catalogue, those with problems first."""
    found = freshness_of(read_datasets(settings.catalog).valid.values(), ledger, now)
    found.sort(key=lambda each: (_WORST_FIRST.index(each.light), each.dataset))
    return [_fresh_row(each) for each in found]


def show_convergence(settings: Settings, ledger: Ledger, tenant: str, now: datetime) -> None:
    """Show the result of the newest run of every sync of the catalogue."""
    if flow_run() is None:
        return
    try:
        rows = convergence_rows(settings, ledger)
    except PipelineError as error:
        logger.warning("the convergence of the syncs cannot be shown: %s", error)
        return
    show_table("convergence", tenant, rows, f"Syncs of tenant {tenant}, as of {_at(now)}.")


def convergence_rows(settings: Settings, ledger: Ledger) -> list[dict[str, Any]]:
    """Return a row per sync of the catalogue, with the result of its newest run."""
    from connectors.syncs import read_syncs  # noqa: PLC0415 - DuckDB, not for an export

    return [_sync_row(ledger, name) for name in read_syncs(settings.catalog).names]


def _fresh_row(fresh: Freshness) -> dict[str, Any]:
    return {
        "": _LIGHTS[fresh.light],
        "dataset": fresh.dataset,
        "freshness": fresh.light.value,
        "age": _length(fresh.age),
        "watermark": _at(fresh.watermark),
        "landed to": _at(fresh.landed_to),
        "landed at": _at(fresh.landed_at),
        "units": fresh.units,
        "rows": fresh.rows,
        "empty windows": fresh.empty,
        "last error": (fresh.last_error or "")[:_LONGEST_ERROR],
    }


def _sync_row(ledger: Ledger, sync: str) -> dict[str, Any]:
    runs = ledger.runs(sync, _RUNS_LOOKED_AT)
    run = next((each for each in runs if (each["report"] or {}).get("plan_id")), {})
    report = run.get("report") or {}
    verified = report.get("verified") or {}
    values = report.get("values") or {}
    left = {"not sent", "open"}
    planned = (report.get("planned") or {}).get("rows")
    return {
        "sync": sync,
        "state": run.get("state", "never run"),
        "at": _at(run.get("finished_at")),
        "values planned": planned,
        "objects accepted": report.get("acknowledged"),
        "objects refused": report.get("rejected"),
        "objects left": report.get("unknown", 0) + report.get("not_sent", 0) if report else None,
        "values left": sum(sum(v for k, v in each.items() if k in left) for each in values.values())
        if report
        else None,
        "verified": verified.get("confirmed"),
        "differ": verified.get("differs"),
        "convergence %": report.get("convergence"),
        "error": (report.get("error") or "")[:_LONGEST_ERROR],
    }


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%SZ}"


def _length(age: timedelta | None) -> str:
    if age is None:
        return ""
    hours, seconds = divmod(int(age.total_seconds()), 3600)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {seconds // 60} min"
