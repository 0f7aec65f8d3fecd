"""A maintenance: drop data past its retention, and delete superseded files."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from connectors.catalogue import DatasetSpecification, Mode
from connectors.clock import utc_now
from connectors.errors import PipelineError
from tasks.runs.opening import Parts, opened
from tasks.runs.recorded import recorded
from tasks.upkeep.maintain import TRIGGER, Cleared, Upkeep, clear, describe


def maintain(upkeep: Upkeep, clock: Callable[[], datetime] = utc_now) -> dict[str, Any]:
    """Maintain a dataset, or what a sync leaves in the lake; return the report.

    Raises:
        PipelineError: as maintain_dataset; the run is recorded as failed.
    """
    is_dataset = isinstance(upkeep.specification, DatasetSpecification)
    about = {"dataset" if is_dataset else "sync": upkeep.name}
    with opened(upkeep.settings, upkeep.tenant, about, clock) as parts:
        parts.ledger.begin_run(parts.run_id, upkeep.name, TRIGGER)
        done: Sequence[Cleared] = ()
        failure: PipelineError | None = None
        try:
            done = clear_away(upkeep, parts)
        except PipelineError as error:
            failure = error
        report = {
            "run_id": parts.run_id,
            "state": "failed" if failure else "done",
            "started_at": parts.started_at,
            "finished_at": clock(),
            **describe(upkeep, done),
            "rows_landed": 0,
            "rows_rejected": 0,
            "folder": parts.lake.dataset_location(upkeep.name),
            "error": str(failure) if failure else None,
            "seconds": {},
        }
        parts.keep_report(report["state"], report)
        if failure:
            raise failure
        return report


@recorded("maintain", "{upkeep.name}")
def clear_away(upkeep: Upkeep, parts: Parts) -> list[Cleared]:
    """Clear away, and record it in the ledger, including what a killed maintenance dropped."""
    done = clear(upkeep, parts.lake, parts.started_at)
    of = upkeep.specification
    if of.retention is None:
        return done
    horizon = parts.started_at - of.retention
    if isinstance(of, DatasetSpecification):
        newest = of.mode is Mode.SNAPSHOT
        parts.ledger.mark_dropped(of.dataset, horizon, parts.started_at, keep_newest=newest)
    else:
        parts.ledger.plans.drop_before(of.sync, horizon)
    return done
