"""Bookkeeping next to the data, in the same transaction: which units a table's rows came from.

Recorded windows never overlap: of one that is replaced in part, the rest is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
)

from connectors.catalogue import ColumnType
from connectors.lake import Entry
from connectors.sql.database import Database
from connectors.sql.session import Session

UNITS = "nxp_units"
COMMENTS = "nxp_comments"
# Of MySQL's tables, whatever its defaults are: with transactions, and all of Unicode.
FORMAT: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_row_format": "DYNAMIC",
    "mysql_charset": "utf8mb4",
}
COMPACT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Stretch:
    """One landed unit, or the rest of one: its time, and the run it came from."""

    unit: str
    starts_at: datetime
    ends_at: datetime
    run_id: str
    exported_at: datetime
    rows: int


def units_table(schema: str | None, database: Database | None = None) -> Table:
    """Return the table in which units are recorded; the database is needed to create it."""
    name = database.name_text if database else Text()
    time = database.types[ColumnType.DATETIME] if database else DateTime(timezone=True)
    return Table(
        UNITS,
        MetaData(),
        Column("tenant", name, primary_key=True),
        Column("dataset", name, primary_key=True),
        Column("table_name", name, primary_key=True),
        Column("unit", name, primary_key=True),
        Column("load", name, nullable=False),
        Column("starts_at", time, nullable=False),
        Column("ends_at", time, nullable=False),
        Column("run_id", name, nullable=False),
        Column("exported_at", time, nullable=False),
        Column("rows", BigInteger, nullable=False),
        Column("landed_at", time, nullable=False),
        schema=schema,
        **FORMAT,
    )


class Units:
    """The units of one table, in a transaction in progress."""

    def __init__(self, session: Session, schema: str | None, table: str) -> None:
        self._session = session
        self._units = units_table(schema)
        self._table = table
        self._mine = self._units.c.table_name == table

    def owners(self) -> list[tuple[str, str, str]]:
        """Return who lands in the table: tenant, dataset and way of loading."""
        units = self._units.c
        query = select(units.tenant, units.dataset, units.load).where(self._mine).distinct()
        return [(tenant, dataset, load) for tenant, dataset, load in self._session.fetch(query)]

    def unaccounted(self, table: Table) -> Select[tuple[int]]:
        """Return a query for 1 if the table has rows although no unit of it is recorded, or 0."""
        rows = exists(select(literal(1)).select_from(table))
        units = exists(select(literal(1)).select_from(self._units).where(self._mine))
        # A condition alone is not a value for SQL Server, nor for Oracle before 23.
        return select(case((and_(rows, ~units), 1), else_=0))

    def stretches(self, *conditions: ColumnElement[bool]) -> list[Stretch]:
        """Return the units that fulfil the conditions, in time order."""
        units = self._units.c
        query = (
            select(
                units.unit,
                units.starts_at,
                units.ends_at,
                units.run_id,
                units.exported_at,
                units.rows,
            )
            .where(self._mine, *conditions)
            .order_by(units.starts_at)
        )
        return [
            Stretch(unit, _instant(starts_at), _instant(ends_at), run_id, _instant(exported), rows)
            for unit, starts_at, ends_at, run_id, exported, rows in self._session.fetch(query)
        ]

    def ended_by(self, instant: datetime) -> list[Stretch]:
        """Return the units that ended at an instant or before."""
        return self.stretches(self._units.c.ends_at <= instant.astimezone(UTC))

    def overlapping(self, starts_at: datetime, ends_at: datetime) -> list[Stretch]:
        """Return the units that overlap [starts_at, ends_at)."""
        return self.stretches(
            self._units.c.starts_at < ends_at.astimezone(UTC),
            self._units.c.ends_at > starts_at.astimezone(UTC),
        )

    def newest(self) -> Stretch | None:
        """Return the latest unit, None if there are none."""
        return next(reversed(self.stretches()), None)

    def forget(self, units: list[str] | None = None) -> None:
        """Delete the records of the given units, or of all units if none are given."""
        wanted = [] if units is None else [self._units.c.unit.in_(units)]
        if units is None or units:
            self._session.execute(delete(self._units).where(self._mine, *wanted))

    def record(self, owner: tuple[str, str, str], stretch: Stretch, landed_at: datetime) -> None:
        """Record a unit."""
        tenant, dataset, load = owner
        self._session.execute(
            insert(self._units).values(
                tenant=tenant,
                dataset=dataset,
                load=load,
                table_name=self._table,
                unit=stretch.unit,
                starts_at=stretch.starts_at.astimezone(UTC),
                ends_at=stretch.ends_at.astimezone(UTC),
                run_id=stretch.run_id,
                exported_at=stretch.exported_at.astimezone(UTC),
                rows=stretch.rows,
                landed_at=landed_at.astimezone(UTC),
            )
        )


def stretch_of(entry: Entry, rows: int) -> Stretch:
    """Return the record of a unit as it lands, with the number of rows loaded."""
    return Stretch(
        entry.unit, entry.starts_at, entry.ends_at, entry.run_id, entry.exported_at, rows
    )


def left_over(
    known: Stretch, entry: Entry, count: Callable[[datetime, datetime], int]
) -> list[Stretch]:
    """Return the parts of a landed window before and after one that replaces a part of it."""
    parts = [(known.starts_at, entry.starts_at), (entry.ends_at, known.ends_at)]
    return [
        Stretch(
            f"{start.astimezone(UTC):{COMPACT}}-{end.astimezone(UTC):{COMPACT}}",
            start,
            end,
            known.run_id,
            known.exported_at,
            count(start, end),
        )
        for start, end in parts
        if start < end
    ]


def rows_in(session: Session, table: Table, *conditions: ColumnElement[bool]) -> int:
    """Return the number of rows of a table that fulfil the conditions."""
    return int(session.scalar(select(func.count()).select_from(table).where(*conditions)))


def _instant(value: datetime | str) -> datetime:
    """Return a recorded time: text in SQLite, without a zone in MySQL, in UTC in both."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value.astimezone(UTC)
