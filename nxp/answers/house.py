"""Answers of the commands about the installation, what has landed, and texts of queries."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, RootModel

from nql.linting import DiagnosticKind
from nxp.answers.runs import StateShown
from nxp.doctor.finding import Level
from tasks.upkeep.maintain import Cleared
from tasks.upkeep.query_differences import QueryAgreement
from tasks.upkeep.replay import Replayed


@dataclass(frozen=True, slots=True)
class SandboxReady:
    """The one line that a sandbox prints once it is ready: addresses, and secrets of its own."""

    api_url: str
    login_url: str
    results_url: str
    client_id: str
    client_secret: str
    instance: str
    region: str
    time_zone: str
    now: datetime
    devices: int
    days: int
    seed: int
    servicenow_url: str
    servicenow_user: str
    servicenow_password: str
    servicenow_client_id: str
    servicenow_client_secret: str
    hr_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """The Prefect server of this installation."""

    api_url: str
    pid: str
    started: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedServer(ServerRecord):
    """A server whose pages ask for what `auth_file` holds."""

    auth_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """Whether the server runs; no more is known if it was not started here."""

    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownServerState(ServerRecord):
    """Whether the server runs that was started here."""

    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedServerState(ProtectedServer):
    """The same of a server whose pages ask for a password."""

    running: bool


@dataclass(frozen=True, slots=True)
class PartSeen:
    """A part of the stack: running, not answering, died, or stopped."""

    part: str
    state: str
    pid: int | None
    address: str
    log: Path


@dataclass(frozen=True, slots=True)
class Change:
    """What a deployment does with one thing of the server, or would do."""

    verb: Annotated[str, Field(description="created, changed, removed or left.")]
    kind: str
    name: str
    about: str
    datasets: Annotated[list[str], Field(description="Those whose schedules made it.")]


@dataclass(frozen=True, slots=True)
class FindingShown:
    """What one check has found; `code` is the exit code that a failure leads to."""

    level: Level
    check: str
    what: str
    do: str
    code: int


@dataclass(frozen=True, slots=True)
class StateAccepted(StateShown):
    """What the ledger knows about a dataset, and the units that were accepted just now."""

    accepted: list[str]


@dataclass(frozen=True, slots=True)
class DoubtfulUnit:
    """A window that landed without rows which the tenant may have forgotten."""

    dataset: str
    unit: str
    doubt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToMaintain:
    """What a maintenance would clear away; with --dry-run."""

    state: str
    tenant: str
    dataset: str
    trigger: str
    retention: str | None
    units: int
    rows_dropped: int
    files_moved: int
    bytes_moved: int
    files_deleted: int
    bytes_deleted: int
    cleared: list[Cleared]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained(ToMaintain):
    """What a maintenance has cleared away."""

    run_id: str
    started_at: datetime
    finished_at: datetime
    rows_landed: int
    rows_rejected: int
    folder: str
    error: str | None
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class LayoutMigrated:
    """The layout of a dataset's files, and how many of them moved or would move."""

    tenant: str
    dataset: str
    layout: str
    units: int
    files: int
    bytes: int


class Row(RootModel[dict[str, Any]]):
    """A row of a statement, by its columns; times are text, bytes hexadecimal."""


@dataclass(frozen=True, slots=True)
class DatabaseWritten:
    """A DuckDB database of views over the lake."""

    file: str
    views: list[str]


class Schemas(RootModel[dict[str, Any]]):
    """The JSON Schema of an operation or a kind of file; without a name those of all, by name."""


@dataclass(frozen=True, slots=True)
class LintFinding:
    """What is wrong in a query; line and column are 0 if it is about the whole query."""

    file: str
    line: int
    column: int
    verdict: DiagnosticKind
    message: str
    suggestion: str
    note: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause that differs: as the catalogue's file and as the tenant has it."""

    clause: str
    file: str
    tenant: str


@dataclass(frozen=True, slots=True)
class QueryCompared:
    """A saved query of the tenant against its file; `message` says why there is no comparison."""

    query_id: str
    outcome: QueryAgreement
    differences: list[Clause]
    message: str


@dataclass(frozen=True, slots=True)
class LearnedColumn:
    """A column of a result, with its type."""

    nql: str
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Learned:
    """The dataset that was written, and what is not certain about it."""

    path: str
    columns: list[LearnedColumn]
    unsure: list[str]


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """How a result differs from a declared column; whether rows would be rejected for it."""

    column: str
    what: str
    declared: str | None
    learned: str | None
    breaks: bool


@dataclass(frozen=True, slots=True)
class Unlearned:
    """An existing dataset that was left as it is, and how the result differs from it."""

    path: str
    rows: int
    differences: list[ColumnDifference]
    unsure: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A rejected row, with all its reasons."""

    run_id: str
    state: str
    unit: str
    record: int | None
    reasons: list[str]
    columns: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRejectedRow(RejectedRow):
    """The same with its text, which is personal data; with --raw."""

    raw: str


@dataclass(frozen=True, slots=True)
class ReplayShown:
    """What became of rejected rows; `run_id` is null with --dry-run."""

    run_id: str | None
    units: list[Replayed]
