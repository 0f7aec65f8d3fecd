"""What runs write next to the data, as Parquet too: rejects, changes and run reports."""

import io
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake.lake import Lake
from connectors.lake.naming import REJECTS, REJECTS_RAW, RUNS
from connectors.lake.record_columns import (
    ACTION_CHANGES,
    OF,
    OF_VERSION,
    PRIVATE,
    RECORDS,
    SYNC_CHANGES,
    VERSION,
    RecordType,
    records_of,
)
from connectors.lake.stores import Conflict, StoredFile
from connectors.lake.stores.local import LocalStore

# In a file that was rewritten: when it was written first, from which retention counts.
WRITTEN_AT: Final = b"nxp_records_written_at"
_ARROW: Final = {
    RecordType.TEXT: pa.string(),
    RecordType.WHOLE: pa.int64(),
    RecordType.REAL: pa.float64(),
    RecordType.MOMENT: pa.timestamp("us", "UTC"),
    # As Parquet names the values of a list.
    RecordType.TEXTS: pa.list_(pa.field("element", pa.string())),
}


def write_rejects(
    lake: Lake, dataset: str, unit: str, run_id: str, rejects: pa.Table, raw: list[str]
) -> str:
    """Write rejected rows: number and reasons for all to read, the raw text in a protected file.

    Object storage has no file modes: there the bucket's policy protects `_rejects_raw`.

    Args:
        lake: the tenant's lake.
        dataset: the dataset's name.
        unit: the unit's name.
        run_id: the run that rejected them.
        rejects: columns `record` (number in the result, from 1; null where unknown), `reasons`.
        raw: the text of each row, in the same order.

    Returns:
        The path or URL of the file with numbers and reasons.
    """
    name = f"dataset={dataset}/{unit}-{run_id}.parquet"
    same = {"dataset": dataset, "run_id": run_id, "unit": unit}
    protected = pa.table({"record": rejects["record"], "raw": pa.array(raw, pa.string())})
    _write(lake, f"{REJECTS_RAW}/{name}", protected, same)
    return _write(lake, f"{REJECTS}/{name}", rejects, same)


def write_changes(
    lake: Lake, sync: str, run_id: str, number: int, at: datetime, changes: pa.Table
) -> str:
    """Write the changes of a sync that a tenant has accepted, in a protected file: personal data.

    Args:
        lake: the tenant's lake.
        sync: the sync's name.
        run_id: the run that sent it.
        number: the file's number within its run.
        at: when they were acknowledged.
        changes: key, field, before, set_by, after and action of each value.

    Returns:
        The path or URL of the file.
    """
    path = f"{SYNC_CHANGES}={sync}/date={at:%Y-%m-%d}/{run_id}-{number}.parquet"
    return _write(lake, path, changes, {"run_id": run_id, "at": at})


def write_action_changes(
    lake: Lake, action: str, run_id: str, at: datetime, targets: pa.Table
) -> str:
    """Write who was acted on in a run and the outcomes, in a protected file: personal data.

    Args:
        lake: the tenant's lake.
        action: the action's name.
        run_id: the run that sent the requests.
        at: when the file is written.
        targets: a row per target, as the journal has it.

    Returns:
        The path or URL of the file.
    """
    path = f"{ACTION_CHANGES}={action}/date={at:%Y-%m-%d}/{run_id}.parquet"
    return _write(lake, path, targets, {"run_id": run_id})


def rewrite_record(lake: Lake, file: StoredFile, tag: str, table: pa.Table) -> None:
    """Replace the rows of a file of records, unless it was deleted since it was read.

    Args:
        lake: the tenant's lake.
        file: as it was listed; retention still counts from its first writing.
        tag: of the content that was read.
        table: its new rows; metadata is kept.
    """
    of = records_of(file.path)
    if of is None:
        raise AssertionError(f"{file.path} is not a record")
    rows = fitted(table, of, {})
    written_at = (table.schema.metadata or {}).get(WRITTEN_AT, file.modified_at.isoformat())
    rows = rows.replace_schema_metadata({**rows.schema.metadata, WRITTEN_AT: written_at})
    replace(lake, file.path, as_file(rows), tag)


def replace(lake: Lake, path: str, content: bytes, tag: str) -> None:
    """Replace a file, unless it was deleted since it was read: retention may have removed it."""
    if not isinstance(lake.store, LocalStore):
        with suppress(Conflict):
            lake.store.swap(path, content, tag)
    elif lake.store.exists(path):
        lake.store.write(path, content, private=is_private(path))


def write_run(lake: Lake, report: Mapping[str, Any]) -> str:
    """Write a run's report as one row of `_runs`.

    Returns:
        The path or URL of the file.
    """
    row = dict(report) | {f"seconds_{stage}": took for stage, took in report["seconds"].items()}
    plain = {name: row[name] for name in RECORDS[RUNS].keys() & row.keys()}
    # Another kind of run has counts by name under the same name: they are not plain values.
    kept = {name: value for name, value in plain.items() if not isinstance(value, list | dict)}
    path = f"{RUNS}/date={row['started_at']:%Y-%m-%d}/{row['run_id']}.parquet"
    return _write(lake, path, pa.Table.from_pylist([kept]), {})


def schema_of(records: str) -> pa.Schema:
    """Return the fixed schema of one of RECORDS."""
    fields = [pa.field(name, _ARROW[of]) for name, of in RECORDS[records].items()]
    return pa.schema(fields, {OF: records.encode(), OF_VERSION: str(VERSION).encode()})


def fitted(table: pa.Table, records: str, same: Mapping[str, Any]) -> pa.Table:
    """Return a table in the fixed schema of its records.

    Args:
        table: some of the columns, in any order; the others become null.
        records: one of RECORDS.
        same: columns that have one value in all rows, unless the table has them itself.

    Raises:
        pa.ArrowException: a value does not fit its column's type.
    """
    columns = []
    schema = schema_of(records)
    for field in schema:
        if field.name in table.column_names:
            columns.append(_typed(table[field.name], field.type))
        else:
            value = pa.scalar(same.get(field.name), field.type)
            columns.append(pa.repeat(value, table.num_rows))
    return pa.Table.from_arrays(columns, schema=schema)


def _typed(column: pa.ChunkedArray, of: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_list(of) and pa.types.is_string(column.type):
        # One text stands for a list of one.
        return pa.array([value if value is None else [value] for value in column.to_pylist()], of)
    return column.cast(of)


def as_file(table: pa.Table) -> bytes:
    """Return a table as the content of a Parquet file."""
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()


def _write(lake: Lake, path: str, table: pa.Table, same: Mapping[str, Any]) -> str:
    of = records_of(path)
    if of is None:
        raise AssertionError(f"{path} is not a record")
    lake.store.write(path, as_file(fitted(table, of, same)), private=is_private(path))
    return lake.location(path)


def is_private(path: str) -> bool:
    """Return whether a record is for its owner only."""
    return path.partition("/")[0] in PRIVATE
