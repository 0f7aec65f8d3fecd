"""The catalogue on disk: dataset specifications (YAML) and their saved queries (NQL).

Only reads and validates; what a dataset needs from the tenant is decided in tasks/.
"""

import re
from collections import Counter
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from connectors.errors import ConfigurationError, UsageError
from connectors.nexthink import QUERY_ID, Compression

UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days"}
RESERVED = re.compile(r"date|snapshot|_nxp_.*")
LANDED_NAME = re.compile(r"[a-z0-9_]+")
DATASET_NAME = re.compile(r"[a-z][a-z0-9_]*")
DAY = timedelta(days=1)


def parse_duration(value: Any) -> Any:
    """Turn `15min`, `6h` or `30d` into a timedelta; leave anything else to pydantic."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d+)\s*(s|min|m|h|d)", value.strip())
    if not match:
        raise ValueError("must be a duration such as 15min, 6h or 30d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class Mode(StrEnum):
    """How a dataset is exported: the whole inventory, or a window of events."""

    SNAPSHOT = "snapshot"
    WINDOW = "window"


class Drift(StrEnum):
    """What happens to a column that the tenant sends and the specification does not name."""

    EVOLVE = "evolve"
    FREEZE = "freeze"
    DISCARD = "discard"


class ColumnType(StrEnum):
    """The landed types; `bytes` and `duration` are numbers (bytes, seconds)."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATETIME = "datetime"
    DATE = "date"
    BYTES = "bytes"
    DURATION = "duration"


class Specification(BaseModel):
    """Base of all catalogue objects: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Specification):
    """One declared column: the header that the tenant sends and what it becomes."""

    nql: str = Field(min_length=1)
    name: str = ""
    type: ColumnType = ColumnType.STRING
    nullable: bool = True
    key: bool = False

    @model_validator(mode="after")
    def _landed(self) -> Self:
        object.__setattr__(self, "name", self.name or landed_name(self.nql))
        if not LANDED_NAME.fullmatch(self.name) or RESERVED.fullmatch(self.name):
            raise ValueError(f"name {self.name!r}: only a-z, 0-9 and _, and not a reserved name")
        return self


class WindowSpecification(Specification):
    """How time is cut: half-open windows of `step`, on bounds counted from 00:00 UTC."""

    column: str
    from_: str = Field(alias="from")
    to: str
    step: Duration = DAY
    lag: Duration = timedelta(hours=1)
    reach: Duration | None = None

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.step <= timedelta(0) or (DAY % self.step and self.step % DAY):
            raise ValueError("step must divide a day, or be whole days")
        return self


class DatasetSpecification(Specification):
    """What to export and how it lands: one file of deployments/datasets."""

    dataset: str
    query_id: str
    mode: Mode
    every: Duration = DAY
    parameters: dict[str, str] = {}
    compression: Compression = Compression.ZSTD
    timeout: Duration = timedelta(hours=1)
    window: WindowSpecification | None = None
    columns: tuple[Column, ...] = Field(min_length=1)
    drift: Drift = Drift.EVOLVE
    max_reject_share: float = Field(default=0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            f"landed name {name!r} stands {count} times"
            for name, count in Counter(column.name for column in self.columns).items()
            if count > 1
        ]
        if not DATASET_NAME.fullmatch(self.dataset):
            problems.append("dataset: only a-z, 0-9 and _, beginning with a letter")
        if not QUERY_ID.fullmatch(self.query_id):
            problems.append("query_id: must be # and 2 to 254 of a-z, 0-9 and _")
        if self.every <= timedelta(0) or (DAY % self.every and self.every % DAY):
            problems.append("every: must divide a day, or be whole days")
        problems += self._window_problems()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _window_problems(self) -> list[str]:
        if (self.mode is Mode.WINDOW) != (self.window is not None):
            return ["window: belongs to mode window, and only there"]
        if self.window is None:
            return []
        timed = {column.name for column in self.columns if column.type is ColumnType.DATETIME}
        problems = []
        if self.window.column not in timed:
            problems.append(f"window.column: {self.window.column!r} is no datetime column here")
        if twice := {self.window.from_, self.window.to} & self.parameters.keys():
            problems.append(f"parameters: {', '.join(sorted(twice))} belongs to the window")
        return problems


def landed_name(header: str) -> str:
    """Name a column as it lands: lower case, every run outside [a-z0-9_] one underscore."""
    return re.sub(r"[^a-z0-9_]+", "_", header.lower())


def load_datasets(catalog: Path) -> dict[str, DatasetSpecification]:
    """Read all dataset specifications, by name.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    folder = catalog / "datasets"
    if not folder.is_dir():
        raise ConfigurationError(f"no folder {folder}: set NXP_CATALOG to the catalogue")
    found: dict[str, DatasetSpecification] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            specification = DatasetSpecification.model_validate(
                yaml.safe_load(path.read_text("utf-8"))
            )
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            problems.append(f"{path.name}: {' '.join(str(error).split())}")
        except ValidationError as error:
            problems += [f"{path.name}: {_describe(problem)}" for problem in error.errors()]
        else:
            if specification.dataset != path.stem:
                problems.append(f"{path.name}: dataset {specification.dataset!r} is not the file's")
            if not query_path(catalog, specification.query_id).is_file():
                name = query_path(catalog, specification.query_id).name
                problems.append(f"{path.name}: no saved query queries/{name}")
            found[specification.dataset] = specification
    if problems:
        raise ConfigurationError(f"catalogue {catalog}", problems=tuple(problems))
    return found


def load_dataset(catalog: Path, dataset: str) -> DatasetSpecification:
    """Read one dataset's specification.

    Raises:
        UsageError: no such dataset; names those there are.
    """
    datasets = load_datasets(catalog)
    if dataset not in datasets:
        known = ", ".join(datasets) or "none"
        raise UsageError(f"unknown dataset {dataset!r}: the catalogue has {known}")
    return datasets[dataset]


def query_path(catalog: Path, query_id: str) -> Path:
    """Where the text of a saved query lives."""
    return catalog / "queries" / f"{query_id.removeprefix('#')}.nql"


def _describe(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    text = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else str(text)
