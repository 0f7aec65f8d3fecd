"""Answers of the commands that land, act and list: reports, plans, runs and datasets.

Their fields are nxp's own: reports have the types that the stories return.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from connectors.ledger.action_requests import ActionRequest
from nxp.answers.steps import Step
from nxp.described import DatasetDescribed
from tasks.land.outcome import UnitOutcome
from tasks.land.run_report import RunReport
from tasks.sync.plan_file import MaskedSample
from tasks.sync.report import SyncReport


@dataclass(frozen=True, slots=True)
class UnitFailure:
    """A unit that did not land, and why."""

    unit: str
    error: str


@dataclass(frozen=True, slots=True)
class ExportReport(RunReport):
    """How an export or a back-fill of one dataset ended, with the outcome of each unit."""

    failures: list[UnitFailure]  # type: ignore[assignment] # the same, with named fields
    outcomes: list[UnitOutcome]  # type: ignore[assignment] # the same, with named fields


@dataclass(frozen=True, slots=True)
class DatasetFailure:
    """A dataset of which nothing has landed, and why."""

    dataset: str
    error: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class SeveralReports:
    """How an export of several datasets ended."""

    state: Literal["landed", "partly"]
    datasets: list[ExportReport]
    failures: list[DatasetFailure]


class PlannedUnit(BaseModel):
    """A unit that would land."""

    unit: str
    # A word of Python cannot name an attribute.
    __annotations__["from"] = datetime
    to: datetime


@dataclass(frozen=True, slots=True)
class PlannedBackfill:
    """What a back-fill would land, and the requests that takes; with --dry-run."""

    dataset: str
    windows: int
    to_land: int
    calls: int
    calls_per_window: float
    calls_measured: bool
    calls_used_today: int
    calls_a_day: int
    exports_used_today: int
    exports_a_day: int | None
    exports_now: int
    done_at: datetime
    units: list[PlannedUnit]


@dataclass(frozen=True, slots=True)
class SharedBackfill:
    """How a back-fill shared among workers ended; with --on."""

    dataset: str
    windows: int
    landed: int
    failed: int
    left: int
    runs_ended: int
    calls: int
    rows_landed: int
    rows_rejected: int
    rows_filtered: int


@dataclass(frozen=True, slots=True)
class DatasetShown(DatasetDescribed):
    """A dataset of the catalogue, what it says of itself, and how fresh it is."""

    mode: str
    query_id: str
    watermark: datetime | None
    landed_to: datetime | None
    landed_at: datetime | None
    units: int | None
    rows: int | None
    empty: int | None
    last_error: str | None
    freshness: str | None


@dataclass(frozen=True, slots=True)
class UnitShown:
    """A unit of a dataset, as the ledger has it; with the NAME of a dataset."""

    unit: str
    state: str
    rows: int | None
    landed_at: datetime | None
    run_id: str | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A saved query to paste into Nexthink; with --nql."""

    query_id: str
    nql: str


@dataclass(frozen=True, slots=True)
class RunShown:
    """A run of a dataset, a sync or an action; `report` is what the run printed, if it ended."""

    run_id: str
    tenant: str
    dataset: str
    trigger: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    units: int | None
    rows_landed: int | None
    rows_rejected: int | None
    rows_filtered: int | None
    error: str | None
    report: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ActionPlanShown:
    """A plan of an action, with the requests sent for it and their outcomes."""

    plan_id: str
    action: str
    kind: str
    action_id: str
    sha256: str
    location: str
    created_at: datetime
    specification: str
    version: int
    state: str
    approved_by: str | None
    approved_why: str | None
    ticket: str | None
    approved_at: datetime | None
    begun_at: datetime | None
    finished_at: datetime | None
    asked_by: str | None
    asked_how: str | None
    run_by: str | None
    run_as: str | None
    targets: int
    requests: int
    excluded: dict[str, int]
    states: dict[str, int]
    outcomes: dict[str, int]
    sent: list[ActionRequest]


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    """One target of a plan, or who was left out of it and why: people's data; with --targets."""

    device: str | None
    name: str | None
    person: str | None
    reason: str | None
    state: str | None
    status: str | None
    details: str | None
    answers: str | None


@dataclass(frozen=True, slots=True)
class JournalledRequest:
    """One request of the journal of acting; without an ACTION."""

    action: str | None
    action_id: str
    intent_id: str
    state: str
    targets: int
    created_at: datetime | None
    sent_at: datetime | None
    request_id: str | None
    code: str | None
    asked_by: str | None
    asked_how: str | None


@dataclass(frozen=True, slots=True)
class SyncShown(SyncReport):
    """How a run of a sync ended; a plan has a few of its values, masked."""

    samples: list[MaskedSample]


@dataclass(frozen=True, slots=True)
class StateShown:
    """What the ledger knows about a dataset; `units` are counted by state."""

    dataset: str
    mode: str
    watermark: datetime | None
    counted_from: datetime | None
    moved_at: datetime | None
    landed: int
    dropped: int
    partial: int
    expired: int
    unproven: int
    pending: int
    failed: int
    last_try_failed: int
    not_before: datetime | None
    exports_under_way: int
    backfills_under_way: list[str]


@dataclass(frozen=True, slots=True)
class CheckShown:
    """What is valid: the names of a catalogue, and what its transforms derive."""

    tenant: str
    datasets: list[str]
    syncs: list[str]
    actions: list[str]
    questions: list[str]
    derived: dict[str, dict[str, str]]
    notes: list[str]
    connected: bool
    steps: list[Step]
