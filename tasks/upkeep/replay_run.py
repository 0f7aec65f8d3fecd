"""A replay as a run: its parts, its units one after the other, its report, how it ends."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from shutil import rmtree
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
from connectors.lake import Lake
from connectors.lake.records import write_run
from connectors.lake.rejects import RejectFile, reject_files
from connectors.landings import open_landings
from connectors.ledger import open_ledger
from connectors.settings.installation import Settings, prepare_home
from connectors.settings.tenants import load_tenant
from tasks.upkeep.replay import (
    DONE,
    LANDED,
    SUPERSEDED,
    Replayed,
    Tools,
    may_be_replayed,
    replay_unit,
    try_unit,
)

TRIGGER = "replay"


@contextmanager
def open_replay(
    settings: Settings,
    dataset: str,
    tenant: str | None,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[Tools]:
    """Open lake and ledger, and clear away what killed runs left aside."""
    specification = load_dataset(settings.catalog, dataset)
    if not specification.in_lake:
        raise UsageError(
            f"{dataset} lands in a table only: its rejects cannot be replayed, export anew"
        )
    found = load_tenant(settings, tenant)
    spool = prepare_home(settings) / "spool"
    lake = Lake(settings.lake, found.name, settings.home / "staging")
    ledger = open_ledger(settings.ledger_url.get_secret_value(), found.name, clock)
    landings = open_landings(settings, found.name, specification, lake, clock)
    tools = Tools(
        str(uuid.uuid4()), found.name, specification, lake, landings, ledger, found.time_zone
    )
    try:
        for interrupted in ledger.close_interrupted_runs():
            rmtree(spool / interrupted, ignore_errors=True)
            lake.discard_stage(interrupted)
        yield tools
    finally:
        lake.discard_stage(tools.run_id)
        for place in landings:
            place.close()
        ledger.close()


def try_replay(tools: Tools, run_id: str) -> list[Replayed]:
    """Say what replaying a run would land."""
    return [try_unit(tools, file) for file in _files(tools, run_id)]


def run_replay(
    tools: Tools, run_id: str, clock: Callable[[], datetime] = utc_now
) -> list[Replayed]:
    """Replay all units of a run; a unit that is refused ends it, those before stay landed."""
    files = _files(tools, run_id)
    if not any(may_be_replayed(tools, file) for file in files):
        return [try_unit(tools, file) for file in files]
    started_at = clock()
    tools.ledger.begin_run(tools.run_id, tools.dataset, TRIGGER)
    outcomes: list[Replayed] = []
    try:
        for file in files:
            outcomes.append(replay_unit(tools, file))  # noqa: PERF401 - kept when a later one fails
    except PipelineError as error:
        _report(tools, outcomes, started_at, clock(), error)
        if not any(outcome.state == LANDED for outcome in outcomes):
            raise
        done = sum(outcome.state == LANDED for outcome in outcomes)
        raise PartlyDoneError(f"{done} of {len(files)} units replayed, then: {error}") from error
    except BaseException as error:
        # A signal, or a bug: neither gets as far as a report.
        state = "failed" if isinstance(error, Exception) else "interrupted"
        tools.ledger.abandon_run(tools.run_id, state)
        raise
    _report(tools, outcomes, started_at, clock())
    return outcomes


def judge(dataset: str, run_id: str, outcomes: Sequence[Replayed]) -> None:
    """Say by the exit code what is left to do.

    Raises:
        HeldError: all units have landed anew since.
        DataRefusedError: no row fits.
        PartlyDoneError: some rows still do not fit.
    """
    if all(outcome.state == SUPERSEDED for outcome in outcomes):
        owners = sorted({outcome.owner for outcome in outcomes if outcome.owner})
        since = f"landed anew since, by run {', '.join(owners)}" if owners else "nothing landed"
        raise HeldError(f"{dataset}: the units of run {run_id} have {since}: nothing to replay")
    rejected = sum(outcome.rejected for outcome in outcomes)
    if not rejected:
        return
    if not any(outcome.state in {LANDED, DONE} for outcome in outcomes):
        raise DataRefusedError(
            f"{dataset}: none of the {rejected} rejected rows of run {run_id} fits: mend the "
            f"dataset (nxp rejects {dataset} --run {run_id} has the reasons); nothing was published"
        )
    raise PartlyDoneError(
        f"{dataset}: {rejected} rows still do not fit: nxp rejects {dataset} has the reasons"
    )


def _files(tools: Tools, run_id: str) -> list[RejectFile]:
    files = reject_files(tools.lake, tools.dataset, run_id)
    if not files:
        raise UsageError(f"run {run_id} has rejected no row of {tools.dataset}")
    return files


def _report(
    tools: Tools,
    outcomes: Sequence[Replayed],
    started_at: datetime,
    finished_at: datetime,
    error: PipelineError | None = None,
) -> None:
    """Keep the report in `_runs` and, last, in the ledger; its columns are an export's."""
    done = [outcome for outcome in outcomes if outcome.state == LANDED]
    rejected = sum(outcome.rejected for outcome in outcomes)
    partly = "partly" if done else "failed"
    report: dict[str, Any] = {
        "run_id": tools.run_id,
        "tenant": tools.tenant,
        "dataset": tools.dataset,
        "trigger": TRIGGER,
        "state": partly if error or rejected else "landed",
        "started_at": started_at,
        "finished_at": finished_at,
        "planned": len(outcomes),
        "units": len(done),
        "calls": 0,
        "rows_read": sum(outcome.tried for outcome in done),
        "rows_landed": sum(outcome.landed for outcome in done),
        "rows_rejected": sum(outcome.rejected for outcome in done),
        "rows_outside": sum(outcome.outside for outcome in done),
        "duplicates": 0,
        "repeated_hour": 0,
        "wire_bytes": 0,
        "csv_bytes": 0,
        "parquet_bytes": sum(outcome.parquet_bytes for outcome in done),
        "folder": tools.lake.location(tools.dataset),
        "watermark": None,
        "error": str(error) if error else None,
        "seconds": {},
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }
    write_run(tools.lake, report)
    tools.ledger.finish_run(tools.run_id, report["state"], report)
