"""Writes the personnel tables into a folder: CSV files, or one SQL dump."""

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, TextIO

import polars as pl

from sandbox.engine import Engine
from sandbox.hr.register import make_register
from sandbox.hr.tables import KEYS, make_tables
from sandbox.options import SandboxOptions
from sandbox.queries import SavedQueries

Form = Literal["csv", "sql"]

# Rows per INSERT, well below the limits of SQLite and PostgreSQL.
_BATCH = 500

_SQL_TYPES: dict[type[pl.DataType], str] = {
    pl.String: "TEXT",
    pl.Int64: "INTEGER",
    pl.Date: "DATE",
    pl.Datetime: "TIMESTAMP",
}


def hr_tables(options: SandboxOptions) -> dict[str, pl.DataFrame]:
    """Return the personnel tables that match a tenant with these options."""
    moment = (options.now or datetime.now(UTC)).astimezone(UTC)
    engine = Engine(options, SavedQueries(options.queries), moment)
    return make_tables(make_register(engine, options.seed, moment), options.seed, moment)


def write_hr(options: SandboxOptions, folder: Path, form: Form = "csv") -> list[Path]:
    """Write the tables and return the files: one for each table, or one dump."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = hr_tables(options)
    if form == "sql":
        path = folder / "hr.sql"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            _write_dump(file, tables)
        return [path]
    paths = []
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        # Such exports write a missing value as an empty field.
        table.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%SZ")
        paths.append(path)
    return paths


def write_database(options: SandboxOptions, folder: Path) -> Path:
    """Write the tables into a new SQLite database in a folder, and return its file."""
    path = folder / "hr.db"
    dump = io.StringIO()
    _write_dump(dump, hr_tables(options))
    with closing(sqlite3.connect(path)) as database:
        database.executescript(dump.getvalue())
    return path


def _write_dump(file: TextIO, tables: dict[str, pl.DataFrame]) -> None:
    file.write("-- UTF-8; date-times are UTC. Load into an empty database.\nBEGIN;\n")
    for name, table in tables.items():
        columns = ",\n".join(
            f"  {column} {_SQL_TYPES[dtype.base_type()]}"
            + (" PRIMARY KEY" if column == KEYS[name] else "")
            for column, dtype in table.schema.items()
        )
        file.write(f"\nCREATE TABLE {name} (\n{columns}\n);\n")
        file.writelines(_inserts(name, table))
    file.write("\nCOMMIT;\n")


def _inserts(name: str, table: pl.DataFrame) -> Iterator[str]:
    columns = ", ".join(table.columns)
    for piece in table.iter_slices(_BATCH):
        rows = ",\n".join(f"({', '.join(map(_literal, row))})" for row in piece.iter_rows())
        yield f"INSERT INTO {name} ({columns}) VALUES\n{rows};\n"


def _literal(value: object) -> str:
    """Return a value as a literal of the SQL that SQLite and PostgreSQL share."""
    match value:
        case None:
            return "NULL"
        case datetime():
            return f"'{value:%Y-%m-%d %H:%M:%S}'"
        case date():
            return f"'{value.isoformat()}'"
        case int():
            return str(value)
        case _:
            # Both take backslashes literally; only the quote is doubled.
            return "'" + str(value).replace("'", "''") + "'"
