"""The table of a dataset: made from its contract, widened when the contract grows, never remade.

People put indices, grants, comments and views on it: only ALTER TABLE touches it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Index, MetaData, Table, false, insert, select
from sqlalchemy.schema import CreateIndex, CreateTable

from connectors.catalogue import ColumnType, DatasetSpecification, Mode, SnapshotLoad
from connectors.errors import ConfigurationError, DataRefusedError
from connectors.sql.database import Database, ExistingColumn
from connectors.sql.session import Session
from connectors.sql.units import UNITS, Units, units_table

RUN_ID = "_nxp_run_id"
EXPORTED_AT = "_nxp_exported_at"
SNAPSHOT = "snapshot"
WINDOW = "window"
WHOLE = (ColumnType.INT, ColumnType.BYTES)
FRACTIONS = (ColumnType.FLOAT, ColumnType.DURATION)
# Names beyond a database's limit are cut short by SQLAlchemy, in a way of their own each.
NAMING = {"ix": "ix_%(table_name)s_%(column_0_N_name)s"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a dataset lands, and how: the names that its catalogue file gives."""

    tenant: str
    specification: DatasetSpecification
    table: str
    wanted_schema: str | None
    load: str

    @property
    def owner(self) -> tuple[str, str, str]:
        """Who lands in the table, as the books have it."""
        return self.tenant, self.specification.dataset, self.load

    @property
    def is_window(self) -> bool:
        """Whether units are stretches of time, and not snapshots."""
        return self.load == WINDOW

    @property
    def shown(self) -> str:
        """Name dataset and table in messages."""
        table = f"{self.wanted_schema}.{self.table}" if self.wanted_schema else self.table
        return f"{self.specification.dataset} in table {table}"


def target_of(tenant: str, specification: DatasetSpecification) -> Target:
    """Read where a dataset lands from its specification.

    Raises:
        ConfigurationError: it has no table, or the table's name is the bookkeeping's.
    """
    if specification.sql is None:
        raise ConfigurationError(f"{specification.dataset} has no sql under landings")
    try:
        sql = specification.sql.of(tenant)
    except ValueError:
        raise ConfigurationError(
            f"{specification.dataset}: its schema or table is no name of at most 63 letters, "
            f"digits and _ for tenant {tenant}"
        ) from None
    table = sql.table or specification.dataset
    if table.lower() == UNITS:
        raise ConfigurationError(f"{specification.dataset}: the table {UNITS} is the bookkeeping's")
    load = str(sql.snapshot) if specification.mode is Mode.SNAPSHOT else WINDOW
    return Target(tenant, specification, table, sql.schema_, load)


def columns_of(target: Target, staged: list[str] | None = None) -> dict[str, ColumnType]:
    """Give the columns that land and their types; staged ones nobody declared are text."""
    declared = {column.name: column.type for column in target.specification.columns}
    known = declared | {RUN_ID: ColumnType.STRING, EXPORTED_AT: ColumnType.DATETIME}
    names = list(known) if staged is None else staged
    columns = {name: known.get(name, ColumnType.STRING) for name in names}
    if target.load == SnapshotLoad.APPEND:
        columns[SNAPSHOT] = ColumnType.STRING
    return columns


def describe(
    target: Target, schema: str | None, columns: Mapping[str, ColumnType], database: Database
) -> Table:
    """Describe the table as the contract has it."""
    required = {
        column.name for column in target.specification.columns if column.key or not column.nullable
    } | {RUN_ID, EXPORTED_AT, SNAPSHOT}
    if target.specification.window:
        required.add(target.specification.window.column)
    table = Table(
        target.table,
        MetaData(naming_convention=NAMING),
        *(
            Column(name, database.types[kind], nullable=name not in required)
            for name, kind in columns.items()
        ),
        schema=schema,
    )
    if target.specification.window:
        Index(None, table.c[target.specification.window.column])
    elif target.load == SnapshotLoad.APPEND:
        Index(None, table.c[SNAPSHOT])
    elif target.load == SnapshotLoad.UPSERT:
        Index(None, *(table.c[key] for key in target.specification.key_columns), unique=True)
    return table


def prepare(
    session: Session, database: Database, target: Target, columns: Mapping[str, ColumnType]
) -> Table:
    """Make the table ready for rows with these columns: made, or grown.

    Raises:
        ConfigurationError: the table is not this dataset's to fill.
        DataRefusedError: a column's type has changed.
    """
    schema = database.schema(session, target.wanted_schema)
    database.make_schema(session, schema)
    table = describe(target, schema, columns, database)
    # Two landings that begin at once must not both make the same things.
    database.lock(session, f"tables of {schema}")
    if database.columns(session, schema, UNITS) is None:
        session.execute(CreateTable(units_table(schema)))
    existing = database.columns(session, schema, target.table)
    if existing is None:
        session.execute(CreateTable(table))
    else:
        check_owner(session, target, table)
        _grow(session, database, target, table, existing, columns)
    _index(session, database, table)
    return table


def check_owner(session: Session, target: Target, table: Table) -> None:
    """Refuse a table that somebody else fills, or that was not made by a landing.

    Raises:
        ConfigurationError: says to name another table.
    """
    advice = (
        "name another under landings, sql: {schema: …, table: …}; {tenant} in a name tells "
        "tenants apart"
    )
    owners = Units(session, table.schema, table.name).owners()
    for tenant, dataset, load in owners:
        if (tenant, dataset) != target.owner[:2]:
            raise ConfigurationError(
                f"{target.shown}: {dataset} of {tenant} lands in this table: {advice}"
            )
        if load != target.load and {load, target.load} & {WINDOW, str(SnapshotLoad.APPEND)}:
            raise ConfigurationError(
                f"{target.shown}: the table was filled as {load} and cannot go on as "
                f"{target.load}: {advice}"
            )
    # In one statement: another landing may commit its first rows between two.
    if not owners and session.scalar(Units(session, table.schema, table.name).unaccounted(table)):
        raise ConfigurationError(
            f"{target.shown}: the table has rows that no landing put there: empty it, or {advice}"
        )


def check_permissions(session: Session, target: Target, table: Table) -> None:
    """Try the statements of a landing on no rows at all."""
    if target.load == SnapshotLoad.UPSERT:
        session.execute(table.update().where(false()).values({RUN_ID: table.c[RUN_ID]}))
    session.execute(table.delete().where(false()))
    names = list(table.c.keys())
    session.execute(insert(table).from_select(names, select(table).where(false())))


def _grow(
    session: Session,
    database: Database,
    target: Target,
    table: Table,
    existing: Mapping[str, ExistingColumn],
    columns: Mapping[str, ColumnType],
) -> None:
    """Add what is missing and loosen what is in the way; all in the caller's transaction."""
    changes = _changes(session, database, target, table, existing, columns)
    if not changes:
        return
    # Not while rows are being loaded: a waiting ALTER TABLE would hold up all readers.
    database.lock(session, f"rows of {table.schema}.{table.name}")
    now = database.columns(session, table.schema, table.name) or {}
    for change in _changes(session, database, target, table, now, columns):
        session.execute(f"ALTER TABLE {session.named(table)} {change}")


def _changes(
    session: Session,
    database: Database,
    target: Target,
    table: Table,
    existing: Mapping[str, ExistingColumn],
    columns: Mapping[str, ColumnType],
) -> list[str]:
    changes = []
    for name, kind in columns.items():
        quoted, known = session.quoted(name), existing.get(name)
        if known is None:
            written = database.types[kind].compile(database.dialect)
            changes.append(f"ADD COLUMN {quoted} {written}")
        elif database.takes(known.type, kind):
            if known.must_be_given and table.c[name].nullable:
                changes.append(f"ALTER COLUMN {quoted} DROP NOT NULL")
        elif kind in FRACTIONS and any(database.takes(known.type, whole) for whole in WHOLE):
            changes.append(database.widening(quoted))
        else:
            raise DataRefusedError(
                f"{target.shown}: column {name} is {known.type} in the table and {kind} in the "
                "catalogue: declare it as it was, alter the table by hand, or name another table"
            )
    # Columns that the contract no longer has stay, and are null from now on.
    changes += [
        f"ALTER COLUMN {session.quoted(name)} DROP NOT NULL"
        for name, known in existing.items()
        if name not in columns and known.must_be_given
    ]
    return changes


def _index(session: Session, database: Database, table: Table) -> None:
    known = database.indices(session, table.schema, table.name)
    for index in table.indexes:
        create = CreateIndex(index)
        name = str(database.dialect.identifier_preparer.format_index(index)).strip('"')
        if name not in known:
            session.execute(create)
