"""Bringing datasets of the lake to the present layout, one run for each."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from connectors.clock import utc_now
from connectors.errors import PipelineError
from connectors.lake.migration import MIGRATED, Migrated, migrate, pending
from tasks.runs.opening import opened
from tasks.runs.stopping import check_stop
from tasks.upkeep.layout import Moving
from tasks.upkeep.reported import keep_upkeep

TRIGGER = "layout"
TO_MIGRATE = "to be migrated"


def migrate_layout(moving: Moving, clock: Callable[[], datetime] = utc_now) -> list[dict[str, Any]]:
    """Migrate datasets, one after the other; return a report of each.

    One that fails does not keep the others from being migrated.

    Raises:
        PipelineError: the first failure, after the last dataset.
    """
    done, failures = [], []
    for dataset in moving.datasets:
        try:
            done.append(_migrate_one(moving, dataset, clock))
        except PipelineError as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return done


def preview_layout(moving: Moving) -> list[dict[str, Any]]:
    """Return what a migration would do; nothing is changed and nothing recorded."""
    found = [pending(moving.lake(), dataset) for dataset in moving.datasets]
    return [
        _row(moving, replace(each, state=TO_MIGRATE) if each.state == MIGRATED else each)
        for each in found
    ]


def _migrate_one(moving: Moving, dataset: str, clock: Callable[[], datetime]) -> dict[str, Any]:
    planned = pending(moving.lake(), dataset)
    if planned.state != MIGRATED:
        return _row(moving, planned)
    with opened(moving.settings, moving.tenant, {"dataset": dataset}, clock) as parts:
        parts.ledger.begin_run(parts.run_id, dataset, TRIGGER)
        done, failure = Migrated(dataset, "failed"), None
        try:
            done = migrate(parts.lake, dataset, moving.zone_of(dataset), check_stop)
        except PipelineError as error:
            failure = error
        counts = (done.units, done.files, done.bytes)
        keep_upkeep(parts, TRIGGER, dataset, counts, failure, clock())
        if failure:
            raise failure
    return _row(moving, done)


def _row(moving: Moving, done: Migrated) -> dict[str, Any]:
    return {
        "tenant": moving.tenant,
        "dataset": done.dataset,
        "layout": done.state,
        "units": done.units,
        "files": done.files,
        "bytes": done.bytes,
    }
