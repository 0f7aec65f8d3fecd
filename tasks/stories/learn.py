"""Learning a dataset's columns: one export of its query, read whole, and nothing landed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.clock import utc_now
from connectors.errors import DataRefusedError
from connectors.nexthink.results.result_file import ResultFile
from connectors.settings.installation import Settings
from connectors.settings.tenants import TenantSettings
from tasks.exports.sample import export_to
from tasks.runs.opening import Parts, connected, opened
from tasks.upkeep.learn import Lesson, learn_file

TRIGGER = "learn"


@dataclass(frozen=True, slots=True)
class LearnAsked:
    """What to learn from: a dataset's saved query, with its parameters."""

    dataset: str
    query_id: str
    parameters: Mapping[str, str]


def learn(
    settings: Settings,
    tenant: TenantSettings,
    asked: LearnAsked,
    clock: Callable[[], datetime] = utc_now,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Lesson, bool]:
    """Export a saved query; return what its rows show, and whether the tenant cut the result.

    The result holds people's data, so it lies in the run's own folder, which is removed at the end.

    Raises:
        DataRefusedError: there are no rows to learn from, or they are damaged.
        PipelineError: as `export_to`.
    """
    with (
        opened(settings, tenant.name, {"dataset": asked.dataset}, clock, sleep) as parts,
        connected(parts, tenant) as tools,
    ):
        parts.ledger.begin_run(parts.run_id, asked.dataset, TRIGGER)
        path = parts.folder() / "sample.csv"
        is_cut = export_to(
            path,
            tools.client,
            asked.query_id,
            asked.parameters,
            clock=clock,
            sleep=parts.stop.sleep,
        )
        try:
            lesson = learn_file(ResultFile(path), tenant.time_zone, tenant.named("time_zone"))
        except DataRefusedError as error:
            raise DataRefusedError(f"{asked.query_id}: {error.message}") from None
        parts.keep_report("done", _report(parts, asked.dataset))
        return lesson, is_cut


def _report(parts: Parts, dataset: str) -> dict[str, Any]:
    """Return the report: a run that lands nothing."""
    return {
        "run_id": parts.run_id,
        "tenant": parts.tenant,
        "dataset": dataset,
        "trigger": TRIGGER,
        "state": "done",
        "started_at": parts.started_at,
        "finished_at": parts.clock(),
        "units": 0,
        "rows_landed": 0,
        "rows_rejected": 0,
        "error": None,
        "seconds": {},
    }
