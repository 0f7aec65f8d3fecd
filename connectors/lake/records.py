"""What runs leave behind beside the data, as Parquet too: rejects and run reports."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.lake.lake import Lake
from connectors.lake.storage import storage_errors

PRIVATE = 0o600


def write_rejects(
    lake: Lake, dataset: str, unit: str, run_id: str, rejects: pa.Table, raw: list[str]
) -> Path:
    """Keep rejected rows: number and reasons for all to read, the raw text in a protected file.

    Args:
        lake: the tenant's lake.
        dataset: the dataset's name.
        unit: the unit's name.
        run_id: the run that rejected them.
        rejects: columns `record` (number in the result, from 1; null where unknown), `reasons`.
        raw: the text of each row, in the same order.
    """
    name = f"dataset={dataset}/{unit}-{run_id}.parquet"
    table = rejects
    for column, value in (("unit", unit), ("run_id", run_id)):
        table = table.add_column(0, column, pa.array([value] * table.num_rows, pa.string()))
    protected = pa.table({"record": rejects["record"], "raw": pa.array(raw, pa.string())})
    path = lake.folder / "_rejects" / name
    aside = lake.folder / "_rejects_raw" / name
    with storage_errors(path):
        for folder in (path.parent, aside.parent):
            folder.mkdir(parents=True, exist_ok=True)
        aside.parent.chmod(0o700)
        _write(protected, aside, PRIVATE)
        _write(table, path)
    return path


def write_run(lake: Lake, report: dict[str, Any]) -> Path:
    """Keep a run's report as one row of `_runs`; the columns are the report's plain values."""
    row = {name: value for name, value in report.items() if not isinstance(value, list | dict)}
    row |= {f"seconds_{stage}": value for stage, value in report["seconds"].items()}
    path = lake.folder / "_runs" / f"date={row['started_at']:%Y-%m-%d}" / f"{row['run_id']}.parquet"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(pa.Table.from_pylist([row]), path)
    return path


def _write(table: pa.Table, path: Path, mode: int | None = None) -> None:
    """Write a file whole or not at all; no reader meets half of it."""
    new = path.with_name(f".{path.name}.new")
    if mode is not None:
        new.touch(mode=mode)
    pq.write_table(table, new)
    new.replace(path)
