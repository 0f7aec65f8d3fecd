"""A maintenance as a recorded run: in the ledger, in `_runs`, and as a Prefect task."""

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from connectors.catalogue import DatasetSpecification, Mode
from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.lake import Lake
from connectors.lake.records import write_run
from connectors.ledger import Ledger, open_ledger
from connectors.settings.installation import prepare_home
from tasks.upkeep.maintain import TRIGGER, Cleared, Upkeep, clear, describe, plan_upkeep

logger = logging.getLogger(__name__)


def run_upkeep(upkeep: Upkeep, clock: Callable[[], datetime] = utc_now) -> dict[str, Any]:
    """Maintain a dataset or a sync, recorded in the ledger and in `_runs`.

    Raises:
        PipelineError: as maintain_dataset; the run is recorded as failed.
    """
    run_id = str(uuid.uuid4())
    prepare_home(upkeep.settings)
    ledger = open_ledger(upkeep.settings.ledger_url.get_secret_value(), upkeep.tenant, clock)
    try:
        ledger.begin_run(run_id, upkeep.name, TRIGGER)
        return _recorded(upkeep, ledger, run_id, clock)
    except BaseException as error:
        ledger.abandon_run(run_id, "failed" if isinstance(error, Exception) else "interrupted")
        raise
    finally:
        ledger.close()


def _recorded(
    upkeep: Upkeep, ledger: Ledger, run_id: str, clock: Callable[[], datetime]
) -> dict[str, Any]:
    lake, started_at = Lake(upkeep.settings.lake, upkeep.tenant), clock()
    done: Sequence[Cleared] = ()
    failure: PipelineError | None = None
    try:
        done = clear(upkeep, lake, started_at)
        _mark_dropped(upkeep, ledger, started_at)
    except PipelineError as error:
        failure = error
    report = {
        "run_id": run_id,
        "state": "failed" if failure else "done",
        "started_at": started_at,
        "finished_at": clock(),
        **describe(upkeep, done),
        "rows_landed": 0,
        "rows_rejected": 0,
        "folder": lake.location(upkeep.name),
        "error": str(failure) if failure else None,
        "seconds": {},
    }
    _save(lake, ledger, report)
    if failure:
        raise failure
    return report


def _mark_dropped(upkeep: Upkeep, ledger: Ledger, now: datetime) -> None:
    """Let the ledger know, also of what a killed maintenance has dropped."""
    of = upkeep.specification
    if of.retention is None:
        return
    if isinstance(of, DatasetSpecification):
        newest = of.mode is Mode.SNAPSHOT
        ledger.mark_dropped(of.dataset, now - of.retention, now, keep_newest=newest)
    else:
        ledger.plans.drop_before(of.sync, now - of.retention)


def _save(lake: Lake, ledger: Ledger, report: dict[str, Any]) -> None:
    """Keep a report in the lake and, last, in the ledger; the first error is the one told."""
    try:
        write_run(lake, report)
    except PipelineError:
        if report["error"] is None:
            raise
        logger.warning("the report of run %s is in the ledger only", report["run_id"])
    ledger.finish_run(report["run_id"], report["state"], report)


@task(name="maintain", task_run_name="{dataset}", cache_policy=NO_CACHE, persist_result=False)
def maintain_task(dataset: str, grace: str, tenant: str | None) -> dict[str, Any]:
    """Maintain a dataset as a recorded task run: see run_upkeep."""
    return run_upkeep(plan_upkeep(dataset, grace, tenant))
