"""Where a dataset lands: Parquet in the lake, Delta tables next to it, a table of a database."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, field_validator

from connectors.catalogue.modes import Mode
from connectors.catalogue.specification import Specification

PARQUET = "parquet"
# Delta Lake tables next to the Parquet files.
DELTA = "delta"
SQL = "sql"
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
TENANT = "{tenant}"


class SnapshotLoad(StrEnum):
    """What a snapshot does to the rows that are in its table."""

    REPLACE = "replace"
    UPSERT = "upsert"
    APPEND = "append"


class Partition(StrEnum):
    """By what a table is divided, on PostgreSQL."""

    WINDOW = "window"


class SqlSpecification(Specification):
    """A table of the database at NXP_DATABASE_URL.

    `{tenant}` in a name is replaced by the tenant's name, so that tenants that share a catalogue do
    not share tables.

    Args:
        schema_: the database's schema; by default the connection's own.
        table: the table; by default the dataset's name.
        snapshot: how a snapshot lands; windows always replace their own time range.
        partition: `window`: on PostgreSQL each window is a partition of its own.
    """

    model_config = ConfigDict(alias_generator=lambda name: name.rstrip("_"))

    schema_: str | None = None
    table: str | None = None
    snapshot: SnapshotLoad = SnapshotLoad.REPLACE
    partition: Partition | None = None

    def of(self, tenant: str) -> "SqlSpecification":
        """Return it with the names it has for a tenant.

        Raises:
            ValueError: a name becomes too long.
        """
        word = re.sub(r"[^a-z0-9]", "_", tenant)
        # An identifier must not begin with a digit.
        word = f"t_{word}" if word[0].isdigit() else word
        names = {"schema": self.schema_, "table": self.table}
        named = {key: name and name.replace(TENANT, word) for key, name in names.items()}
        others = {"snapshot": self.snapshot, "partition": self.partition}
        return SqlSpecification.model_validate(named | others)

    @field_validator("schema_", "table")
    @classmethod
    def _identifier(cls, name: str | None) -> str | None:
        if name is not None and not IDENTIFIER.fullmatch(name.replace(TENANT, "t")):
            raise ValueError("must be a name of at most 63 letters, digits and _")
        return name


def _landing(value: Any) -> Any:
    """Return a landing from `parquet`, `delta`, `sql`, or `sql: {schema: …}`."""
    if value in (PARQUET, DELTA):
        return value
    if value == SQL:
        return SqlSpecification()
    if isinstance(value, dict) and list(value) == [SQL]:
        return SqlSpecification.model_validate(value[SQL] or {})
    if isinstance(value, SqlSpecification):
        return value
    raise ValueError(
        "must be parquet, delta, sql, or sql: with schema, table, snapshot and partition"
    )


class _SqlLanding(Specification):
    """A table, with its name or what a snapshot does to it."""

    sql: SqlSpecification | None


# What is written, for editors.
_Written = Literal["parquet", "delta", "sql"] | _SqlLanding
Landing = Annotated[
    str | SqlSpecification, BeforeValidator(_landing, json_schema_input_type=_Written)
]


def landing_problems(landings: Sequence[Landing], mode: Mode, *, has_key: bool) -> list[str]:
    """Return what is wrong with where a dataset of a mode lands."""
    problems = []
    tables = [landing for landing in landings if isinstance(landing, SqlSpecification)]
    if len(tables) > 1 or any(landings.count(kind) > 1 for kind in (PARQUET, DELTA)):
        problems.append("landings: each kind only once")
    if DELTA in landings and PARQUET not in landings:
        problems.append("landings: delta needs parquet, whose files its tables share")
    load = tables[0].snapshot if tables else SnapshotLoad.REPLACE
    if load is not SnapshotLoad.REPLACE and mode is not Mode.SNAPSHOT:
        problems.append("landings.sql.snapshot: only in mode snapshot")
    if tables and tables[0].partition and mode is not Mode.WINDOW:
        problems.append("landings.sql.partition: only in mode window")
    if load is SnapshotLoad.UPSERT and not has_key:
        problems.append("landings.sql.snapshot: upsert needs a key column")
    return problems
