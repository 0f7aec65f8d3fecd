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
        aside.touch(mode=PRIVATE)
        pq.write_table(protected, aside)
        pq.write_table(table, path)
    return path


def write_run(lake: Lake, report: dict[str, Any]) -> Path:
    """Keep a run's report as one row of `_runs`; the columns are the report's plain values."""
    row = {name: value for name, value in report.items() if not isinstance(value, list | dict)}
    row |= {f"seconds_{stage}": value for stage, value in report["seconds"].items()}
    path = lake.folder / "_runs" / f"date={row['started_at']:%Y-%m-%d}" / f"{row['run_id']}.parquet"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([row]), path)
    return path
