"""The report of an upkeep run that moves or rewrites files, in the form of a maintenance's."""

from datetime import datetime
from typing import Any

from connectors.errors import PipelineError
from tasks.runs.opening import Parts


def keep_upkeep(
    parts: Parts,
    trigger: str,
    dataset: str,
    counts: tuple[int, int, int],
    failure: PipelineError | None,
    finished_at: datetime,
) -> None:
    """Keep the report of a run.

    Args:
        parts: of the run.
        trigger: what kind of run it is.
        dataset: its dataset.
        counts: the units, files and bytes that were moved or rewritten.
        failure: what ended it, if anything.
        finished_at: when it ended.
    """
    units, files, size = counts
    report: dict[str, Any] = {
        "run_id": parts.run_id,
        "state": "failed" if failure else "done",
        "started_at": parts.started_at,
        "finished_at": finished_at,
        "tenant": parts.tenant,
        "dataset": dataset,
        "trigger": trigger,
        "units": units,
        "rows_dropped": 0,
        "files_moved": files,
        "bytes_moved": size,
        "files_deleted": 0,
        "bytes_deleted": 0,
        "rows_landed": 0,
        "rows_rejected": 0,
        "folder": parts.lake.dataset_location(dataset),
        "error": str(failure) if failure else None,
        "seconds": {},
    }
    parts.keep_report(report["state"], report)
