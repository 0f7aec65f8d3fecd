"""A rewrite: a dataset's landed files are brought to the types that it declares now."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from connectors.catalogue import load_dataset
from connectors.clock import utc_now
from connectors.errors import PipelineError, UsageError
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from tasks.runs.opening import opened
from tasks.runs.stopping import check_stop
from tasks.upkeep.reported import keep_upkeep
from tasks.upkeep.rewrite import Rewriting, Rewritten, plan_rewrite, rewrite

TRIGGER = "rewrite"


def rewrite_dataset(
    dataset: str,
    tenant: str | None = None,
    clock: Callable[[], datetime] = utc_now,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Rewrite a dataset in the lake; return what was rewritten, or with `dry_run` would be.

    Raises:
        ConfigurationError: settings or catalogue have problems.
        UsageError: the dataset is unknown, or lands in a table only.
        PipelineError: as tasks.upkeep.rewrite.rewrite; the run is recorded as failed.
    """
    settings = load_settings()
    specification = load_dataset(settings.catalog, dataset)
    if not specification.in_lake:
        raise UsageError(f"{dataset} lands in a table only: there are no files to rewrite")
    found = load_tenant(settings, tenant)
    with opened(settings, found.name, {"dataset": dataset}, clock) as parts:
        of = Rewriting(
            specification, parts.lake, parts.ledger, parts.run_id, found.time_zone, check_stop
        )
        if dry_run:
            return asdict(plan_rewrite(of))
        parts.ledger.begin_run(parts.run_id, dataset, TRIGGER)
        done, failure = Rewritten(dataset, 0, 0, 0, ()), None
        try:
            done = rewrite(of)
        except PipelineError as error:
            failure = error
        keep_upkeep(parts, TRIGGER, dataset, (done.units, done.files, done.bytes), failure, clock())
        if failure:
            raise failure
        return asdict(done)
