"""Learning a dataset's columns: one export of its query, read whole, and nothing landed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.clock import utc_now
from connectors.errors import DataRefusedError
from connectors.nexthink.results.result_file import ResultFile
from connectors.settings.installation import Settings
from connectors.settings.tenants import TenantSettings
from tasks.exports.sample import export_to
from tasks.runs.opening import connected, opened
from tasks.upkeep.learn import Lesson, learn_file

TRIGGER = "learn"


@dataclass(frozen=True, slots=True)
class LearnAsked:
    """What is to be learned from: a dataset's saved query, with its parameters."""

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
    """Export a saved query and return what its rows teach; True if the tenant cut the result.

    The result holds people's data: it lies in the run's own folder, which is removed at the end.

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
            lesson = learn_file(ResultFile(path), tenant.time_zone)
        except DataRefusedError as error:
            raise DataRefusedError(f"{asked.query_id}: {error.message}") from None
        counts = {"units": 0, "rows_landed": 0, "rows_rejected": 0, "error": None}
        parts.ledger.finish_run(parts.run_id, "done", counts)
        return lesson, is_cut
