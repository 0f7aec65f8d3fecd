"""The table of a dataset: created from its contract, widened when that grows, never re-created.

People put indices, grants, comments and views on it, so it is only changed by ALTER TABLE.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Index, MetaData, String, Table, false, insert, select
from sqlalchemy.schema import CreateIndex, CreateTable, SetColumnComment

from connectors.catalogue import ColumnType, DatasetSpecification, Mode, SnapshotLoad
from connectors.errors import ConfigurationError, DataRefusedError
from connectors.sql.database import Database, ExistingColumn
from connectors.sql.names import stored_names
from connectors.sql.session import Session
from connectors.sql.units import COMMENTS, FORMAT, UNITS, Units, units_table

RUN_ID = "_nxp_run_id"
EXPORTED_AT = "_nxp_exported_at"
SNAPSHOT = "snapshot"
WINDOW = "window"
WHOLE = (ColumnType.INT, ColumnType.BYTES)
FRACTIONS = (ColumnType.FLOAT, ColumnType.DURATION)
# Characters of texts in an index of MySQL, which holds 768 bytes everywhere.
INDEXED = 191
# SQLAlchemy shortens names beyond a database's limit, and keeps them distinct.
NAMING = {"ix": "ix_%(table_name)s_%(column_0_N_name)s"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how a dataset lands, in the names of its catalogue file."""

    tenant: str
    specification: DatasetSpecification
    table: str
    wanted_schema: str | None
    load: str

    @property
    def owner(self) -> tuple[str, str, str]:
        """Who lands in the table, as `nxp_units` records it."""
        return self.tenant, self.specification.dataset, self.load

    @property
    def is_window(self) -> bool:
        """Whether units are windows of time, and not snapshots."""
        return self.load == WINDOW

    @property
    def is_partitioned(self) -> bool:
        """Whether windows are to be partitions."""
        sql = self.specification.sql
        return self.is_window and sql is not None and sql.partition is not None

    @property
    def shown(self) -> str:
        """Dataset and table, for messages."""
        table = f"{self.wanted_schema}.{self.table}" if self.wanted_schema else self.table
        return f"{self.specification.dataset} in table {table}"


def target_of(tenant: str, specification: DatasetSpecification) -> Target:
    """Return where a dataset lands, from its specification.

    Raises:
        ConfigurationError: it has no table, or the table's name is reserved or too long.
    """
    if specification.sql is None:
        raise ConfigurationError(f"{specification.dataset} has no sql under landings")
    try:
        sql = specification.sql.of(tenant)
    except ValueError:
        raise ConfigurationError(
            f"{specification.dataset}: its schema or table, for tenant {tenant}, is not a name of "
            "at most 63 letters, digits and _"
        ) from None
    table = sql.table or specification.dataset
    if table.lower() in {UNITS, COMMENTS}:
        raise ConfigurationError(
            f"{specification.dataset}: the table {table.lower()} is reserved for bookkeeping"
        )
    load = str(sql.snapshot) if specification.mode is Mode.SNAPSHOT else WINDOW
    return Target(tenant, specification, table, sql.schema_, load)


def columns_of(target: Target, staged: list[str] | None = None) -> dict[str, ColumnType]:
    """Return the columns that land and their types; staged but undeclared ones are text."""
    declared = {column.name: column.type for column in target.specification.known_columns}
    known = declared | {RUN_ID: ColumnType.STRING, EXPORTED_AT: ColumnType.DATETIME}
    names = list(known) if staged is None else staged
    columns = {name: known.get(name, ColumnType.STRING) for name in names}
    if target.load == SnapshotLoad.APPEND:
        columns[SNAPSHOT] = ColumnType.STRING
    return columns


def describe(
    target: Target,
    schema: str | None,
    columns: Mapping[str, ColumnType],
    database: Database,
    existing: Mapping[str, ExistingColumn] | None = None,
) -> Table:
    """Return the table as the contract describes it; its columns' keys are the landed names.

    Raises:
        ConfigurationError: it is not known which landed column one of the existing ones holds.
    """
    stored = stored_names(columns, existing or {}, database.limits, target.shown)
    required = {
        column.name for column in target.specification.columns if column.key or not column.nullable
    } | {RUN_ID, EXPORTED_AT, SNAPSHOT}
    if target.specification.window:
        required.add(target.specification.window.column)
    keys = {SNAPSHOT, *target.specification.key_columns} & {
        name for name, kind in columns.items() if kind is ColumnType.STRING
    }
    table = Table(
        target.table,
        MetaData(naming_convention=NAMING),
        *(
            Column(
                stored[name],
                database.key_text if name in keys else database.types[kind],
                key=name,
                nullable=name not in required,
                comment=name if stored[name] != name else None,
            )
            for name, kind in columns.items()
        ),
        schema=schema,
        **FORMAT,
        **_division(target, stored, database),
    )
    _describe_index(target, table, database)
    return table


def _division(target: Target, stored: Mapping[str, str], database: Database) -> dict[str, Any]:
    if not (database.partitions and target.is_partitioned and target.specification.window):
        return {}
    column = stored[target.specification.window.column]
    quoted = database.dialect.identifier_preparer.quote(column)
    return {"postgresql_partition_by": f"RANGE ({quoted})"}


def _describe_index(target: Target, table: Table, database: Database) -> None:
    """Give the table the index by which its rows are replaced."""
    if database.indexes_are_unique is None:
        return
    if target.specification.window:
        names: list[str] = [target.specification.window.column]
    elif target.load == SnapshotLoad.APPEND:
        names = [SNAPSHOT]
    elif target.load == SnapshotLoad.UPSERT:
        names = list(target.specification.key_columns)
    else:
        return
    columns = [table.c[name] for name in names]
    texts = [column.name for column in columns if isinstance(column.type, String)]
    # MySQL indexes the beginnings of long texts only; other databases do not see this.
    beginnings = dict.fromkeys(texts, INDEXED // max(len(texts), 1))
    unique = target.load == SnapshotLoad.UPSERT and database.indexes_are_unique
    Index(None, *columns, unique=unique, mysql_length=beginnings)


def prepare(
    session: Session, database: Database, target: Target, columns: Mapping[str, ColumnType]
) -> Table:
    """Create or widen the table for rows with these columns, and return it.

    Raises:
        ConfigurationError: the table does not belong to this dataset.
        DataRefusedError: a column's type has changed.
    """
    schema = database.schema(session, target.wanted_schema)
    database.make_schema(session, schema)
    # Two landings that start at the same time must not create the same things.
    database.lock(session, f"tables of {schema}")
    if database.columns(session, schema, UNITS) is None:
        session.execute(CreateTable(units_table(schema, database)))
    existing = database.columns(session, schema, target.table)
    table = describe(target, schema, columns, database, existing)
    if existing is None:
        session.execute(CreateTable(table))
    else:
        check_owner(session, target, table)
        table = _grow(session, database, target, table, existing, columns)
    _comment(session, database, table)
    _index(session, database, table)
    return table


def check_owner(session: Session, target: Target, table: Table) -> None:
    """Raise if another dataset fills the table, or if its rows are not from a landing.

    Raises:
        ConfigurationError: the message says to name another table.
    """
    advice = (
        "name another under landings, sql: {schema: …, table: …}; {tenant} in a name keeps "
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
                f"{target.shown}: the table was filled as {load} and cannot continue as "
                f"{target.load}: {advice}"
            )
    # In one statement: between two, another landing might commit its first rows.
    if not owners and session.scalar(Units(session, table.schema, table.name).unaccounted(table)):
        raise ConfigurationError(
            f"{target.shown}: the table has rows that no landing put there: empty it, or {advice}"
        )


def check_permissions(session: Session, target: Target, table: Table) -> None:
    """Run the statements of a landing on no rows, so that a missing permission shows."""
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
) -> Table:
    """Add missing columns and widen or relax others, all in the caller's transaction."""
    if not _changes(session, database, target, table, existing, columns):
        return table
    # Not while rows are being loaded: a waiting ALTER TABLE would block all readers.
    database.lock(session, f"rows of {table.schema}.{table.name}")
    now = database.columns(session, table.schema, table.name) or {}
    table = describe(target, table.schema, columns, database, now)
    for change in _changes(session, database, target, table, now, columns):
        session.execute(f"ALTER TABLE {session.named(table)} {change}")
    return table


def _comment(session: Session, database: Database, table: Table) -> None:
    """Comment on columns whose names are short ones, unless they have a comment."""
    if not any(column.comment for column in table.c):
        return
    there = database.columns(session, table.schema, table.name) or {}
    for column in table.c:
        if column.comment and there[column.name].comment == "":
            session.execute(SetColumnComment(column))


def _changes(
    session: Session,
    database: Database,
    target: Target,
    table: Table,
    existing: Mapping[str, ExistingColumn],
    columns: Mapping[str, ColumnType],
) -> list[str]:
    changes, alterations = [], database.alterations

    def relaxed(stored: str, known: ExistingColumn) -> str:
        quoted = session.quoted(stored)
        return alterations.relax.format(column=quoted, definition=known.definition)

    for name, kind in columns.items():
        stored = table.c[name].name
        quoted, known = session.quoted(stored), existing.get(stored)
        if known is None:
            written = database.types[kind].compile(database.dialect)
            changes.append(alterations.add.format(column=quoted, type=written))
        elif database.takes(known.type, kind):
            if known.must_be_given and table.c[name].nullable:
                changes.append(relaxed(stored, known))
        elif kind in FRACTIONS and any(database.takes(known.type, whole) for whole in WHOLE):
            written = database.types[kind].compile(database.dialect)
            changes.append(alterations.widen.format(column=quoted, type=written))
        else:
            raise DataRefusedError(
                f"{target.shown}: column {stored} is {known.type} in the table and {kind} in the "
                "catalogue: declare it as it was, alter the table by hand, or name another table"
            )
    # Columns that are no longer in the contract stay, and are null from now on.
    landed = {column.name for column in table.c}
    changes += [
        relaxed(name, known)
        for name, known in existing.items()
        if name not in landed and known.must_be_given
    ]
    return changes


def _index(session: Session, database: Database, table: Table) -> None:
    known = database.indices(session, table.schema, table.name)
    for index in table.indexes:
        create = CreateIndex(index)
        name = str(database.dialect.identifier_preparer.format_index(index)).strip('"`[]')
        if name not in known:
            session.execute(create)
