"""A replay: the rejected rows of a run are tried again, unit by unit, and land if they fit now."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from connectors.catalogue import load_dataset
from connectors.clock import utc_now
from connectors.errors import (
    DataRefusedError,
    HeldError,
    PartlyDoneError,
    PipelineError,
    UsageError,
)
from connectors.lake.rejects import RejectFile, reject_files
from connectors.landings import open_landings
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from tasks.columns.reasons import most_frequent
from tasks.columns.rules import landing_as
from tasks.columns.transform import load_transform
from tasks.runs.opening import opened
from tasks.runs.recorded import recorded
from tasks.upkeep.refit import ReplayRun
from tasks.upkeep.replay import (
    DONE,
    LANDED,
    SUPERSEDED,
    Replayed,
    may_be_replayed,
    replay_unit,
    try_unit,
)

TRIGGER = "replay"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay did, or would do: its run, and the outcome of each unit."""

    run_id: str
    outcomes: tuple[Replayed, ...]


@contextmanager
def open_replay(
    dataset: str, tenant: str | None, clock: Callable[[], datetime] = utc_now
) -> Iterator[ReplayRun]:
    """Open a replay of a dataset.

    Raises:
        UsageError: the dataset lands in a table only, or is unknown.
    """
    settings = load_settings()
    specification = load_dataset(settings.catalog, dataset)
    if not specification.in_lake:
        raise UsageError(
            f"{dataset} lands in a table only: its rejects cannot be replayed, export again"
        )
    found = load_tenant(settings, tenant)
    transform = load_transform(specification, settings.catalog, allow_code=settings.allow_code)
    landed = landing_as(specification, transform)
    with (
        opened(settings, found.name, {"dataset": dataset}, clock) as parts,
        ExitStack() as stack,
    ):
        landings = open_landings(settings, found.name, landed, parts.lake, clock)
        for landing in landings:
            stack.callback(landing.close)
        yield ReplayRun(
            parts=parts,
            specification=specification,
            landings=landings,
            zone=found.time_zone,
            zone_setting=found.named("time_zone"),
            transform=transform,
        )


def try_replay(run: ReplayRun, rejecting_run: str) -> ReplayResult:
    """Return what replaying the rejects of a run would land; nothing is changed."""
    files = _files(run, rejecting_run)
    return ReplayResult(run.run_id, tuple(try_unit(run, file) for file in files))


def replay(run: ReplayRun, rejecting_run: str) -> ReplayResult:
    """Replay all units of a run; one that is refused ends the replay, earlier ones stay landed.

    Raises:
        UsageError: that run has rejected no rows.
        PartlyDoneError: some units were replayed before one was refused.
        PipelineError: the first unit was refused.
    """
    files = _files(run, rejecting_run)
    if not any(may_be_replayed(run, file) for file in files):
        return try_replay(run, rejecting_run)
    run.ledger.begin_run(run.run_id, run.dataset, TRIGGER)
    outcomes: list[Replayed] = []
    failure: PipelineError | None = None
    try:
        replay_units(run, files, outcomes)
    except PipelineError as error:
        failure = error
    report = _report(run, outcomes, failure)
    run.parts.keep_report(report["state"], report)
    if failure is None:
        return ReplayResult(run.run_id, tuple(outcomes))
    done = sum(outcome.state == LANDED for outcome in outcomes)
    if not done:
        raise failure
    raise PartlyDoneError(f"{done} of {len(files)} units replayed, then: {failure}") from failure


@recorded("replay")
def replay_units(run: ReplayRun, files: Sequence[RejectFile], outcomes: list[Replayed]) -> None:
    """Replay units one after the other; if one fails, `outcomes` has those before it."""
    for file in files:
        outcomes.append(replay_unit(run, file))  # noqa: PERF401 - kept when a later one fails


def raise_unless_replayed(dataset: str, run_id: str, outcomes: Sequence[Replayed]) -> None:
    """Raise unless all rejected rows have landed, so that the exit code says what is left to do.

    Raises:
        HeldError: all units have landed again since.
        DataRefusedError: no row fits.
        PartlyDoneError: some rows still do not fit.
    """
    if all(outcome.state == SUPERSEDED for outcome in outcomes):
        owners = sorted({outcome.owner for outcome in outcomes if outcome.owner})
        since = f"landed again since, by run {', '.join(owners)}" if owners else "nothing landed"
        raise HeldError(f"{dataset}: the units of run {run_id} have {since}: nothing to replay")
    rejected = sum(outcome.rejected for outcome in outcomes)
    if not rejected:
        return
    reasons = sum((Counter(outcome.reasons) for outcome in outcomes), Counter[str]())
    why = most_frequent(reasons, rejected)
    if not any(outcome.state in {LANDED, DONE} for outcome in outcomes):
        raise DataRefusedError(
            f"{dataset}: none of the {rejected} rejected rows of run {run_id} fits{why}: correct "
            f"the dataset (nxp rejects {dataset} --run {run_id} has all reasons); nothing was "
            "published"
        )
    raise PartlyDoneError(
        f"{dataset}: {rejected} rows still do not fit{why}: nxp rejects {dataset} has the reasons"
    )


def _files(run: ReplayRun, rejecting_run: str) -> list[RejectFile]:
    files = reject_files(run.lake, run.dataset, rejecting_run)
    if not files:
        raise UsageError(f"run {rejecting_run} has rejected no rows of {run.dataset}")
    return files


def _report(
    run: ReplayRun, outcomes: Sequence[Replayed], error: PipelineError | None
) -> dict[str, Any]:
    """Return the report, with the columns of an export's."""
    done = [outcome for outcome in outcomes if outcome.state == LANDED]
    rejected = sum(outcome.rejected for outcome in outcomes)
    partly = "partly" if done else "failed"
    return {
        "run_id": run.run_id,
        "tenant": run.parts.tenant,
        "dataset": run.dataset,
        "trigger": TRIGGER,
        "state": partly if error or rejected else "landed",
        "started_at": run.started_at,
        "finished_at": run.parts.clock(),
        "planned": len(outcomes),
        "units": len(done),
        "calls": 0,
        "rows_read": sum(outcome.tried for outcome in done),
        "rows_landed": sum(outcome.landed for outcome in done),
        "rows_rejected": sum(outcome.rejected for outcome in done),
        "rows_outside": sum(outcome.outside for outcome in done),
        "rows_filtered": sum(outcome.filtered for outcome in done),
        "duplicates": 0,
        "repeated_hour": 0,
        "wire_bytes": 0,
        "csv_bytes": 0,
        "parquet_bytes": sum(outcome.parquet_bytes for outcome in done),
        "folder": run.lake.dataset_location(run.dataset),
        "watermark": None,
        "error": str(error) if error else None,
        "seconds": {},
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
