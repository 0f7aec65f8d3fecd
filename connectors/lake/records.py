"""What runs write next to the data, as Parquet too: rejects, changes and run reports."""

import io
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake.lake import Lake
from connectors.lake.naming import CHANGES, REJECTS, REJECTS_RAW, RUNS


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
    table = rejects
    for column, value in (("unit", unit), ("run_id", run_id)):
        table = table.add_column(0, column, pa.array([value] * table.num_rows, pa.string()))
    protected = pa.table({"record": rejects["record"], "raw": pa.array(raw, pa.string())})
    lake.store.write(f"{REJECTS_RAW}/{name}", _parquet(protected), private=True)
    lake.store.write(f"{REJECTS}/{name}", _parquet(table))
    return lake.location(f"{REJECTS}/{name}")


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
        changes: key, field, before, after and action of each value.

    Returns:
        The path or URL of the file.
    """
    rows = changes.num_rows
    table = changes.add_column(0, "run_id", pa.array([run_id] * rows, pa.string()))
    table = table.append_column("at", pa.array([at] * rows, pa.timestamp("us", "UTC")))
    path = f"{CHANGES}/sync={sync}/date={at:%Y-%m-%d}/{run_id}-{number}.parquet"
    lake.store.write(path, _parquet(table), private=True)
    return lake.location(path)


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
    rows = targets.num_rows
    table = targets.add_column(0, "run_id", pa.array([run_id] * rows, pa.string()))
    path = f"{CHANGES}/action={action}/date={at:%Y-%m-%d}/{run_id}.parquet"
    lake.store.write(path, _parquet(table), private=True)
    return lake.location(path)


def write_run(lake: Lake, report: dict[str, Any]) -> str:
    """Write a run's report as one row of `_runs`; the columns are the report's plain values.

    Returns:
        The path or URL of the file.
    """
    row = {name: value for name, value in report.items() if not isinstance(value, list | dict)}
    row |= {f"seconds_{stage}": value for stage, value in report["seconds"].items()}
    path = f"{RUNS}/date={row['started_at']:%Y-%m-%d}/{row['run_id']}.parquet"
    lake.store.write(path, _parquet(pa.Table.from_pylist([row])))
    return lake.location(path)


def _parquet(table: pa.Table) -> bytes:
    target = io.BytesIO()
    pq.write_table(table, target)
    return target.getvalue()
