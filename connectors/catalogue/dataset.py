"""One dataset of the catalogue: what to export and how it lands."""

import re
from collections import Counter
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, Field, model_validator

from connectors.catalogue.checks import Check, FreshCheck
from connectors.catalogue.columns import Column, ColumnType, DeriveSpecification
from connectors.catalogue.descriptions import DescribedDataset
from connectors.catalogue.landings import (
    DELTA,
    PARQUET,
    Landing,
    SqlSpecification,
    landing_problems,
)
from connectors.catalogue.modes import DAYS_BACK, Mode
from connectors.catalogue.retention import RetentionClass
from connectors.catalogue.schedule import Schedule
from connectors.catalogue.shards import Shard, shard_problems
from connectors.catalogue.specification import DAY, Duration, describe, divides_days
from connectors.catalogue.windows import WindowSpecification
from connectors.nexthink import QUERY_ID, Compression

if TYPE_CHECKING:
    from connectors.catalogue.derived import Derived

DATASET_PATTERN = "^[a-z][a-z0-9_]*$"
# A dataset is stale after this many times the interval between two landings.
STALE_PERIODS = 3
# A module next to the catalogue or an installed one, and a function in it.
FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class Drift(StrEnum):
    """What happens to a column that the tenant sends but the specification does not name."""

    EVOLVE = "evolve"
    FREEZE = "freeze"
    DISCARD = "discard"


def _for_editors(schema: dict[str, Any]) -> None:
    """Let editors say that a window is missing, or not allowed."""
    has_window = {"properties": {"window": {"type": "object"}}, "required": ["window"]}
    schema["if"] = {"properties": {"mode": {"const": Mode.SNAPSHOT.value}}, "required": ["mode"]}
    schema["then"] = {"not": has_window}
    schema["else"] = has_window


class DatasetSpecification(DescribedDataset):
    """What to export and how it lands: one file of deployments/datasets.

    Attributes:
        dataset: the file's name.
        query_id: the saved query in the tenant; in mode slices with {days} for the days back.
        mode: snapshot for an inventory, window for events between two instants, slices for days.
        every: of snapshots, the length of the slot that a run belongs to.
        schedule: when `nxp deploy` lets it be exported: cron and timezone, or every.
        parameters: of the query, other than the window's.
        compression: of the transfer.
        timeout: how long to wait for the tenant to finish an export.
        window: how time is cut; only in modes window and slices.
        shards: parts of a result that is too large as one.
        columns: what the query returns, and how each column lands.
        derive: columns that are computed from others, each an expression or one described.
        where: a condition; rows that do not meet it do not land.
        transform: a function over the rows, as module:function.
        drift: what happens to a column that is sent but not declared.
        max_reject_share: if a larger share of the rows is rejected, nothing of the unit lands.
        checks: what must hold before a unit is published.
        landings: parquet, delta, sql, or sql with a schema, a table and what a snapshot does to it.
        retention: how long landed units are kept.
        stale_after: how old the newest landed data may become.
        retention_class: which of the tenant's own retentions applies to its rows.
        may_be_empty: whether a snapshot without rows, or of far fewer than before, is right.
        rows: how many rows to expect, in words, such as `1 per device and day`.
        permission: what the API credential has to be allowed to do.
        evidence: what the columns rest on: a page of the vendor, or a guess.
    """

    model_config = ConfigDict(json_schema_extra=_for_editors)

    dataset: str = Field(json_schema_extra={"pattern": DATASET_PATTERN})
    query_id: str = Field(json_schema_extra={"pattern": "^#[a-z0-9_{}]{2,254}$"})
    mode: Mode
    every: Duration = DAY
    schedule: Schedule | None = None
    parameters: dict[str, str] = Field(default_factory=dict)
    compression: Compression = Compression.ZSTD
    timeout: Duration = timedelta(hours=1)
    window: WindowSpecification | None = None
    shards: tuple[Shard, ...] = ()
    columns: tuple[Column, ...] = Field(min_length=1)
    derive: dict[str, DeriveSpecification] = Field(default_factory=dict)
    where: str | None = None
    transform: str | None = None
    drift: Drift = Drift.EVOLVE
    max_reject_share: float = Field(default=0.01, ge=0, le=1)
    checks: tuple[Check, ...] = ()
    landings: tuple[Landing, ...] = Field(default=(PARQUET,), min_length=1)
    retention: Duration | None = None
    stale_after: Duration | None = None
    retention_class: RetentionClass = RetentionClass.EVENTS
    may_be_empty: bool = False
    rows: str = ""
    permission: str = ""
    evidence: str = ""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The landed columns that identify a row; empty if none are declared."""
        return tuple(column.name for column in self.columns if column.key)

    @cached_property
    def derived(self) -> "Derived | None":
        """What the dataset's expressions make of its columns; None if it has none."""
        if not self.derive and self.where is None:
            return None
        # Imports Polars.
        from connectors.catalogue.derived import derived  # noqa: PLC0415

        return derived(self.columns, self.derive, self.where)

    @property
    def known_columns(self) -> tuple[Column, ...]:
        """The declared columns, and after them the derived ones."""
        return (*self.columns, *(self.derived.columns if self.derived else ()))

    def landing(self, columns: tuple[Column, ...]) -> "DatasetSpecification":
        """Return the dataset with other columns, and nothing that would derive more."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return DatasetSpecification.model_construct(
            **{**values, "columns": columns, "derive": {}, "where": None}
        )

    @property
    def period(self) -> timedelta:
        """The time from one landing to the next."""
        return self.window.step if self.window else self.every

    @property
    def lasts(self) -> timedelta:
        """The age of the newest landed data at which the dataset is stale."""
        lag = self.window.lag if self.window else timedelta(0)
        return self.stale_after or STALE_PERIODS * self.period + lag

    @property
    def in_lake(self) -> bool:
        """Whether the dataset lands as Parquet in the lake."""
        return PARQUET in self.landings

    @property
    def in_delta(self) -> bool:
        """Whether Delta tables follow the dataset's files."""
        return DELTA in self.landings

    @property
    def sql(self) -> SqlSpecification | None:
        """The table that the dataset lands in, or None."""
        tables = [landing for landing in self.landings if isinstance(landing, SqlSpecification)]
        return tables[0] if tables else None

    def query_ids(self) -> list[str]:
        """Return the ids of all saved queries that the dataset needs in the tenant."""
        shards = [shard.query_id for shard in self.shards if shard.query_id]
        if self.mode is not Mode.SLICES or not self.window or not self.window.reach:
            return list(dict.fromkeys([self.query_id, *shards]))
        return [self.query_id_of(days) for days in range(1, self.window.reach // DAY + 1)]

    def query_id_of(self, days_back: int) -> str:
        """Return the saved query of a day back; other modes than slices have only one."""
        return self.query_id.replace(DAYS_BACK, str(days_back))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            f"landed name {name!r} is used {count} times"
            for name, count in Counter(column.name for column in self.columns).items()
            if count > 1
        ]
        problems += [
            f"the header {nql!r} is used {count} times"
            for nql, count in Counter(column.nql for column in self.columns).items()
            if count > 1
        ]
        if not re.fullmatch(DATASET_PATTERN, self.dataset):
            problems.append("dataset: only a-z, 0-9 and _, beginning with a letter")
        if not QUERY_ID.fullmatch(self.query_id_of(1)):
            problems.append("query_id: must be # and 2 to 254 of a-z, 0-9 and _")
        if not divides_days(self.every):
            problems.append("every: must divide a day, or be whole days")
        if self.retention is not None and self.retention < DAY:
            problems.append("retention: must be at least a day")
        if self.stale_after is not None and self.stale_after <= timedelta(0):
            problems.append("stale_after: must be longer than 0")
        if self.may_be_empty and self.mode is not Mode.SNAPSHOT:
            problems.append("may_be_empty: only in mode snapshot")
        problems += self._window_problems()
        problems += shard_problems(
            self.shards, self.window, self.mode, has_key=bool(self.key_columns)
        )
        problems += self.derived.problems if self.derived else ()
        if self.transform is not None and not FUNCTION.fullmatch(self.transform):
            problems.append("transform: must be module:function")
        problems += self._check_problems()
        problems += landing_problems(self.landings, self.mode, has_key=bool(self.key_columns))
        problems += self._schedule_problems()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _window_problems(self) -> list[str]:
        if (self.mode is Mode.SNAPSHOT) != (self.window is None):
            return ["window: is needed in the modes window and slices, and allowed only there"]
        if self.window is None:
            return []
        problems = []
        if self.window.column in self.derive:
            problems.append(
                "window.column: must be a declared column: a row is placed before any is derived"
            )
        elif self.window.column not in _timed(self.columns):
            problems.append(f"window.column: {self.window.column!r} is not a datetime column here")
        if twice := {self.window.from_, self.window.to} & self.parameters.keys():
            problems.append(f"parameters: {', '.join(sorted(twice))} belongs to the window")
        if self.mode is Mode.SLICES:
            return problems + self.window.slice_problems(self.query_id)
        if not self.window.from_ or not self.window.to or self.window.from_ == self.window.to:
            problems.append("window: from and to must name two parameters of the query")
        return problems

    def _schedule_problems(self) -> list[str]:
        if not self.schedule or not self.window or not self.window.reach:
            return []
        _, longest = self.schedule.gaps
        if longest <= self.window.reach - self.window.lag:
            # All that is missing is still within reach.
            return []
        gap, reach = describe(longest), describe(self.window.reach)
        return [f"schedule: runs up to {gap} apart, but the query reaches back {reach} only"]

    def _check_problems(self) -> list[str]:
        # A derived column that is wrong has a problem of its own.
        names = {column.name for column in self.columns} | self.derive.keys()
        timed = _timed(self.known_columns)
        problems = []
        for check in self.checks:
            problems += [
                f"checks: {check.check} names {name!r}, which is not a column here"
                for name in check.named
                if name not in names
            ]
            if isinstance(check, FreshCheck) and check.column not in timed:
                problems.append(f"checks: fresh needs a datetime column, not {check.column!r}")
        return problems


def _timed(columns: tuple[Column, ...]) -> set[str]:
    return {column.name for column in columns if column.type is ColumnType.DATETIME}
